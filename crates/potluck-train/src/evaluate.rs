//! Evaluation: soups of experts, scored with one party's reward on its held-out prompts.
//!
//! The base and every soup get the same prompts and the same random numbers, so that differences
//! are far finer than the scores themselves. Experts come from files that are checked like a base;
//! that they were trained from this base is *not* checked here, but by the federation.

mod kitchen;
mod scores;

pub use kitchen::Kitchen;
pub use scores::{Bench, Row, Scored};
