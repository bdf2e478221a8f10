//! What the readers of content promise. Each is called with bytes, and panics where a promise is broken.
//!
//! Hashes that hold cannot be guessed: so the bytes say what is done to an honest stream before it arrives.

mod content;
mod disk;
mod played;

pub use content::{content, tree};
