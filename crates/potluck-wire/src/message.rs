//! Messages: what a frame holds.
//!
//! JSON, externally tagged, with names in snake case; unknown fields and unknown variants are refused. These
//! are the types of the wire; the sessions turn them into the working types of `potluck-core` at the door.
//!
//! ```text
//! {"v":1,"ask":{"ledger":{"from":0}}}
//! {"ledger":{"checkpoint":"…","cosigned":null,"count":3}}   then 3 times   {"entry":{"record":"…","envelope":"…"}}
//! {"refused":{"code":"not-found","sentence":"…"}}
//! ```

use bytes::Bytes;
use potluck_core::{Blake3, Code, Entry, FileEntry, Recipe, Refusal, Sha256};
use serde::{Deserialize, Serialize};

use crate::VERSION;
use crate::frame::{self, FrameError, MAX_REPLY, MAX_REQUEST};
use crate::ranges::{Ranges, RangesError};
use crate::receipt::Receipt;
use crate::status::Status;

/// A request: the first frame of a stream, and the only one that a client sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The protocol's version, [`VERSION`].
    pub v: u64,
    /// What is asked.
    pub ask: Ask,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// The ledger's entries from an index on.
    Ledger {
        /// The first index that is wanted.
        from: u64,
    },
    /// Record an envelope that speaks of no content.
    Append {
        /// The envelope's JSON text.
        envelope: String,
    },
    /// Record an envelope whose content is sent along.
    Submit {
        /// The envelope's JSON text.
        envelope: String,
        /// Whether the client has the content's trees of hashes at hand, to be compared with what the server has. Not
        /// written where it has not, so that this is what clients from before it was said.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        compares: bool,
        /// Whether the content comes in pieces, each on a stream of its own ([`Ask::Bring`]), and none of it on this one. Not
        /// written where it does not.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pieces: bool,
    },
    /// Bring a piece of an upload that is under way, on whatever connection of the same key.
    Bring {
        /// The SHA-256 of the upload's envelope.
        envelope: Sha256,
    },
    /// The content of a digest.
    Fetch {
        /// BLAKE3 of the whole file.
        blake3: Blake3,
        /// Pairs of start and end in bytes; nothing for the whole file.
        ranges: Option<Vec<[u64; 2]>>,
    },
    /// Blend the soup of an agreed round.
    Blend {
        /// The round.
        round: u64,
    },
    /// Keep a witness's cosignature.
    Cosign {
        /// A checkpoint of this log with the cosignature on it, a note.
        checkpoint: String,
    },
    /// How the server stands: for the operator.
    Status {},
}

/// A reply frame, of its request's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// The head of a ledger page; `count` entries follow.
    Ledger {
        /// The signed checkpoint over all entries, a note.
        checkpoint: String,
        /// The latest checkpoint that enough witnesses cosigned, a note; nothing where there is none.
        cosigned: Option<String>,
        /// How many [`Reply::Entry`] follow.
        count: u64,
    },
    /// One entry of a ledger page.
    Entry {
        /// The log's leaf as text.
        record: String,
        /// The envelope's JSON text.
        envelope: String,
    },
    /// The envelope is recorded.
    Receipt(Receipt),
    /// The server has other content that may be partly the same: the client sends the trees of hashes of these files next,
    /// raw, in this order, and then learns what is wanted.
    Compare {
        /// Whose trees.
        blobs: Vec<Compared>,
    },
    /// The content that the server lacks; the client sends it next, in this order.
    Wanted {
        /// What is lacking, file by file.
        blobs: Vec<WantedText>,
    },
    /// A piece is here, verified.
    Brought {},
    /// Work is under way. Says at least that the server lives.
    Progress {
        /// Steps or bytes done.
        done: u64,
        /// Of how many; 0 where that is not known.
        total: u64,
    },
    /// The content is here; the verified stream of the ranges follows raw until the end of the stream.
    Found {
        /// The whole file's size in bytes.
        size: u64,
    },
    /// The soup is made.
    Blended {
        /// What it is made of.
        recipe: Recipe,
        /// The file of weights.
        soup: FileEntry,
    },
    /// The cosignature is kept.
    Cosigned {},
    /// How the server stands.
    Status(Status),
    /// The request is refused.
    Refused(Refusal),
}

/// A file whose tree of hashes is asked for: the pairs over its groups of 64 KiB, in pre-order, 64 bytes each. How many
/// they are follows from the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// BLAKE3 of the whole file.
    pub blake3: Blake3,
    /// The whole file's size in bytes.
    pub size: u64,
}

/// A file of which the server lacks something, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedText {
    /// BLAKE3 of the whole file.
    pub blake3: Blake3,
    /// The whole file's size in bytes.
    pub size: u64,
    /// Pairs of start and end in bytes.
    pub ranges: Vec<[u64; 2]>,
}

/// A file of which the server lacks something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// BLAKE3 of the whole file.
    pub blake3: Blake3,
    /// What is lacking; knows the file's size.
    pub ranges: Ranges,
}

impl From<&Wanted> for WantedText {
    fn from(wanted: &Wanted) -> Self {
        Self { blake3: wanted.blake3, size: wanted.ranges.size(), ranges: wanted.ranges.to_pairs() }
    }
}

impl TryFrom<WantedText> for Wanted {
    type Error = RangesError;
    fn try_from(text: WantedText) -> Result<Self, RangesError> {
        Ok(Self { blake3: text.blake3, ranges: Ranges::new(text.size, &text.ranges)? })
    }
}

/// The ledger from some index on, under one signed checkpoint. Nothing in it is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerPage {
    /// The signed checkpoint over all entries, a note.
    pub checkpoint: String,
    /// The latest checkpoint that as many witnesses cosigned as the charter asks for, a note.
    pub cosigned: Option<String>,
    /// The entries from the index that was asked for, in order.
    pub entries: Vec<Entry>,
}

/// A soup that the aggregator made. What it says can be recomputed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blended {
    /// What it is made of.
    pub recipe: Recipe,
    /// The file of weights.
    pub soup: FileEntry,
}

impl Request {
    /// A request of this version.
    pub fn new(ask: Ask) -> Self {
        Self { v: VERSION, ask }
    }

    /// The request as a frame.
    ///
    /// # Errors
    /// [`FrameError`] where it is longer than a server reads.
    pub fn to_frame(&self) -> Result<Bytes, FrameError> {
        frame::encode(&json(self), MAX_REQUEST)
    }

    /// Reads the body of a frame.
    ///
    /// # Errors
    /// A refusal that can be sent back as it is.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        /// The one field that every version has.
        #[derive(Deserialize)]
        struct AnyVersion {
            v: u64,
        }
        let refused = |sentence: String| Refusal::new(Code::ProtocolError, sentence);
        let malformed = |error: serde_json::Error| refused(format!("no request: {error}"));
        let AnyVersion { v } = serde_json::from_slice(body).map_err(malformed)?;
        if v != VERSION {
            let sentence =
                format!("a request of version {v}; this server speaks version {VERSION}");
            return Err(refused(sentence));
        }
        serde_json::from_slice(body).map_err(malformed)
    }
}

/// A frame whose body is no reply.
#[derive(Debug, thiserror::Error)]
#[error("no reply of this protocol: {0}")]
pub struct NoReply(serde_json::Error);

impl Reply {
    /// The reply as a frame.
    ///
    /// # Errors
    /// [`FrameError`] where it is longer than a client reads.
    pub fn to_frame(&self) -> Result<Bytes, FrameError> {
        frame::encode(&json(self), MAX_REPLY)
    }

    /// Reads the body of a frame.
    ///
    /// # Errors
    /// [`NoReply`].
    pub fn parse(body: &[u8]) -> Result<Self, NoReply> {
        serde_json::from_slice(body).map_err(NoReply)
    }

    /// Its name on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ledger { .. } => "ledger",
            Self::Entry { .. } => "entry",
            Self::Receipt(_) => "receipt",
            Self::Compare { .. } => "compare",
            Self::Wanted { .. } => "wanted",
            Self::Brought {} => "brought",
            Self::Progress { .. } => "progress",
            Self::Found { .. } => "found",
            Self::Blended { .. } => "blended",
            Self::Cosigned {} => "cosigned",
            Self::Status(_) => "status",
            Self::Refused(_) => "refused",
        }
    }
}

fn json(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).expect("strings, integers and lists always have a JSON form")
}

#[cfg(test)]
mod tests;
