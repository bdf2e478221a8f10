//! Fine-tuning any base: supervised, or by reinforcement on a party's rewards.
//!
//! ```text
//! advantage, kl, objective        arithmetic: from rewards to the loss of log-probabilities
//! policy, pass, rollout, batch    a model in training: what it writes, its log-probabilities, their gradients
//! step, sft                       one step, a function of settings, seed, step number and weights
//! recipe, settings, state         what a run is told, and what it remembers
//! reinforce, supervise, held_out  the loops; run begins one, handover ends it
//! examine                         candidates, held against one another
//! ```
//! A state is one file that is replaced whole, so a run that is killed at any moment goes on from its
//! last checkpoint and ends with the same bytes. No step knows of parties, keys or the network.

mod advantage;
mod kl;
mod objective;
mod pass;
mod policy;
mod checkpoint;
mod state;
mod settings;
mod rollout;
mod figures;
mod batch;
mod step;
mod words;
mod sft;
mod recipe;
mod digest;
mod handover;
mod supervise;
mod answers;
mod held_out;
mod examine;
mod reinforce;
mod run;

pub use advantage::{Baseline, Gae, Scale};
pub(crate) use checkpoint::Checkpoint;
pub use digest::digest_of;
pub use examine::{Examination, Examined};
pub use figures::{Figures, Seconds};
pub use kl::{Estimator, KlSettings, Place};
pub use objective::{Average, LossSettings, Ratio};
pub use policy::Policy;
pub use recipe::{Device, HeldOutTable, Kind, Precision, Recipe, Reinforced};
pub use rollout::{Prompt, Watch, Words, Written};
pub use run::{RunError, Stop, run};
pub use settings::{
    Algorithm, OptimiserSettings, PpoSettings, RlSettings, SamplingSettings, Schedule, Unfinished,
};
pub use sft::{SftError, SftFigures, SftSettings, held_out_loss, supervised_step};
pub use state::{Counters, RunState, StateError, WorkFolder};
pub use step::{Learner, Scores, StepError};
pub use words::FolderWords;
