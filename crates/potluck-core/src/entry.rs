//! What the ledger holds: statements that their authors signed, and the records by which the log orders them.
//!
//! An entry is one envelope beside its record, the log's leaf. But for the time at which the log took it in, the
//! record says nothing that the envelope does not: it is computed from it ([`Record::of`]), and an entry whose two
//! halves disagree is refused.

mod amend;
mod ballot;
mod membership;
mod round;

use serde::{Deserialize, Serialize};

use crate::charter::Charter;
use crate::envelope::{Envelope, EnvelopeError};
use crate::ids::{Blake3, KeyId, PartyId, Sha256};
use crate::keys::PublicKey;
use crate::manifest::{FileEntry, Manifest};
use crate::recipe::Recipe;

pub use self::amend::{Amend, Endorse, Withdraw};
pub use self::ballot::{
    Ballot, CommitScores, MAX_SCORE, Nominate, Ratify, RevealScores, Row, Stance,
    ballot_commitment, evaluation_seed,
};
pub use self::membership::{
    Admit, Invite, Join, Keys, Proof, RecoverKey, Reinstate, RevokeKey, Role, RotateKey, Suspend,
    handover_text, join_text, possession_text,
};
pub use self::round::{CloseRound, Commit, OpenRound, Reveal, commitment};

/// The largest record, in bytes of its JSON text.
pub const MAX_RECORD: usize = 1024;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What an entry says.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind {
            $($(#[$doc])* $variant,)*
        }

        impl Kind {
            /// Its name in records and payload types.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The kind of this name.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

kinds! {
    /// The operator founds the federation: charter, keys, base.
    Genesis = "genesis",
    /// The operator admits a party by its keys.
    Admit = "admit",
    /// The operator invites whoever holds a key to become a party.
    Invite = "invite",
    /// Who was invited becomes a party.
    Join = "join",
    /// The operator suspends a party.
    Suspend = "suspend",
    /// The operator ends a suspension.
    Reinstate = "reinstate",
    /// An author replaces one of its keys.
    RotateKey = "rotate_key",
    /// An author, or the operator, declares a key void.
    RevokeKey = "revoke_key",
    /// An author vouches for the key that replaces another's lost one.
    RecoverKey = "recover_key",
    /// A party hands in an expert.
    Submit = "submit",
    /// The operator opens a round over the experts that are in.
    OpenRound = "open_round",
    /// A party binds itself to the λ that it proposes.
    Commit = "commit",
    /// A party shows the λ that it proposes.
    Reveal = "reveal",
    /// Somebody ends a round whose deadline is over.
    CloseRound = "close_round",
    /// A party nominates a candidate for the next batch, or passes.
    Nominate = "nominate",
    /// A party binds itself to its scores of a batch of candidates.
    CommitScores = "commit_scores",
    /// A party shows its scores.
    RevealScores = "reveal_scores",
    /// A party says how it stands to an agreement.
    Ratify = "ratify",
    /// The operator publishes the soup of an agreement.
    Publish = "publish",
    /// A party takes its expert back.
    Withdraw = "withdraw",
    /// A member puts a new charter to the vote.
    Amend = "amend",
    /// A party endorses a new charter.
    Endorse = "endorse",
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// The aggregator's operator.
    Operator,
    /// A party.
    Party(PartyId),
}

impl std::fmt::Display for Author {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Operator => f.pad("operator"),
            Self::Party(party) => f.pad(party.as_str()),
        }
    }
}

/// What every payload holds: the author's own chain, and what it says.
///
/// `sequence` counts the author's entries from 0, `previous` is the SHA-256 of the envelope before. So a
/// replayed, reordered or second envelope is refused by what it says, not by anybody's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Who speaks.
    pub author: Author,
    /// How many entries of this author came before.
    pub sequence: u64,
    /// SHA-256 of the author's envelope before this one; nothing for its first.
    pub previous: Option<Sha256>,
    /// What is said.
    pub body: Body,
}

impl Statement {
    /// The payload to sign, and the only text of this statement that is accepted: compact JSON, fields in the
    /// order of their definition here.
    pub fn to_payload(&self) -> Vec<u8> {
        json(self)
    }
}

/// What is said, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "one at a time is looked at, and none is kept")]
pub enum Body {
    /// See [`Kind::Genesis`].
    Genesis(Box<Genesis>),
    /// See [`Kind::Admit`].
    Admit(Admit),
    /// See [`Kind::Invite`].
    Invite(Invite),
    /// See [`Kind::Join`].
    Join(Join),
    /// See [`Kind::Suspend`].
    Suspend(Suspend),
    /// See [`Kind::Reinstate`].
    Reinstate(Reinstate),
    /// See [`Kind::RotateKey`].
    RotateKey(RotateKey),
    /// See [`Kind::RevokeKey`].
    RevokeKey(RevokeKey),
    /// See [`Kind::RecoverKey`].
    RecoverKey(RecoverKey),
    /// See [`Kind::Submit`].
    Submit(Submission),
    /// See [`Kind::OpenRound`].
    OpenRound(OpenRound),
    /// See [`Kind::Commit`].
    Commit(Commit),
    /// See [`Kind::Reveal`].
    Reveal(Reveal),
    /// See [`Kind::CloseRound`].
    CloseRound(CloseRound),
    /// See [`Kind::Nominate`].
    Nominate(Nominate),
    /// See [`Kind::CommitScores`].
    CommitScores(CommitScores),
    /// See [`Kind::RevealScores`].
    RevealScores(RevealScores),
    /// See [`Kind::Ratify`].
    Ratify(Ratify),
    /// See [`Kind::Publish`].
    Publish(Publish),
    /// See [`Kind::Withdraw`].
    Withdraw(Withdraw),
    /// See [`Kind::Amend`].
    Amend(Box<Amend>),
    /// See [`Kind::Endorse`].
    Endorse(Endorse),
}

impl Body {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Genesis(_) => Kind::Genesis,
            Self::Admit(_) => Kind::Admit,
            Self::Invite(_) => Kind::Invite,
            Self::Join(_) => Kind::Join,
            Self::Suspend(_) => Kind::Suspend,
            Self::Reinstate(_) => Kind::Reinstate,
            Self::RotateKey(_) => Kind::RotateKey,
            Self::RevokeKey(_) => Kind::RevokeKey,
            Self::RecoverKey(_) => Kind::RecoverKey,
            Self::Submit(_) => Kind::Submit,
            Self::OpenRound(_) => Kind::OpenRound,
            Self::Commit(_) => Kind::Commit,
            Self::Reveal(_) => Kind::Reveal,
            Self::CloseRound(_) => Kind::CloseRound,
            Self::Nominate(_) => Kind::Nominate,
            Self::CommitScores(_) => Kind::CommitScores,
            Self::RevealScores(_) => Kind::RevealScores,
            Self::Ratify(_) => Kind::Ratify,
            Self::Publish(_) => Kind::Publish,
            Self::Withdraw(_) => Kind::Withdraw,
            Self::Amend(_) => Kind::Amend,
            Self::Endorse(_) => Kind::Endorse,
        }
    }

    /// BLAKE3 of the content that it speaks of, where there is some.
    fn content(&self) -> Option<Blake3> {
        match self {
            Self::Genesis(genesis) => Some(genesis.base.digest()),
            Self::Submit(submission) => Some(submission.manifest.digest()),
            Self::Publish(publish) => Some(publish.soup.blake3),
            _ => None,
        }
    }
}

/// The founding of a federation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Its rules.
    pub charter: Charter,
    /// The key that signs as the operator, this entry too.
    pub operator: PublicKey,
    /// The key that signs the log's checkpoints, and by which the aggregator is known on the network.
    pub log: PublicKey,
    /// The checkpoint from which every expert starts.
    pub base: Manifest,
    /// Random, so that two federations of one charter and base are two.
    pub nonce: Blake3,
}

/// An expert handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// BLAKE3 of the weights from which the expert was trained.
    pub base: Blake3,
    /// The expert's files.
    pub manifest: Manifest,
    /// BLAKE3 over the reward's definition and a nonce, so that the party can show later what it optimised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reward_commitment: Option<Blake3>,
}

/// A soup published: the recipe that follows from the round's agreement, and what came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The agreed round.
    pub round: u64,
    /// Must be the recipe that the ledger derives.
    pub recipe: Recipe,
    /// The file of weights. Anyone can recompute its digests from the recipe.
    pub soup: FileEntry,
}

/// The log's leaf: which envelope stands at this place, and what it speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The format's version, 1.
    pub v: u8,
    /// When the log took it in, as the log states: seconds since 1970-01-01 UTC, never less than before. It is the
    /// only clock that the federation knows.
    pub time: u64,
    /// What the envelope says.
    pub kind: Kind,
    /// The key that signed it.
    pub key: KeyId,
    /// SHA-256 of the envelope.
    pub envelope: Sha256,
    /// BLAKE3 of the content that it speaks of, where there is some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Blake3>,
}

impl Record {
    /// The record of an envelope with this SHA-256 that says `statement`, taken in at `time`.
    pub fn of(envelope: &Envelope, digest: Sha256, statement: &Statement, time: u64) -> Self {
        Self {
            v: 1,
            time,
            kind: statement.body.kind(),
            key: envelope.key(),
            envelope: digest,
            content: statement.body.content(),
        }
    }

    /// Reads a leaf's bytes. Whether it is spelt as [`Self::to_bytes`] spells it shows when the entry is applied.
    ///
    /// # Errors
    /// [`EntryError::Record`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > MAX_RECORD {
            return Err(EntryError::Record);
        }
        serde_json::from_slice(bytes).map_err(|_| EntryError::Record)
    }

    /// The leaf's bytes: compact JSON, fields in the order of their definition here.
    pub fn to_bytes(&self) -> Vec<u8> {
        json(self)
    }
}

/// Compact JSON of what consists of strings, integers and lists.
fn json(value: &impl Serialize) -> Vec<u8> {
    // Most are shorter: no growing on the way.
    let mut bytes = Vec::with_capacity(512);
    serde_json::to_writer(&mut bytes, value)
        .expect("strings, integers and lists have a JSON form, and a vector takes it");
    bytes
}

/// Why bytes are no entry.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The envelope's half.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The record is no record, or not spelt as we spell it.
    #[error("the record is malformed")]
    Record,
}

/// An envelope and the bytes of its record. Nothing is verified yet: that is `Federation::apply`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    record: Vec<u8>,
    envelope: Envelope,
}

impl Entry {
    pub(crate) fn new(record: &Record, envelope: Envelope) -> Self {
        Self { record: record.to_bytes(), envelope }
    }

    /// Parses both halves as they were stored or received.
    ///
    /// # Errors
    /// [`EntryError`]. Whether the record is the envelope's own is checked when the entry is applied.
    pub fn parse(record: &[u8], envelope: &[u8]) -> Result<Self, EntryError> {
        if record.len() > MAX_RECORD {
            return Err(EntryError::Record);
        }
        Ok(Self { record: record.to_vec(), envelope: Envelope::parse(envelope)? })
    }

    /// The leaf's bytes.
    pub fn record(&self) -> &[u8] {
        &self.record
    }

    /// The signed statement.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }
}
