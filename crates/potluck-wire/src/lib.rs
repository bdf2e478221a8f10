//! The federation's protocol without I/O: bytes in, messages out; no sockets, no files, no clock.
//!
//! One request travels on one bidirectional stream:
//!
//! ```text
//! client  request                                [hashes, or content of the wanted ranges] FIN
//! server           progress*  answer | refused                                                 progress*  answer | refused
//! ```
//!
//! Modules stand in the order in which to read them: [`version`] names what is spoken, [`frame`] cuts the stream, [`message`] says what a frame
//! holds, [`ranges`] which bytes of a file are meant, [`receipt`] what a recorded envelope is answered with,
//! [`status`] what an operator sees, and [`session`] which message may follow which. `potluck-net` moves the bytes.

pub mod version;
pub mod frame;
pub mod message;
pub mod ranges;
pub mod receipt;
pub mod status;
pub mod session;
pub mod token;

pub use message::{Blended, Compared, LedgerPage, Reply, Request, Wanted};
pub use ranges::Ranges;
pub use receipt::Receipt;
pub use status::{PeerStatus, Status, UploadStatus};
pub use version::{ALPN, VERSION};

/// Stream error code: the rest is of no use, because the answer is given already. It is what QUIC's
/// implementation sends for a stream that is dropped.
pub const ANSWERED: u32 = 0;

/// Stream error code: the store's bytes are not those of the digest, found while they were sent.
pub const STORED_CONTENT_CORRUPT: u32 = 1;

/// Stream error code: the peer made no progress within the idle time.
pub const TOO_SLOW: u32 = 2;

/// Stream error code: the sender could not go on, by a fault of its own.
pub const ABANDONED: u32 = 3;
