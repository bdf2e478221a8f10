//! Verified files on disk: what came is checked before it is kept, what is kept before it is sent.
//!
//! Content is addressed by its BLAKE3 and verified by the tree of hashes below it, in groups of 64 KiB
//! (`bao-tree`). Beside the bytes of a file lies its *outboard*: the tree's inner hashes in pre-order, 0.1 %
//! of the size, nothing where the file is one group.
//!
//! ```text
//! <stem>.part + <stem>.obao   ─ receive* ─►   missing() is empty   ─ finish ─►   data + outboard
//! ```
//!
//! Of a file whose tree is known, what another file has at the same places is copied from there ([`Partial::copy_equal`]).
//!
//! No journal is kept: an interrupted file is rescanned when it is opened ([`Partial`]), and what verifies
//! against the root is what is there. Sync, bounded memory; the server and the client run it on their
//! blocking threads.

pub mod disk;

mod compare;
mod direct;
mod encode;
mod hash;
mod import;
mod partial;
mod receive;
mod rescan;
mod send;
mod tree;
mod writer;

pub use hash::Digests;
pub use import::{ImportError, import, import_on, outboard};
pub use partial::share::Share;
pub use partial::{Partial, ReceiveError};
pub use potluck_wire::ranges::GROUP;
pub use send::{Hashed, SendError, Verifier, send, send_on};

pub(crate) use encode::Sink;
pub(crate) use import::root_of;
pub(crate) use send::send_into;
