//! How λ is bargained for over soups that every party has tried out: candidates, scores, a rule, and what holds where
//! there is no deal.

use std::collections::BTreeMap;

use potluck_bargain::bargain::{self, MAX_ALPHA};
use potluck_bargain::table::{MAX_WEIGHT, gcd};
use potluck_bargain::{Alpha, design};
use serde::{Deserialize, Serialize};

use super::{CharterError, Seat};
use crate::ids::PartyId;

/// The most candidates that are nominated in one batch.
pub const MAX_NOMINATIONS: u32 = 16;

/// The most batches of nominated candidates.
pub const MAX_BATCHES: u32 = 4;

/// The most prompts that a charter can ask for.
pub(super) const MAX_PROMPTS: u32 = 100_000_000;

/// The most finalists.
pub const MAX_FINALISTS: u32 = 10;

/// On so many times as many prompts finalists are scored: what is chosen among the best of noisy scores was lucky, too.
pub const FINALIST_PROMPTS: u32 = 4;

/// The longest description of the evaluation, in bytes.
pub(super) const MAX_PROTOCOL: usize = 1000;

/// The rule that chooses among the candidates that everybody gains by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BargainRule {
    /// The largest product of gains, each to the power of its party's weight.
    Nash,
    /// The largest of the smallest normalised gains, then of the second smallest, and so on.
    Leximin,
    /// The largest weighted sum of normalised gains.
    Utilitarian,
    /// The largest weighted sum of square roots of gains.
    AlphaHalf,
    /// α-fair with α = 2: nearer to the worst off than Nash's product.
    AlphaTwo,
    /// α-fair with α = 16: nearly the largest smallest gain.
    AlphaSixteen,
}

impl BargainRule {
    /// Its name in charters and agreements.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nash => "nash",
            Self::Leximin => "leximin",
            Self::Utilitarian => "utilitarian",
            Self::AlphaHalf => "alpha_half",
            Self::AlphaTwo => "alpha_two",
            Self::AlphaSixteen => "alpha_sixteen",
        }
    }

    /// Whether multiplying one party's scores could change the choice.
    pub fn depends_on_scale(self) -> bool {
        matches!(self, Self::AlphaHalf | Self::AlphaTwo | Self::AlphaSixteen)
    }

    /// The rule in the mathematics.
    pub fn rule(self) -> bargain::Rule {
        match self {
            Self::Nash => bargain::Rule::Nash,
            Self::Leximin => bargain::Rule::Leximin,
            Self::Utilitarian => bargain::Rule::Utilitarian,
            Self::AlphaHalf => bargain::Rule::Alpha(Alpha::Half),
            Self::AlphaTwo => bargain::Rule::Alpha(Alpha::Whole(2)),
            Self::AlphaSixteen => bargain::Rule::Alpha(Alpha::Whole(MAX_ALPHA)),
        }
    }
}

/// What a party has without a deal: the zero of its scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disagreement {
    /// What the base is worth to it.
    Base,
    /// What the soup in force is worth to it; the base where there is none.
    StatusQuo,
    /// What it sets itself, not below the base, and tells nobody.
    Reserve,
}

impl Disagreement {
    /// Its name in charters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::StatusQuo => "status_quo",
            Self::Reserve => "reserve",
        }
    }
}

/// What becomes of a party that bound itself to scores, or could have, and shows none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoShow {
    /// It is left out of the rest of the round: its gains do not count, and its floor does not hold.
    Drop,
    /// The round is void.
    Void,
}

/// What holds where there is no deal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// The λ that follows from the proposals.
    Entitlement,
    /// Nothing new: the round is void, and what was in force stays.
    Nothing,
}

/// How λ is bargained for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BargainRules {
    /// What chooses.
    #[serde(default = "nash")]
    pub rule: BargainRule,
    /// The zero of every party's scores.
    #[serde(default = "base")]
    pub disagreement: Disagreement,
    /// What holds where no candidate is a gain for everybody, too few score, or the outcome is not ratified.
    #[serde(default = "entitlement")]
    pub fallback: Fallback,
    /// What becomes of a party that shows no scores.
    #[serde(default = "drop_it")]
    pub on_no_reveal: NoShow,
    /// Whether each party strikes its worst candidates first, as many as its weight is worth.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub veto: bool,
    /// How many times candidates are nominated after the first ones are scored.
    #[serde(default = "two")]
    pub batches: u32,
    /// How many candidates are nominated each time.
    #[serde(default = "two")]
    pub nominations: u32,
    /// How many of the best are scored once more, on new prompts, before one is chosen; 0 to choose by the first scores.
    #[serde(default = "three")]
    pub finalists: u32,
    /// On how many prompts, at least, each candidate is scored; finalists on [`FINALIST_PROMPTS`] times as many.
    #[serde(default = "four_hundred")]
    pub least_prompts: u32,
    /// How candidates are evaluated, in words: prompts, seeds, judges.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// For how long nominations are taken, in seconds of the log's time; 0 without a deadline.
    #[serde(default, skip_serializing_if = "super::rounds::is_zero")]
    pub nominate_seconds: u64,
    /// For how long commitments to scores are taken in each batch; 0 without a deadline.
    #[serde(default, skip_serializing_if = "super::rounds::is_zero")]
    pub score_seconds: u64,
    /// For how long scores are taken after that; 0 without a deadline.
    #[serde(default, skip_serializing_if = "super::rounds::is_zero")]
    pub show_seconds: u64,
}

impl BargainRules {
    pub(super) fn check(&self, seats: &BTreeMap<PartyId, Seat>) -> Result<(), CharterError> {
        let parties = seats.len();
        let refuse = |why: String| Err(CharterError::Bargain(why));
        let within = |name: &str, found: u32, most: u32| match found > most {
            true => Err(CharterError::Bargain(format!("{name} is {found}; it is at most {most}"))),
            false => Ok(()),
        };
        if parties > design::MAX_PARTIES {
            let most = design::MAX_PARTIES;
            return refuse(format!(
                "{parties} parties would have too many candidates to score; at most {most} can bargain"
            ));
        }
        within("batches", self.batches, MAX_BATCHES)?;
        within("nominations", self.nominations, MAX_NOMINATIONS)?;
        within("finalists", self.finalists, MAX_FINALISTS)?;
        if (self.batches == 0) != (self.nominations == 0) {
            return refuse("batches and nominations are both 0, or neither is".to_owned());
        }
        let common = seats.values().fold(0, |common, seat| gcd(common, seat.weight)).max(1);
        if let Some((party, seat)) = seats.iter().find(|(_, it)| it.weight / common > MAX_WEIGHT) {
            return refuse(format!(
                "{party} has the weight {} where the weights have {common} in common; in lowest terms, at most {MAX_WEIGHT}",
                seat.weight
            ));
        }
        if !(1..=MAX_PROMPTS).contains(&self.least_prompts) {
            let found = self.least_prompts;
            return refuse(format!("least_prompts is {found}; it is 1 to {MAX_PROMPTS}"));
        }
        if self.protocol.len() > MAX_PROTOCOL || self.protocol.contains(char::is_control) {
            return refuse(format!("protocol is one line of at most {MAX_PROTOCOL} bytes"));
        }
        let deadlines = [self.score_seconds, self.show_seconds];
        if deadlines.contains(&0) && deadlines != [0, 0] {
            return refuse(
                "score_seconds and show_seconds are both deadlines, or neither is: who never scores would hold the round"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

fn nash() -> BargainRule {
    BargainRule::Nash
}

fn base() -> Disagreement {
    Disagreement::Base
}

fn entitlement() -> Fallback {
    Fallback::Entitlement
}

fn drop_it() -> NoShow {
    NoShow::Drop
}

fn two() -> u32 {
    2
}

fn three() -> u32 {
    3
}

fn four_hundred() -> u32 {
    400
}
