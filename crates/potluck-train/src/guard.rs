//! Guards over a run of reinforcement learning: has it collapsed, or does it cheat its reward?
//!
//! ```text
//! figures of a step -> Guards::look -> Look { verdict: Go | Warn | Stop, is_best }
//! ```
//! Pure: figures in, a verdict out; no file, no clock, no random number. What is remembered has a
//! JSON form in which every number stands as its bits, so a resumed run judges as if it had never
//! stopped. Each reason is a sentence with the figure, the limit, and what can be changed.
//!
//! A figure is never judged by one step but by its mean over a window, against a fixed limit or
//! against its own mean over the first steps (the start), because a batch is a small sample. Two are
//! judged at once: a gradient that is no number, and a divergence that leaps over its limit.

mod settings;
mod track;
mod bits;
mod figures;
mod drift;
mod held_out;
mod best;
mod guards;

pub use figures::{StepFigures, copy_rate, distinct};
pub use guards::{Guards, Look, Reason, Verdict};
pub use settings::{
    CopySettings, DistinctSettings, GuardSettings, HeldOutSettings, KlSettings, RangeSettings,
    ShareSettings, StepsSettings,
};
