//! Training of the made-up news task: the two supervised stages of a base, and RLOO from a base to an expert.
//!
//! ```text
//! base: pretrain ──► sft ──► gate (copies names?) ──► Hugging Face folder
//! rl:   base ──► [ rollout ──► reward ──► RLOO step ]* ──► weights for the outbox
//! ```
//! Every step is a function of recipe, seed, step number and weights. The steps themselves, and the
//! state that they leave, are those of [`crate::tune`]; here is what is particular to the news.

mod adamw;
mod gate;
mod rloo;
mod supervised;

pub use adamw::{AdamW, Betas};
pub use gate::{CopyTest, copy_accuracy};
pub use rloo::{Expert, train_expert};
pub use supervised::{Phase, Stage, train_supervised};

/// A run loses at most so many steps to a kill.
const CHECKPOINT_EVERY: u64 = 20;
