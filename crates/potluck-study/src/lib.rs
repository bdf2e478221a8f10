//! Made-up tasks of the kinds that the paper on rewarded soups has, small enough for two cores.
//!
//! A [`Task`] is a pure function of a seed: texts to pretrain on, prompts with reference answers, prompts with
//! what rewards must know, and who prefers what. [`make`] writes it all into a folder that `potluck train` can
//! use; [`serve`] is the program behind an `exec` reward. It trains nothing and judges no result: `cargo xtask
//! experiment` does that, with the product's own programs.

pub mod task;
pub mod phrases;
pub mod labels;
pub mod tasks;
pub mod folder;
pub mod reward;

pub use folder::make;
pub use reward::serve;
pub use task::{Item, Task};
