//! The tree as files that never change (C2SP tlog-tiles): 256 hashes or 256 entries each, under
//! paths that say what they are.
//!
//! ```text
//! tile/<L>/<N>             256 hashes of level L, 8192 bytes; level L+1 has one for each such tile
//! tile/<L>/<N>.p/<W>       the first W of them, while there are no more
//! tile/entries/<N>[.p/<W>] the entries themselves, each behind its length as a big-endian u16
//!
//! level 2                                    ┌────────── 256 hashes, 65536 leaves each
//! level 1                    ┌───────────────┴── 256 hashes, 256 leaves each
//! level 0    ┌───────────────┴── 256 leaf hashes
//! entries    256 entries
//! ```
//!
//! [`TileEdge`] writes them as the log grows; [`Tiles`] reads roots and proofs from them, whoever
//! keeps them, behind [`TileReader`]. Nothing read here is trusted: a proof from altered tiles leads
//! to another root than the checkpoint's, which is for the proof's verifier to see.

mod bundle;
mod edge;
mod id;
mod reader;

pub use bundle::{BundleError, MAX_ENTRY_BYTES, decode_bundle, encode_bundle};
pub use edge::TileEdge;
pub use id::{TILE_WIDTH, TileId, TileIdError, TileLevel};
pub use reader::{TileError, TileReader, Tiles};

#[cfg(test)]
mod tests;
