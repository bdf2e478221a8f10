//! From what experts are trained: the base, or what the federation last made of its experts.
//!
//! No ledger can tell from which weights somebody's training began: the party's own client compares what the trainer's card
//! says, and the charter says what it is to do where that is something else.

use serde::{Deserialize, Serialize};

use super::CharterError;

/// From what an expert's training starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// The federation's base.
    Base,
    /// The soup in force; the base where there is none.
    Soup,
}

/// What a party's client does with an expert that started from something else, or does not say from what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// It says so, and hands it in.
    Warn,
    /// It does not hand it in.
    Refuse,
}

/// From what experts are trained. Where a charter says nothing, each party chooses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingRules {
    /// From what training starts.
    pub start: Start,
    /// The first round whose experts start from a soup; 0 where that is as soon as there is one.
    #[serde(default, skip_serializing_if = "super::rounds::is_zero")]
    pub from_round: u64,
    /// What becomes of other experts.
    #[serde(default = "warn")]
    pub otherwise: Otherwise,
}

impl TrainingRules {
    /// From what the experts of a round start.
    pub fn start_of(&self, round: u64) -> Start {
        if round < self.from_round { Start::Base } else { self.start }
    }

    pub(super) fn check(&self) -> Result<(), CharterError> {
        match (self.start, self.from_round) {
            (_, 0) | (Start::Soup, _) => Ok(()),
            (Start::Base, _) => {
                Err(CharterError::Training("from_round has no effect where start is \"base\""))
            }
        }
    }
}

fn warn() -> Otherwise {
    Otherwise::Warn
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Charter;

    const GOOD: &str = "name = 'news'\nrule = 'mean'\n[parties.a]\nweight = 1\n";

    #[test]
    fn who_says_nothing_has_the_same_canonical_form_as_before() {
        let charter = Charter::from_toml(GOOD).unwrap();
        assert_eq!(charter.training(), None);
        assert!(!serde_json::to_string(&charter).unwrap().contains("training"));
    }

    #[test]
    fn the_rules_are_read_and_stand_last() {
        let read = |rules: &str| Charter::from_toml(&format!("{GOOD}[training]\n{rules}"));
        let charter = read("start = 'soup'\nfrom_round = 3\notherwise = 'refuse'").unwrap();
        let json = serde_json::to_string(&charter).unwrap();
        let last = r#","training":{"start":"soup","from_round":3,"otherwise":"refuse"}}"#;
        assert!(json.ends_with(last), "{json}");
        assert_eq!(serde_json::from_str::<Charter>(&json).unwrap(), charter);
        let rules = charter.training().unwrap();
        assert_eq!(
            [1, 2, 3, 4].map(|round| rules.start_of(round)),
            [Start::Base, Start::Base, Start::Soup, Start::Soup]
        );
        let json = serde_json::to_string(&read("start = 'base'").unwrap()).unwrap();
        assert!(json.ends_with(r#","training":{"start":"base","otherwise":"warn"}}"#), "{json}");
        let refused = read("start = 'base'\nfrom_round = 2").unwrap_err().to_string();
        assert!(refused.contains("training: from_round has no effect"), "{refused}");
        for wrong in ["", "start = 'last'", "start = 'soup'\nform_round = 1"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
