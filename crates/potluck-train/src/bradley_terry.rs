//! Reward models from preferences: Bradley and Terry's model of which of two texts is chosen.
//!
//! ```text
//! pairs.jsonl -> Pairs (read, split into training and held-out ones)
//! scorer of a base -> [ pairs of a step -> -log sigmoid(chosen - rejected - margin) -> AdamW ]*
//!                  -> held-out figures: accuracy, loss, calibration -> folder
//! ```
//!
//! P(a before b) = sigmoid(score of a - score of b). Dropout is off, as in TRL's reward trainer. Each
//! step is a function of the settings, the seed, the step's number and the weights, and the state
//! is one file that is replaced whole: a run that was killed goes on and ends with the same bytes.

mod pairs;
mod recipe;
mod calibration;
mod state;
mod train;

pub use calibration::{Bin, Calibration};
pub use pairs::{Pair, Pairs};
pub use recipe::{Length, Recipe, Schedule};
pub use train::{Figures, Run, TrainError};
