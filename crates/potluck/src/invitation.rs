//! The one line by which a party joins: where the aggregator is, which log to trust, whom it invites, and the
//! invitation's private key.
//!
//! ```text
//! potluck1.<base64url of compact JSON>.<first 8 hexadecimal digits of its BLAKE3>
//! ```
//!
//! Whoever has the line can take the party's seat, once: it travels over a channel that only the party reads. The
//! digits at the end tell a line that was cut or mistyped from one that is refused.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use potluck_core::{Blake3, FederationId, PartyId, PrivateKey};
use potluck_log::VerifierKey;
use serde::{Deserialize, Serialize};

/// What every line begins with.
pub(crate) const PREFIX: &str = "potluck1.";

/// No line has more bytes.
const MAX_LINE: usize = 4096;

/// Why a text is no invitation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvitationError {
    /// Not of the form that lines have.
    #[error("no invitation: a line that begins with {PREFIX} is expected, whole and in one piece")]
    Shape,
    /// Cut, or mistyped.
    #[error("the invitation was cut or mistyped: its check digits do not fit")]
    Checksum,
    /// Whole, and not what this version understands.
    #[error("the invitation is not one that this version understands: {0}")]
    Content(String),
}

/// An invitation as the operator hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invitation {
    /// Where the aggregator is.
    pub(crate) address: String,
    /// The log's key, which is the aggregator's identity.
    pub(crate) log: VerifierKey,
    /// The federation's id.
    pub(crate) federation: FederationId,
    /// Whom it invites.
    pub(crate) party: PartyId,
    /// Until when, in seconds since 1970-01-01 UTC.
    pub(crate) expires: u64,
    seed: Blake3,
}

/// The text inside; the seed has the form of a digest, 64 hexadecimal digits.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    address: String,
    log: String,
    federation: FederationId,
    party: PartyId,
    expires: u64,
    seed: Blake3,
}

impl Invitation {
    /// An invitation whose key grows from `seed`, which must be random.
    pub(crate) fn new(
        address: String,
        log: VerifierKey,
        federation: FederationId,
        party: PartyId,
        expires: u64,
        seed: [u8; 32],
    ) -> Self {
        Self { address, log, federation, party, expires, seed: Blake3::from_bytes(seed) }
    }

    /// The invitation's own key.
    pub(crate) fn key(&self) -> PrivateKey {
        PrivateKey::from_seed(self.seed.as_bytes())
    }
}

impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Text {
            address: self.address.clone(),
            log: self.log.to_string(),
            federation: self.federation,
            party: self.party.clone(),
            expires: self.expires,
            seed: self.seed,
        };
        let text = serde_json::to_vec(&text).map_err(|_| fmt::Error)?;
        write!(f, "{PREFIX}{}.{}", BASE64.encode(&text), Blake3::of(&text).short())
    }
}

impl FromStr for Invitation {
    type Err = InvitationError;

    fn from_str(line: &str) -> Result<Self, InvitationError> {
        if line.len() > MAX_LINE {
            return Err(InvitationError::Shape);
        }
        let rest = line.trim().strip_prefix(PREFIX).ok_or(InvitationError::Shape)?;
        let (encoded, check) = rest.split_once('.').ok_or(InvitationError::Shape)?;
        let text = BASE64.decode(encoded).map_err(|_| InvitationError::Checksum)?;
        if Blake3::of(&text).short() != check {
            return Err(InvitationError::Checksum);
        }
        // The text holds a secret: of what is wrong with it, only the place is said.
        let content = |what: String| InvitationError::Content(what);
        let text: Text = serde_json::from_slice(&text).map_err(|error| {
            content(format!("its text ends to make sense at {}", error.column()))
        })?;
        let log = text.log.parse().map_err(|error| content(format!("the log key: {error}")))?;
        let Text { address, log: _, federation, party, expires, seed } = text;
        Ok(Self { address, log, federation, party, expires, seed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_log::NoteSigner;

    fn invitation() -> Invitation {
        let log = PrivateKey::from_seed(&[2; 32]);
        let log = NoteSigner::new("potluck/news".parse().unwrap(), log.as_dalek().clone());
        Invitation::new(
            "kitchen.example:4433".into(),
            log.verifier_key().clone(),
            FederationId::from_bytes([3; 32]),
            "readers".parse().unwrap(),
            1_800_000_000,
            [7; 32],
        )
    }

    #[test]
    fn a_line_says_all_that_is_needed() {
        let line = invitation().to_string();
        assert!(line.bytes().all(|b| b.is_ascii_graphic()), "{line}");
        let back: Invitation = format!("  {line}\n").parse().unwrap();
        assert_eq!(back, invitation());
        assert_eq!(back.key().public(), PrivateKey::from_seed(&[7; 32]).public());
    }

    #[test]
    fn a_line_that_was_cut_or_mistyped_is_told_from_nonsense() {
        let line = invitation().to_string();
        assert_eq!("ed25519:00".parse::<Invitation>(), Err(InvitationError::Shape));
        assert_eq!("x".repeat(5000).parse::<Invitation>(), Err(InvitationError::Shape));
        for at in [20, line.len() / 2, line.len() - 1] {
            let mut typed = line.clone().into_bytes();
            typed[at] = if typed[at] == b'a' { b'b' } else { b'a' };
            let typed = String::from_utf8(typed).unwrap();
            assert_eq!(typed.parse::<Invitation>(), Err(InvitationError::Checksum), "{at}");
        }
        assert!(line[..line.len() - 3].parse::<Invitation>().is_err());
    }
}
