//! The federation's rules, fixed at its genesis.

mod adapters;
mod bargain;
mod consent;
mod rounds;
mod training;
mod witnesses;

use std::collections::BTreeMap;

use potluck_bargain::{MILLION, Phantoms};
use serde::{Deserialize, Serialize};

pub use self::adapters::{AdapterRules, MAX_ADAPTER_RANK};
pub use self::bargain::{
    BargainRule, BargainRules, Disagreement, FINALIST_PROMPTS, Fallback, MAX_BATCHES,
    MAX_FINALISTS, MAX_NOMINATIONS, NoShow,
};
pub use self::consent::{AgreementRules, AmendmentRules};
pub use self::rounds::RoundRules;
pub use self::training::{Otherwise, Start, TrainingRules};
pub use self::witnesses::Witnesses;
use crate::ids::{FederationName, PartyId};
use crate::lambda::MAX_PARTIES;
use crate::manifest::{ADAPTER, WEIGHTS};
use crate::recipe::Arithmetic;

/// Why a charter was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CharterError {
    /// The text is no charter.
    #[error("{0}")]
    Text(String),
    /// No party or too many.
    #[error("the charter names {0} parties; 1 to {MAX_PARTIES} are allowed")]
    Parties(usize),
    /// A party that nobody could hear.
    #[error("parties.{0}.weight is 0: give it at least 1, or leave the party out")]
    Weight(PartyId),
    /// More cosignatures than there could be.
    #[error(
        "witnesses.quorum is {quorum}, but there are only {witnesses} parties and outside witnesses"
    )]
    Quorum {
        /// How many are demanded.
        quorum: u32,
        /// How many there could be.
        witnesses: usize,
    },
    /// An outside witness whose name no note could carry.
    #[error(
        "witnesses.outside.{0:?} is no name of a witness: use 1 to 128 visible characters other than '+'"
    )]
    WitnessName(String),
    /// Two witnesses of one key.
    #[error("witnesses.outside.{0} has the key of another witness")]
    WitnessTwice(String),
    /// More votes than there could be.
    #[error("keys.recovery is {recovery}, but only {voters} others could vote for a lost key")]
    Recovery {
        /// How many are demanded.
        recovery: u32,
        /// How many could vote.
        voters: usize,
    },
    /// Floors that leave nothing to negotiate.
    #[error(
        "the parties' floors sum to {0} parts per million; they must leave something below {MILLION} to decide"
    )]
    Floors(u64),
    /// Rules of rounds that contradict each other.
    #[error("rounds: {0}")]
    Rounds(&'static str),
    /// A cap that no floor allows.
    #[error("{0}")]
    Caps(String),
    /// Rules of bargaining that contradict each other.
    #[error("bargain: {0}")]
    Bargain(String),
    /// Rules of agreements that contradict each other.
    #[error("agreement: {0}")]
    Agreement(&'static str),
    /// Rules of amendments that contradict each other.
    #[error("amendment: {0}")]
    Amendment(&'static str),
    /// A rank that no adapter can have, or too many have.
    #[error("adapters.max_rank is {0}; 1 to {MAX_ADAPTER_RANK} are possible")]
    Rank(u32),
    /// Rules of training that contradict each other.
    #[error("training: {0}")]
    Training(&'static str),
    /// A limit that would refuse everything.
    #[error("limits.{0} is 0, which would refuse every expert")]
    Limit(&'static str),
}

/// How λ is decided from the parties' proposals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The weighted mean of the proposed λ. Whoever asks for more than it wants is given more.
    Mean,
    /// Moving phantoms, each of which rewards nobody for a false proposal ([`Phantoms`]): proportional.
    IndependentMarkets,
    /// Moving phantoms: proportional, and nearest to the mean.
    Ladder,
    /// Moving phantoms: the least sum of distances, so that a majority decides alone.
    Utilitarian,
    /// Moving phantoms: proportional, with another fairness bound.
    PiecewiseUniform,
}

impl Rule {
    /// Its name in charters and agreements.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::IndependentMarkets => "independent_markets",
            Self::Ladder => "ladder",
            Self::Utilitarian => "utilitarian",
            Self::PiecewiseUniform => "piecewise_uniform",
        }
    }

    /// Its phantoms, where it has some.
    pub fn phantoms(self) -> Option<Phantoms> {
        match self {
            Self::Mean => None,
            Self::IndependentMarkets => Some(Phantoms::IndependentMarkets),
            Self::Ladder => Some(Phantoms::Ladder),
            Self::Utilitarian => Some(Phantoms::Utilitarian),
            Self::PiecewiseUniform => Some(Phantoms::PiecewiseUniform),
        }
    }
}

/// Who may read something; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// The admitted parties and the operator.
    Parties,
    /// These, and whoever holds a token that the operator made.
    TokenHolders,
    /// Anybody who asks.
    Anyone,
}

/// One party in the charter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    /// Its weight in every decision, at least 1.
    pub weight: u32,
    /// The least share of λ that any proposal must give its expert, in parts per million.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub floor_ppm: u32,
    /// The largest share of λ for its expert in a bargained soup, in parts per million.
    #[serde(default = "no_cap", skip_serializing_if = "is_no_cap")]
    pub cap_ppm: u32,
    /// Why it has this weight, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What admission lets through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The largest expert, in bytes.
    pub expert_bytes: u64,
    /// The largest change of a tensor, in thousandths of the Euclidean norm of the base's tensor.
    pub change_permille: u32,
}

impl Default for Limits {
    fn default() -> Self {
        // A 70-billion-parameter model in BF16 fits; RL fine-tuning moves a tensor by a few per cent.
        Self { expert_bytes: 160_000_000_000, change_permille: 1000 }
    }
}

/// Who may read what. The ledger is always open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// The base and the experts.
    pub experts: Audience,
    /// The published soups.
    pub soups: Audience,
}

impl Default for Access {
    fn default() -> Self {
        Self { experts: Audience::Parties, soups: Audience::Anyone }
    }
}

/// How lost keys are replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRules {
    /// How many other authors must vote for the same new key; 0 where a lost key stays lost.
    #[serde(default)]
    pub recovery: u32,
}

/// The rules of one federation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "CharterText", into = "CharterText")]
pub struct Charter(CharterText);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CharterText {
    name: FederationName,
    rule: Rule,
    parties: BTreeMap<PartyId, Seat>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    adapters: Option<AdapterRules>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    access: Access,
    #[serde(default)]
    witnesses: Witnesses,
    #[serde(default)]
    keys: KeyRules,
    #[serde(default, skip_serializing_if = "RoundRules::is_default")]
    rounds: RoundRules,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bargain: Option<BargainRules>,
    #[serde(default, skip_serializing_if = "AgreementRules::is_default")]
    agreement: AgreementRules,
    #[serde(default, skip_serializing_if = "AmendmentRules::is_default")]
    amendment: AmendmentRules,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    training: Option<TrainingRules>,
}

impl Charter {
    /// Reads a charter from TOML; `configs/charter.toml` is a commented example.
    ///
    /// # Errors
    /// [`CharterError`], with the line for an unknown key or a malformed value.
    pub fn from_toml(text: &str) -> Result<Self, CharterError> {
        // `toml` wraps our own checks into its error, with the place; its text is what a person needs.
        toml::from_str(text)
            .map_err(|error| CharterError::Text(error.to_string().trim_end().to_owned()))
    }

    /// The federation's name.
    pub fn name(&self) -> &FederationName {
        &self.0.name
    }

    /// How λ is decided.
    pub fn rule(&self) -> Rule {
        self.0.rule
    }

    /// The parties that may be admitted, in ascending order.
    pub fn parties(&self) -> &BTreeMap<PartyId, Seat> {
        &self.0.parties
    }

    /// The least share of λ for a party's expert, in parts per million.
    pub fn floor(&self, party: &PartyId) -> u32 {
        self.0.parties.get(party).map_or(0, |seat| seat.floor_ppm)
    }

    /// The weight of a party's seat; 0 where it has none.
    pub fn weight(&self, party: &PartyId) -> u32 {
        self.0.parties.get(party).map_or(0, |seat| seat.weight)
    }

    /// The largest share of λ for a party's expert in a bargained soup, in parts per million.
    pub fn cap(&self, party: &PartyId) -> u32 {
        self.0.parties.get(party).map_or(MILLION, |seat| seat.cap_ppm)
    }

    /// How λ is bargained for; nothing where it follows from proposals alone.
    pub fn bargain(&self) -> Option<&BargainRules> {
        self.0.bargain.as_ref()
    }

    /// What an agreement needs, and how long it lasts.
    pub fn agreement(&self) -> &AgreementRules {
        &self.0.agreement
    }

    /// How the charter is changed.
    pub fn amendment(&self) -> &AmendmentRules {
        &self.0.amendment
    }

    /// The rules of experts that are adapters; nothing where they are full weights.
    pub fn adapters(&self) -> Option<&AdapterRules> {
        self.0.adapters.as_ref()
    }

    /// What the one file of an expert, and of a soup, is called.
    pub fn expert_file(&self) -> &'static str {
        if self.0.adapters.is_some() { ADAPTER } else { WEIGHTS }
    }

    /// By what rule soups are mixed.
    pub fn arithmetic(&self) -> Arithmetic {
        match &self.0.adapters {
            None => Arithmetic::Linear1,
            Some(AdapterRules { shared_a: None, .. }) => Arithmetic::AdapterLinear2,
            Some(AdapterRules { shared_a: Some(_), .. }) => Arithmetic::AdapterSharedA1,
        }
    }

    /// From what experts are trained; nothing where each party chooses.
    pub fn training(&self) -> Option<&TrainingRules> {
        self.0.training.as_ref()
    }

    /// What admission lets through.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Who may read what.
    pub fn access(&self) -> &Access {
        &self.0.access
    }

    /// Who watches the log.
    pub fn witnesses(&self) -> &Witnesses {
        &self.0.witnesses
    }

    /// How a round goes.
    pub fn rounds(&self) -> &RoundRules {
        &self.0.rounds
    }

    /// How lost keys are replaced.
    pub fn keys(&self) -> &KeyRules {
        &self.0.keys
    }
}

impl TryFrom<CharterText> for Charter {
    type Error = CharterError;
    fn try_from(text: CharterText) -> Result<Self, CharterError> {
        if text.parties.is_empty() || text.parties.len() > MAX_PARTIES {
            return Err(CharterError::Parties(text.parties.len()));
        }
        if let Some((party, _)) = text.parties.iter().find(|(_, seat)| seat.weight == 0) {
            return Err(CharterError::Weight(party.clone()));
        }
        let floors = text.parties.values().map(|seat| u64::from(seat.floor_ppm)).sum();
        if floors >= u64::from(MILLION) {
            return Err(CharterError::Floors(floors));
        }
        if text.limits.expert_bytes == 0 {
            return Err(CharterError::Limit("expert_bytes"));
        }
        if text.limits.change_permille == 0 {
            return Err(CharterError::Limit("change_permille"));
        }
        text.adapters.iter().try_for_each(AdapterRules::check)?;
        check_caps(&text)?;
        let deadlines = text.bargain.as_ref().is_some_and(|bargain| bargain.score_seconds > 0);
        text.rounds.check(deadlines)?;
        if let Some(bargain) = &text.bargain {
            bargain.check(&text.parties)?;
        }
        text.agreement.check()?;
        text.amendment.check()?;
        if let Some(training) = &text.training {
            training.check()?;
        }
        text.witnesses.check(text.parties.len())?;
        // The operator and every party but the one that lost its key.
        let voters = text.parties.len();
        if u64::from(text.keys.recovery) > voters as u64 {
            return Err(CharterError::Recovery { recovery: text.keys.recovery, voters });
        }
        Ok(Self(text))
    }
}

fn check_caps(text: &CharterText) -> Result<(), CharterError> {
    for (party, seat) in &text.parties {
        if seat.cap_ppm > MILLION || seat.cap_ppm <= seat.floor_ppm {
            let sentence = format!(
                "parties.{party}.cap_ppm is {}; a cap lies above the floor, which is {}, and is at most {MILLION}",
                seat.cap_ppm, seat.floor_ppm
            );
            return Err(CharterError::Caps(sentence));
        }
        if seat.cap_ppm < MILLION && text.bargain.is_none() {
            let sentence =
                format!("parties.{party}.cap_ppm holds in bargains alone: add [bargain]");
            return Err(CharterError::Caps(sentence));
        }
    }
    let caps: u64 = text.parties.values().map(|seat| u64::from(seat.cap_ppm)).sum();
    if caps < u64::from(MILLION) {
        let sentence =
            format!("the parties' caps sum to {caps} parts per million; no λ is below all of them");
        return Err(CharterError::Caps(sentence));
    }
    Ok(())
}

fn no_cap() -> u32 {
    MILLION
}

fn is_no_cap(cap: &u32) -> bool {
    *cap == MILLION
}

fn is_false(it: &bool) -> bool {
    !*it
}

fn is_zero(floor: &u32) -> bool {
    *floor == 0
}

impl From<Charter> for CharterText {
    fn from(charter: Charter) -> Self {
        charter.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "name = 'news'\nrule = 'mean'\n[parties.a]\nweight = 1\n[parties.b]\nweight = 2\n";

    #[test]
    fn what_is_left_out_has_safe_defaults() {
        let charter = Charter::from_toml(GOOD).unwrap();
        assert_eq!(charter.access().experts, Audience::Parties);
        let partly = "[access]\nexperts = 'anyone'\n[limits]\nchange_permille = 5\n";
        let partly = Charter::from_toml(&format!("{GOOD}{partly}")).unwrap();
        assert_eq!(partly.access().soups, Audience::Anyone);
        assert_eq!(partly.limits().expert_bytes, charter.limits().expert_bytes);
        assert_eq!(charter.parties()[&"b".parse().unwrap()].weight, 2);
    }

    #[test]
    fn errors_name_the_key() {
        let error = |from: &str, to: &str| {
            Charter::from_toml(&GOOD.replacen(from, to, 1)).unwrap_err().to_string()
        };
        assert!(error("rule", "ruel").contains("ruel"));
        assert!(error("'mean'", "'coin'").contains("coin"));
        let floors = error("weight = 2", "weight = 2\nfloor_ppm = 1000000");
        assert!(floors.contains("floors sum to 1000000"), "{floors}");
        assert!(error("weight = 2", "weight = 0").contains("parties.b.weight is 0"));
        assert!(
            error("weight = 2", "weight = 2\n[limits]\nexpert_bytes = 0\nchange_permille = 1")
                .contains("limits.expert_bytes")
        );
        for (rounds, why) in [
            ("commit_seconds = 5", "sealed = true"),
            ("sealed = true\ncommit_seconds = 5", "for both"),
            ("reveal_seconds = 5\nquorum_permille = 1001", "more than 1000"),
            ("quorum_permille = 500", "has no effect"),
        ] {
            let refused = error("weight = 2", &format!("weight = 2\n[rounds]\n{rounds}"));
            assert!(refused.contains(why), "{refused}");
        }
        assert!(
            error("[parties.b]\nweight = 2\n", "[parties.B]\nweight = 2\n").contains("no name")
        );
    }
}
