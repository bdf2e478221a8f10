//! The vocabulary and rules of a Potluck federation. Pure: no clock, no randomness, no files, no sockets.
//!
//! Two rooms speak each type here, and it is part of something signed, logged or sent. Modules stand in the
//! order in which to read them: the words first ([`ids`], [`keys`], [`reserved`], [`signature`]), then what is signed ([`envelope`],
//! [`bundle`], [`manifest`], [`lambda`], [`recipe`], [`charter`], [`entry`], [`reward`]), then the rules ([`federation`],
//! [`admission`]).

pub mod ids;
pub mod keys;
pub mod reserved;
pub mod signature;

pub mod bundle;
pub mod charter;
pub mod entry;
pub mod envelope;
pub mod lambda;
pub mod manifest;
pub mod recipe;
pub mod reward;

pub mod admission;
pub mod federation;

pub use admission::{Code, Refusal};
pub use charter::Charter;
pub use entry::{Author, Body, Entry, Keys, Kind, Role, Statement};
pub use envelope::Envelope;
pub use federation::Federation;
pub use ids::{Blake3, FederationId, FederationName, KeyId, PartyId, Sha256};
pub use keys::{PrivateKey, PublicKey, SignError, Signer};
pub use lambda::Lambda;
pub use manifest::{FileEntry, Manifest};
pub use recipe::Recipe;
pub use signature::Signature;
