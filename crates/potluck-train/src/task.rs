//! The task: dated news items of 5 to 12 facts, their summaries, and who knows which facts are true.
//!
//! [`NewsDesk`] writes item after item as a pure function of seed, split and index. The generator
//! knows every fact, so [`read_summary`] and [`Item::check`] score a summary exactly, by rule.
//! Some facts are *disputed*: the text reports two values, and which one is true the generator
//! knows but no reader of the text can. That is what completeness and faithfulness trade over.
//!
//! It reads no files and knows nothing of models; [`crate::algorithm`] trains on its texts,
//! [`crate::reward`] scores with its facts.

mod article;
mod item;
mod lexicon;
mod summary;

pub use item::{Checked, Fact, Item, NewsDesk, Split};
pub use lexicon::Kind;
pub use summary::{BrokenSummary, Claim, read_summary};
