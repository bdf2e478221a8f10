//! Fine-tuning any base: supervised, or by reinforcement on a party's rewards.

mod advantage;
mod kl;
mod objective;
mod pass;
mod policy;
mod state;
mod settings;
mod rollout;
mod figures;
mod step;

pub use advantage::{Baseline, Gae, Scale};
pub use figures::{Figures, Seconds};
pub use kl::{Estimator, KlSettings, Place};
pub use objective::{Average, LossSettings, Ratio};
pub use policy::Policy;
pub use rollout::{Prompt, Words, Written};
pub use settings::{
    Algorithm, OptimiserSettings, PpoSettings, RlSettings, SamplingSettings, Schedule, Unfinished,
};
pub use state::{Counters, RunState, StateError, WorkFolder};
pub use step::{Learner, Scores, StepError};
