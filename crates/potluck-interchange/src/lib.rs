//! What other people's tools verify: certificates, Sigstore bundles, SSH signatures.
//!
//! A wall around X.509 and P-256. The federation's own rules know a party by its Ed25519 key and need neither;
//! model-signing, sigstore-python and OpenSSH know no such federation, and read what is made here. Modules stand
//! in the order in which an expert meets them:
//!
//! ```text
//! certificate: the party's key vouches for a short-lived P-256 key ─▶ core signs the bundle with both
//!     ─▶ seal: signed in the shape that the kind has ─▶ verify: whoever takes the bundle in checks that chain, once ─▶ the log
//!     ─▶ export: the bundle with the log's proof in it;  sshsig: the same statement, signed for OpenSSH
//! ```
//!
//! It reads no clock and no files: times and keys are the caller's. Randomness it draws, for the short-lived
//! keys. Called by the two programs and the stories.

pub mod certificate;
pub mod seal;
pub mod export;
pub mod sshsig;
pub mod verify;

mod pem;

pub use certificate::{IssueError, ShortLived, authority};
pub use export::{ExportError, export};
pub use seal::seal;
pub use verify::{InterchangeError, verify_interchange};
