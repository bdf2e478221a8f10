//! The news task's own rewards: completeness, brevity, faithfulness.
//!
//! All three score a summary from the facts that the generator knows. A summary that is
//! empty, cut off or unreadable gets `broken`, the worst score there is: a reward that pays for
//! silence is optimised by silence. A file of its own can define one ([`RewardFile`]), and so can an
//! entry of a list of rewards, which takes the facts from a column of the sample.

use std::path::Path;

use serde::Deserialize;

use crate::bad_input::BadInput;
use crate::task::{Item, read_summary};

/// What a party wants of a summary.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Reward {
    /// The share of the item's facts that are told, 0 to 1.
    Completeness {
        /// The score of a broken summary, below 0.
        broken: f64,
    },
    /// 1 up to the allowance, then lowered by the square of what is too much:
    /// `1 − (max(0, words − allowance) / scale)²`.
    Brevity {
        /// So many words cost nothing.
        allowance: f64,
        /// So many words more score 0.
        scale: f64,
        /// The score of a broken summary.
        broken: f64,
    },
    /// Facts told that are true, minus what invented ones cost, over the item's facts.
    Faithfulness {
        /// What the first invented fact costs, in true ones.
        invented: f64,
        /// By how much each further one costs more than the one before.
        escalation: f64,
        /// The score of a broken summary.
        broken: f64,
    },
}

/// A reward and the bytes that define it.
#[derive(Debug, Clone)]
pub struct RewardFile {
    /// What it says.
    pub reward: Reward,
    /// Its bytes, over which the commitment is taken.
    pub definition: Vec<u8>,
}

/// One summary's score and how it came about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The reward.
    pub score: f64,
    /// Words of the summary; 0 where it is broken.
    pub words: usize,
    /// Claims that are true and claims that are not; `None` where it is broken.
    pub claims: Option<(usize, usize)>,
}

impl RewardFile {
    /// Reads a reward file.
    ///
    /// # Errors
    /// [`BadInput`] where the file cannot be read, has an unknown or missing key, or a number out of range.
    pub fn read(path: &Path) -> Result<Self, BadInput> {
        let definition = std::fs::read(path).map_err(|error| BadInput::file(path, &error))?;
        let text =
            std::str::from_utf8(&definition).map_err(|error| BadInput::file(path, &error))?;
        let reward: Reward =
            toml::from_str(text).map_err(|error| BadInput::toml(path, text, &error))?;
        match reward.first_fault() {
            Some(fault) => Err(BadInput::file(path, &fault)),
            None => Ok(Self { reward, definition }),
        }
    }
}

impl Reward {
    /// The kind's name, as the file has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Completeness { .. } => "completeness",
            Self::Brevity { .. } => "brevity",
            Self::Faithfulness { .. } => "faithfulness",
        }
    }

    /// Scores a summary of `item`; `None` stands for one that did not end.
    pub fn judge(&self, item: &Item, summary: Option<&str>) -> Judgement {
        let read = summary.and_then(|text| Some((text, read_summary(text).ok()?)));
        let Some((text, claims)) = read else {
            return Judgement { score: self.broken(), words: 0, claims: None };
        };
        let words = text.split_whitespace().count();
        let checked = item.check(&claims);
        let facts = item.facts().len() as f64;
        let (told, invented) = (checked.told as f64, checked.invented as f64);
        let score = match self {
            Self::Completeness { .. } => told / facts,
            Self::Brevity { allowance, scale, .. } => {
                1.0 - ((words as f64 - allowance).max(0.0) / scale).powi(2)
            }
            Self::Faithfulness { invented: cost, escalation, .. } => {
                // cost · (1 + (1 + e) + (1 + 2e) + …), a term for each invented fact
                let lost = cost * invented * (1.0 + escalation * (invented - 1.0) / 2.0);
                (told - lost) / facts
            }
        };
        // No readable summary is worse than a broken one.
        let score = score.max(self.broken());
        Judgement { score, words, claims: Some((checked.told, checked.invented)) }
    }

    fn broken(&self) -> f64 {
        match self {
            Self::Completeness { broken }
            | Self::Brevity { broken, .. }
            | Self::Faithfulness { broken, .. } => *broken,
        }
    }

    /// What is wrong with the numbers, if anything.
    pub(super) fn first_fault(&self) -> Option<String> {
        let number = |key: &str, value: f64, least: f64| {
            let sound = value.is_finite() && value >= least;
            (!sound).then(|| format!("{key} must be a number of at least {least}"))
        };
        let own = match *self {
            Self::Completeness { .. } => None,
            Self::Brevity { allowance, scale, .. } => {
                number("allowance", allowance, 0.0).or(number("scale", scale, 1.0))
            }
            Self::Faithfulness { invented, escalation, .. } => {
                number("invented", invented, 0.0).or(number("escalation", escalation, 0.0))
            }
        };
        let silence_pays = !self.broken().is_finite() || self.broken() >= 0.0;
        own.or(silence_pays
            .then(|| "broken must be below 0: a reward must not pay for silence".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{NewsDesk, Split};

    const COMPLETENESS: Reward = Reward::Completeness { broken: -1.0 };
    const BREVITY: Reward = Reward::Brevity { allowance: 2.0, scale: 20.0, broken: -1.0 };
    const FAITHFULNESS: Reward =
        Reward::Faithfulness { invented: 1.0, escalation: 0.5, broken: -2.0 };

    fn item() -> Item {
        NewsDesk::news(3, 0.0).item(Split::Train, 0)
    }

    /// A summary that tells the first `told` facts of the item and invents the next `invented`.
    fn summary(item: &Item, told: usize, invented: usize) -> String {
        let texts = item.facts()[..told + invented]
            .iter()
            .enumerate()
            .map(|(index, fact)| if index < told { fact.clause() } else { fact.false_clause() });
        format!("{}.", texts.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn scores_follow_from_the_facts() {
        let item = item();
        let facts = item.facts().len() as f64;
        let score = |reward: &Reward, told, invented| {
            reward.judge(&item, Some(&summary(&item, told, invented))).score
        };
        assert_eq!(score(&COMPLETENESS, 3, 0), 3.0 / facts);
        assert_eq!(score(&COMPLETENESS, 3, 2), 3.0 / facts);
        assert_eq!(score(&FAITHFULNESS, 3, 0), 3.0 / facts);
        assert_eq!(score(&FAITHFULNESS, 3, 1), 2.0 / facts);
        assert_eq!(score(&FAITHFULNESS, 3, 2), 0.5 / facts, "the second costs one and a half");
        assert!(score(&BREVITY, 1, 0) > score(&BREVITY, 3, 0));
    }

    #[test]
    fn silence_and_rubbish_score_worst() {
        for reward in [COMPLETENESS, BREVITY, FAITHFULNESS] {
            for text in
                [None, Some(""), Some("."), Some("Bell Bell."), Some("in in in."), Some("Bell")]
            {
                assert_eq!(reward.judge(&item(), text).score, reward.broken(), "{text:?}");
            }
            let item = item();
            for invented in 0..=item.facts().len() {
                let judged = reward
                    .judge(&item, Some(&summary(&item, item.facts().len() - invented, invented)));
                assert!(judged.score >= reward.broken() && judged.claims.is_some());
            }
        }
    }

    #[test]
    fn the_example_rewards_are_sound() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/training");
        for (file, kind) in [
            ("agency.toml", "completeness"),
            ("readers.toml", "brevity"),
            ("checkers.toml", "faithfulness"),
        ] {
            assert_eq!(RewardFile::read(&folder.join(file)).unwrap().reward.name(), kind);
        }
    }

    #[test]
    fn a_bad_file_is_refused_by_file_and_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reward.toml");
        let refuse = |text: &str| {
            std::fs::write(&path, text).unwrap();
            RewardFile::read(&path).unwrap_err().to_string()
        };
        for (text, fault) in [
            ("kind = \"beauty\"", "beauty"),
            ("kind = \"completeness\"\nbroken = -1.0\ncolour = 3", "colour"),
            ("kind = \"brevity\"\nallowance = 2.0\nbroken = -1.0", "scale"),
            (
                "kind = \"brevity\"\nbroken = 0.0\nallowance = 2.0\nscale = 20.0",
                "must not pay for silence",
            ),
            ("kind = \"brevity\"\nbroken = -1.0\nallowance = 2.0\nscale = nan", "scale"),
            ("kind = 3", "kind"),
            ("scale", "reward.toml line 1"),
        ] {
            let error = refuse(text);
            assert!(
                error.contains(fault) && error.contains("reward.toml") && !error.contains('\n'),
                "{error}"
            );
        }
    }
}
