//! What an operator sees of a server: who is connected, what comes in, and how much room is left.
//!
//! A view of a moment, for people and their scripts; nothing is decided by it. Whole numbers only.

use potluck_core::Blake3;
use serde::{Deserialize, Serialize};

/// A server at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Uploads under way, in the order in which they began.
    pub uploads: Vec<UploadStatus>,
    /// Everybody who is connected, or has bytes in quarantine.
    pub peers: Vec<PeerStatus>,
    /// Bytes that the disk has left for uploads and soups; nothing where it does not say.
    pub disk_left: Option<u64>,
    /// The failure of the store after which nothing more is written, where there was one.
    pub fault: Option<String>,
}

/// One upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadStatus {
    /// Whose it is.
    pub party: String,
    /// BLAKE3 of the file.
    pub blake3: Blake3,
    /// The file's length in bytes.
    pub size: u64,
    /// Bytes that are there and verified, with what was there before.
    pub verified: u64,
    /// Bytes that were there before this upload.
    pub resumed_from: u64,
    /// Bytes a second, over the last seconds.
    pub rate: u64,
    /// Seconds that are left at this rate; nothing where none can be told.
    pub seconds_left: Option<u64>,
}

/// One who is connected, or has bytes in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerStatus {
    /// The party's name, or `operator`; a key's short name where the ledger knows no owner.
    pub name: String,
    /// Its connections.
    pub connections: u64,
    /// Bytes of its uploads in quarantine: what those under way will take, and what cut ones left.
    pub quarantine: u64,
}
