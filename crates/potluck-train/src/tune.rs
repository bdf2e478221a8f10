//! Fine-tuning any base: supervised, or by reinforcement on a party's rewards.

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
mod step;
mod words;
mod sft;
mod recipe;
mod digest;
mod handover;
mod supervise;
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
