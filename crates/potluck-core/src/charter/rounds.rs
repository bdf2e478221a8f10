//! How a round goes: sealed or open, until when, and with how many.

use serde::{Deserialize, Serialize};

use super::CharterError;

/// How a round goes. Left out, proposals are open, a round waits for everybody, and has no deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundRules {
    /// Whether parties first commit to their proposals, and show them once all have.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sealed: bool,
    /// For how long commitments are taken, in seconds of the log's time since the opening; 0 without a deadline.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub commit_seconds: u64,
    /// For how long proposals are taken after that, in seconds; 0 without a deadline.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reveal_seconds: u64,
    /// How much of the weight of the round's parties must have proposed, in thousandths, for a round that is closed at its
    /// deadline to lead to an agreement.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    pub quorum_permille: u32,
}

impl Default for RoundRules {
    fn default() -> Self {
        Self { sealed: false, commit_seconds: 0, reveal_seconds: 0, quorum_permille: all() }
    }
}

impl RoundRules {
    /// Whether this is what holds where a charter says nothing.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The log's time after which no commitment is taken in a round that was opened at `opened`.
    pub fn commits_end(&self, opened: u64) -> Option<u64> {
        (self.commit_seconds > 0).then(|| opened.saturating_add(self.commit_seconds))
    }

    /// The log's time after which no proposal is taken.
    pub fn reveals_end(&self, opened: u64) -> Option<u64> {
        let both = self.commit_seconds.saturating_add(self.reveal_seconds);
        (self.reveal_seconds > 0).then(|| opened.saturating_add(both))
    }

    /// `has_deadlines` says whether a bargain has some, in which a quorum has an effect, too.
    pub(super) fn check(&self, has_deadlines: bool) -> Result<(), CharterError> {
        let refuse = |why| Err(CharterError::Rounds(why));
        match (self.sealed, self.commit_seconds > 0, self.reveal_seconds > 0) {
            (false, true, _) => refuse("commit_seconds is for sealed rounds: set sealed = true"),
            (true, true, false) | (true, false, true) => refuse(
                "a sealed round has a deadline for both commitments and proposals, or for neither",
            ),
            _ if self.quorum_permille > 1000 => refuse("quorum_permille is more than 1000"),
            (_, _, false) if self.quorum_permille != all() && !has_deadlines => refuse(
                "without a deadline a round waits for everybody: quorum_permille has no effect",
            ),
            _ => Ok(()),
        }
    }
}

fn all() -> u32 {
    1000
}

fn is_all(quorum: &u32) -> bool {
    *quorum == all()
}

fn is_false(it: &bool) -> bool {
    !*it
}

pub(super) fn is_zero(it: &u64) -> bool {
    *it == 0
}
