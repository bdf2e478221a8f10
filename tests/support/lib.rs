//! What the end-to-end stories share: the product's programs, tiny checkpoints, a federation on loopback.
//!
//! The programs are those in `POTLUCK_BIN_DIR`, or beside this test's own build. Nothing here knows the
//! product from inside: it speaks to it as people do, through its commands and its files.

pub mod checkpoint;
pub mod federation;
pub mod model;
pub mod programs;
pub mod random;
pub mod waiting;

pub use federation::Federation;
pub use programs::{Ended, Server, potluck};
