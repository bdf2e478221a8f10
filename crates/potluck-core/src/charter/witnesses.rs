//! Who watches the log beside the parties, and how many must vouch for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::CharterError;
use crate::keys::PublicKey;

/// Who watches the log beside the parties.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witnesses {
    /// How many witnesses must have cosigned the checkpoint under which a soup is published.
    #[serde(default)]
    pub quorum: u32,
    /// Witnesses that are no parties: the name of their key in notes, and the key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outside: BTreeMap<String, PublicKey>,
}

impl Witnesses {
    /// Of a federation of so many parties.
    pub(super) fn check(&self, parties: usize) -> Result<(), CharterError> {
        let Self { quorum, outside } = self;
        let witnesses = parties + outside.len();
        if u64::from(*quorum) > witnesses as u64 {
            return Err(CharterError::Quorum { quorum: *quorum, witnesses });
        }
        let mut seen = Vec::new();
        for (name, key) in outside {
            let is_name = (1..=128).contains(&name.len())
                && name.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '+');
            if !is_name {
                return Err(CharterError::WitnessName(name.chars().take(80).collect()));
            }
            if seen.contains(&key) {
                return Err(CharterError::WitnessTwice(name.clone()));
            }
            seen.push(key);
        }
        Ok(())
    }
}
