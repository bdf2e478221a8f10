//! Who must consent, and for how long that holds: ratification, expiry, amendments.

use serde::{Deserialize, Serialize};

use super::CharterError;

/// What an agreement needs beside being derived, and how long it lasts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgreementRules {
    /// How much of the weight of the round's parties must ratify, in thousandths; 0 where what is derived holds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ratify_permille: u32,
    /// For how long ratifications are taken, in seconds of the log's time; 0 without a deadline.
    #[serde(default, skip_serializing_if = "super::rounds::is_zero")]
    pub ratify_seconds: u64,
    /// For how long an agreement is in force, in seconds since it was reached; 0 until there is another.
    #[serde(default, skip_serializing_if = "super::rounds::is_zero")]
    pub valid_seconds: u64,
}

/// How the charter itself is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmendmentRules {
    /// How much of the weight of the seats that are taken must endorse a new charter, in thousandths: by the old charter's
    /// weights and threshold, and by the new one's, too. 0 where the charter is fixed for good.
    #[serde(default)]
    pub permille: u32,
}

impl AgreementRules {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn check(&self) -> Result<(), CharterError> {
        if self.ratify_permille > 1000 {
            return Err(CharterError::Agreement("ratify_permille is more than 1000"));
        }
        if self.ratify_permille == 0 && self.ratify_seconds > 0 {
            let why = "ratify_seconds has no effect where ratify_permille is 0";
            return Err(CharterError::Agreement(why));
        }
        Ok(())
    }
}

impl AmendmentRules {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn check(&self) -> Result<(), CharterError> {
        match self.permille {
            // With half or less, two halves could each make a charter of their own.
            1..=500 => Err(CharterError::Amendment("permille is 0, or more than 500")),
            1001.. => Err(CharterError::Amendment("permille is more than 1000")),
            _ => Ok(()),
        }
    }
}

fn is_zero(it: &u32) -> bool {
    *it == 0
}
