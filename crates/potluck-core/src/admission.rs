//! What is refused, and by which code.
//!
//! The order in which admission asks its questions is fixed (each later one may rely on the earlier):
//! size and shape of the envelope; signature by an active key; sequence; federation and base; content digest;
//! header; names, shapes and types; every weight finite; norm of the change.
//!
//! A code is public and stable: scripts and other implementations may rely on it. The sentence beside it is
//! for people and says what was wrong and where.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// The stable name of a reason for refusal.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code, for tables and tests.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code as it is sent and printed.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl FromStr for Code {
            type Err = UnknownCode;
            fn from_str(text: &str) -> Result<Self, UnknownCode> {
                match text { $($text => Ok(Self::$variant),)* _ => Err(UnknownCode) }
            }
        }
    };
}

/// A code that this version does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code that this version does not know")]
pub struct UnknownCode;

codes! {
    /// Not an envelope of this version, or too large.
    EnvelopeMalformed = "envelope-malformed",
    /// Signed by a key that is not active in this federation.
    KeyUnknown = "key-unknown",
    /// Signed by a key that was replaced or revoked.
    KeyRevoked = "key-revoked",
    /// Its author is suspended.
    AuthorSuspended = "author-suspended",
    /// The signature does not verify.
    SignatureInvalid = "signature-invalid",
    /// The payload is not a statement, or not of the kind that its type says.
    StatementMalformed = "statement-malformed",
    /// The statement speaks for somebody else than the key's owner.
    AuthorMismatch = "author-mismatch",
    /// Not the author's next entry.
    SequenceWrong = "sequence-wrong",
    /// Signed for another federation.
    FederationMismatch = "federation-mismatch",
    /// This author may not say this.
    NotPermitted = "not-permitted",
    /// The party is not in the charter, or is in already.
    PartyRefused = "party-refused",
    /// No such invitation was ever made here.
    InviteUnknown = "invite-unknown",
    /// The invitation is past its time.
    InviteExpired = "invite-expired",
    /// This very key took the invitation up already.
    InviteUsed = "invite-used",
    /// Another key took the invitation up before.
    InviteTaken = "invite-taken",
    /// A key that cannot be enrolled, replaced or revoked so: it was used before, is not held, or is not there.
    KeyRefused = "key-refused",
    /// Trained from other weights than the federation's base.
    BaseMismatch = "base-mismatch",
    /// The manifest lists other files than an expert has.
    ManifestRefused = "manifest-refused",
    /// Larger than the charter allows.
    ExpertTooLarge = "expert-too-large",
    /// The bytes are not those of the digest, in an upload.
    ContentCorrupt = "content-corrupt",
    /// The bytes are not those of the digest, in the store.
    StoredContentCorrupt = "stored-content-corrupt",
    /// Not a safetensors file as we accept it.
    HeaderInvalid = "header-invalid",
    /// Other tensors than the base's.
    TensorsDiffer = "tensors-differ",
    /// No LoRA adapter that this federation takes: of another kind, with tensors beside the factors, or of a rank or scale that
    /// is out of bounds; or one that cannot be mixed with the others.
    AdapterRefused = "adapter-refused",
    /// A weight is NaN or infinite.
    WeightsNotFinite = "weights-not-finite",
    /// A tensor changed more than the charter allows.
    ChangeTooLarge = "change-too-large",
    /// The round is not the one that this needs.
    RoundWrong = "round-wrong",
    /// The round's time for this is not come.
    RoundEarly = "round-early",
    /// The round's time for this is over.
    RoundLate = "round-late",
    /// The proposal is not what its party committed to.
    CommitmentMismatch = "commitment-mismatch",
    /// The λ does not speak of exactly the round's parties.
    LambdaRefused = "lambda-refused",
    /// The λ cannot be nominated: other parties, outside a floor or cap, or a candidate already.
    CandidateRefused = "candidate-refused",
    /// The scores are not one usable row a candidate.
    BallotRefused = "ballot-refused",
    /// The charter cannot be put to the vote, or endorsed, so.
    AmendmentRefused = "amendment-refused",
    /// The recipe is not the one that follows from the ledger.
    RecipeMismatch = "recipe-mismatch",
    /// The soup's digests are not those of the recipe.
    SoupMismatch = "soup-mismatch",
    /// The entry stands at another place than the next, or its record is not its envelope's.
    EntryMismatch = "entry-mismatch",
    /// The log states an earlier time than before.
    TimeBackwards = "time-backwards",
    /// The checkpoint is not one that this log signed over this ledger, or its cosignature is nobody's.
    CheckpointRefused = "checkpoint-refused",
    /// There is no such thing here.
    NotFound = "not-found",
    /// The message is not one of this protocol's version.
    ProtocolError = "protocol-error",
    /// Too much is under way: try again later.
    Busy = "busy",
    /// The peer moved less than it must to keep its place: go on when the line is better.
    TooSlow = "too-slow",
    /// The aggregator's disk has no room for it.
    StorageFull = "storage-full",
    /// The aggregator's own fault; its log says more.
    Internal = "internal",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl TryFrom<String> for Code {
    type Error = UnknownCode;
    fn try_from(text: String) -> Result<Self, UnknownCode> {
        text.parse()
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.as_str().to_owned()
    }
}

/// A refusal: a stable code and a public sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{sentence} [{code}]")]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// For scripts.
    pub code: Code,
    /// For people.
    pub sentence: String,
    /// After how many seconds it may be asked again as it is; nothing where that would not help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(code: Code, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into(), retry_after: None }
    }

    /// Says after how many seconds the same may be asked again.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_read_back() {
        for (position, code) in Code::ALL.iter().enumerate() {
            assert_eq!(code.as_str().parse::<Code>(), Ok(*code));
            assert!(Code::ALL[..position].iter().all(|other| other.as_str() != code.as_str()));
        }
    }

    #[test]
    fn the_protocol_s_document_lists_every_code() {
        let document = include_str!("../../../docs/protocol.md");
        for code in Code::ALL {
            assert!(document.contains(&format!("\n| `{code}` | ")), "{code} is not in it");
        }
    }

    #[test]
    fn when_to_ask_again_is_said_only_where_it_helps() {
        let never = Refusal::new(Code::Busy, "no");
        let text = serde_json::to_string(&never).unwrap();
        assert_eq!(text, r#"{"code":"busy","sentence":"no"}"#);
        let later = never.retry_after(30);
        let text = serde_json::to_string(&later).unwrap();
        assert_eq!(text, r#"{"code":"busy","sentence":"no","retry_after":30}"#);
        assert_eq!(serde_json::from_str::<Refusal>(&text).unwrap(), later);
    }
}
