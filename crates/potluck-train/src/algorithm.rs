//! Training: the two supervised stages of a base, and RLOO from a base to an expert.
//!
//! ```text
//! base: pretrain ──► sft ──► gate (copies names?) ──► Hugging Face folder
//! rl:   base ──► [ rollout ──► reward ──► RLOO step ]* ──► weights for the outbox
//! ```
//! Every step is a function of recipe, seed, step number and weights; [`RunState`] keeps weights,
//! moments and step number in one file that is replaced whole, so a run that is killed at any
//! moment goes on from its last checkpoint and ends with the same bytes. No step knows of parties,
//! keys or the network.

mod adamw;
mod gate;
mod metrics;
mod packing;
mod rloo;
mod state;
mod supervised;

pub use adamw::{AdamW, Betas};
pub use gate::{CopyTest, copy_accuracy};
pub use metrics::MetricsFile;
pub use rloo::{Expert, Stopped, train_expert};
pub use state::{RunState, StateError, WorkFolder};
pub use supervised::{Phase, Stage, train_supervised};
