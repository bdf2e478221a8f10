//! Whether an agreement holds.

use super::{Agreement, Federation, Round};
use crate::charter::Charter;

/// How an agreement stands at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// It waits for ratifications.
    Unratified,
    /// It waits for its soup.
    Unpublished,
    /// It holds.
    InForce,
    /// Its time is over.
    Expired,
    /// A party took its expert back.
    Withdrawn,
    /// A later round's soup has its place.
    Replaced(u64),
}

impl Holding {
    /// Its name for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unratified => "unratified",
            Self::Unpublished => "unpublished",
            Self::InForce => "in_force",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Replaced(_) => "replaced",
        }
    }

    /// Whether it held once, and does no more.
    pub fn has_lapsed(self) -> bool {
        matches!(self, Self::Expired | Self::Withdrawn | Self::Replaced(_))
    }
}

impl Federation {
    /// How the agreement of `round`, which went by `charter`, stands at `time`.
    pub fn holding(
        &self,
        round: &Round,
        agreement: &Agreement,
        charter: &Charter,
        time: u64,
    ) -> Holding {
        let later = |it: &&Round| it.soup.is_some() && it.number > round.number;
        let later = self.rounds.iter().rev().find(later);
        let is_expired = agreement.expires.is_some_and(|expires| time > expires);
        if round.withdrawn.is_some() {
            Holding::Withdrawn
        } else if let Some(later) = later {
            Holding::Replaced(later.number)
        } else if is_expired {
            Holding::Expired
        } else if round.soup.is_some() {
            Holding::InForce
        } else if round.is_unratified(charter) {
            Holding::Unratified
        } else {
            Holding::Unpublished
        }
    }
}
