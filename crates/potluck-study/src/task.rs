//! What a task is: texts as pure functions of a seed, and rewards by name.

use serde_json::{Map, Value};

/// Which prompts one may learn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// For training.
    Train,
    /// For scores alone.
    HeldOut,
}

/// A prompt, and what rewards may know of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// What the model continues, special tokens included.
    pub prompt: String,
    /// The other columns of its line.
    pub columns: Map<String, Value>,
}

/// How a task's base is trained, and its experts.
pub struct Training {
    /// Width of the model, its layers, heads and feed-forward part.
    pub shape: [i64; 4],
    /// The most tokens.
    pub vocabulary: usize,
    /// The tables of a recipe of pretraining: everything but `model`, `seed` and `[data]`.
    pub pretrain: String,
    /// The same of supervised fine-tuning.
    pub sft: String,
    /// The same of reinforcement: everything but the rewards.
    pub rl: String,
    /// Lines of each data set: to pretrain on, to fine-tune on, prompts.
    pub lines: [u64; 3],
}

/// A made-up task.
pub trait Task {
    /// Its name.
    fn name(&self) -> &'static str;

    /// A whole text to pretrain on.
    fn text(&self, seed: u64, index: u64) -> String;

    /// A prompt with a reference answer, which has flaws.
    fn reference(&self, seed: u64, index: u64) -> (String, String);

    /// A prompt with its columns.
    fn item(&self, split: Split, seed: u64, index: u64) -> Item;

    /// The parties, each with the body of its `[[reward]]` table. `{models}` in it stands for the folder of
    /// trained reward models, `{reward}` for a command that runs [`crate::serve`] for this task.
    fn parties(&self) -> Vec<(&'static str, String)>;

    /// What is measured and trained on by nobody, as names of [`Task::judge`].
    fn measures(&self) -> &'static [&'static str];

    /// A score of a completion; `None` where the columns are not this task's, or there is no such reward.
    fn judge(&self, reward: &str, asked: &Answer) -> Option<f64>;

    /// What the base must reach before any reward is optimised: a measure, and its least mean.
    fn gate(&self) -> (&'static str, f64);

    /// How it is trained.
    fn training(&self, quick: bool) -> Training;

    /// The reward models to train: a name, and the groups whose pairs it learns from with their shares of a
    /// thousand.
    fn models(&self) -> Vec<(&'static str, Vec<(&'static str, u64)>)> {
        Vec::new()
    }

    /// How a group of labellers values a completion, in units of its own certainty: it prefers one to
    /// another with the probability that Bradley and Terry give the difference.
    fn value(&self, _group: &str, _asked: &Answer) -> Option<f64> {
        None
    }
}

/// What a reward sees.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// What the model wrote.
    pub completion: &'a str,
    /// Whether it ended by itself.
    pub is_finished: bool,
    /// The prompt's columns.
    pub columns: &'a Map<String, Value>,
}

/// A table of an `exec` reward of this program.
pub fn exec(reward: &str) -> String {
    format!("kind = \"exec\"\ncommand = [{{reward}}, \"{reward}\"]\n")
}
