//! A training recipe: every number of a run that is neither a seed nor a reward.
//!
//! The full and the quick recipe stand in `configs/training/` and are built into the program;
//! `--recipe FILE` takes another. Unknown keys and numbers out of range are refused by name.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::bad_input::BadInput;

/// The recipe that stands for `--quick`.
const QUICK: &str = include_str!("../../../configs/training/quick.toml");

/// The recipe of a run without `--quick` and `--recipe`.
const FULL: &str = include_str!("../../../configs/training/full.toml");

/// What a run is made of, seeds and rewards aside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The news and their references.
    pub news: News,
    /// How the tokenizer is learned.
    pub tokenizer: TokenizerRecipe,
    /// The shape of the model.
    pub model: ModelRecipe,
    /// Language modelling on news and summaries.
    pub pretrain: Supervised,
    /// Fine-tuning on summaries alone.
    pub sft: Supervised,
    /// What a base must be able to do before any reward is optimised.
    pub gate: Gate,
    /// Reinforcement learning.
    pub rl: Rl,
    /// Held-out evaluation.
    pub eval: Eval,
}

/// The news and their references.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct News {
    /// The share of facts on which sources disagree, among those that can be disputed; 0 to 1.
    pub disputed: f64,
}

/// How the tokenizer is learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenizerRecipe {
    /// The most tokens that it may have; 300 to 65 536.
    pub vocabulary: usize,
    /// From how many items it is learned.
    pub items: u64,
}

/// The shape of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRecipe {
    /// Width of the residual stream.
    pub hidden: i64,
    /// Decoder layers.
    pub layers: i64,
    /// Attention heads; they divide `hidden` into an even number each.
    pub heads: i64,
    /// Heads of keys and values; they divide `heads`.
    pub kv_heads: i64,
    /// Width of the feed-forward part.
    pub feed_forward: i64,
}

/// One supervised stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supervised {
    /// Optimiser steps.
    pub steps: u64,
    /// News items a step.
    pub items: u64,
    /// Reference summaries of each.
    pub references: u64,
    /// The share of wrong values in them; 0 to 1.
    pub noise: f64,
    /// The share of facts on which sources disagree, among those that can be disputed; 0 to 1.
    pub disputed: f64,
    /// Whether the items are news in brief, of 3 to 6 facts, instead of 5 to 12.
    pub briefs: bool,
    /// Peak learning rate, reached after `warmup` steps and lowered to a tenth along a cosine.
    pub learning_rate: f64,
    /// Steps until the peak.
    pub warmup: u64,
    /// Decoupled weight decay, of matrices alone.
    pub weight_decay: f64,
}

/// What a base must be able to do before any reward is optimised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Held-out prompts.
    pub prompts: u64,
    /// The least share of claims that the text supports; 0 to 1.
    pub copy_accuracy: f64,
}

/// Reinforcement learning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rl {
    /// The most optimiser steps.
    pub steps: u64,
    /// Prompts a step.
    pub prompts: u64,
    /// Completions of each prompt, at least 2: each one's baseline is the mean of the others.
    pub group: u64,
    /// Peak learning rate, reached after `warmup` steps and constant from there.
    pub learning_rate: f64,
    /// Steps until the peak.
    pub warmup: u64,
    /// What a nat of divergence from the base costs, in units of the reward.
    pub kl_cost: f64,
    /// Training ends where the mean divergence of the last ten steps, in nats a completion, passes this.
    pub kl_stop: f64,
    /// Whether advantages are divided by their standard deviation in the batch.
    pub normalise: bool,
}

/// Held-out evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eval {
    /// Prompts on which each soup is scored.
    pub prompts: u64,
}

impl Recipe {
    /// The recipe of the full runs.
    pub fn full() -> Self {
        Self::parse(FULL, Path::new("configs/training/full.toml"))
            .expect("the built-in recipe is read by a test")
    }

    /// The recipe of `--quick`.
    pub fn quick() -> Self {
        Self::parse(QUICK, Path::new("configs/training/quick.toml"))
            .expect("the built-in recipe is read by a test")
    }

    /// Reads a recipe file.
    ///
    /// # Errors
    /// [`BadInput`] where the file cannot be read, has an unknown or missing key, or a number out of range.
    pub fn read(path: &Path) -> Result<Self, BadInput> {
        let text = std::fs::read_to_string(path).map_err(|error| BadInput::file(path, &error))?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, BadInput> {
        let recipe: Self =
            toml::from_str(text).map_err(|error| BadInput::toml(path, text, &error))?;
        match recipe.first_fault() {
            Some((key, must)) => {
                Err(BadInput::new(format!("{}: {key} must be {must}", path.display())))
            }
            None => Ok(recipe),
        }
    }

    /// The first key whose value is out of range, and what it must be.
    fn first_fault(&self) -> Option<(&'static str, &'static str)> {
        const SHARE: &str = "between 0 and 1";
        const POSITIVE: &str = "above 0";
        let share = |x: f64| (0.0..=1.0).contains(&x);
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let count = |n: u64| (1..=10_000_000).contains(&n);
        let model = &self.model;
        let width = |n: i64| (1..=65_536).contains(&n);
        let rules = [
            (share(self.news.disputed), "news.disputed", SHARE),
            (
                (300..=65_536).contains(&self.tokenizer.vocabulary),
                "tokenizer.vocabulary",
                "between 300 and 65536",
            ),
            (count(self.tokenizer.items), "tokenizer.items", POSITIVE),
            (width(model.hidden), "model.hidden", "between 1 and 65536"),
            ((1..=1000).contains(&model.layers), "model.layers", "between 1 and 1000"),
            (
                width(model.heads) && model.hidden % (2 * model.heads) == 0,
                "model.heads",
                "such that model.hidden is an even multiple of it",
            ),
            (
                width(model.kv_heads) && model.heads % model.kv_heads == 0,
                "model.kv_heads",
                "a divisor of model.heads",
            ),
            (width(model.feed_forward), "model.feed_forward", "between 1 and 65536"),
            (
                supervised_is_sound(&self.pretrain),
                "pretrain",
                "sound: steps, items, references and learning_rate above 0, noise and disputed between 0 and 1",
            ),
            (
                supervised_is_sound(&self.sft),
                "sft",
                "sound: steps, items, references and learning_rate above 0, noise and disputed between 0 and 1",
            ),
            (count(self.gate.prompts), "gate.prompts", POSITIVE),
            (share(self.gate.copy_accuracy), "gate.copy_accuracy", SHARE),
            (count(self.rl.steps), "rl.steps", POSITIVE),
            (count(self.rl.prompts), "rl.prompts", POSITIVE),
            ((2..=1024).contains(&self.rl.group), "rl.group", "between 2 and 1024"),
            (positive(self.rl.learning_rate), "rl.learning_rate", POSITIVE),
            (self.rl.kl_cost.is_finite() && self.rl.kl_cost >= 0.0, "rl.kl_cost", "0 or more"),
            (positive(self.rl.kl_stop), "rl.kl_stop", POSITIVE),
            ((2..=10_000_000).contains(&self.eval.prompts), "eval.prompts", "at least 2"),
        ];
        rules.into_iter().find(|(sound, _, _)| !sound).map(|(_, key, must)| (key, must))
    }
}

fn supervised_is_sound(stage: &Supervised) -> bool {
    let rate = stage.learning_rate.is_finite() && stage.learning_rate > 0.0;
    let decay = stage.weight_decay.is_finite() && stage.weight_decay >= 0.0;
    let counts = [stage.items, stage.references].iter().all(|n| (1..=65_536).contains(n));
    let shares = [stage.noise, stage.disputed].iter().all(|x| (0.0..=1.0).contains(x));
    (1..=10_000_000).contains(&stage.steps) && counts && shares && rate && decay
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_recipes_are_sound_and_make_experts_of_one_shape() {
        assert_eq!(Recipe::full().model, Recipe::quick().model);
    }

    #[test]
    fn a_bad_recipe_is_refused_by_file_and_key() {
        let refuse = |from: &str, to: &str| {
            let text = FULL.replacen(from, to, 1);
            assert_ne!(text, FULL);
            Recipe::parse(&text, Path::new("my.toml")).unwrap_err().to_string()
        };
        let unknown = refuse("[news]", "[news]\ncolour = 3");
        assert!(unknown.contains("my.toml") && unknown.contains("colour"), "{unknown}");
        let wrong = refuse("kv_heads = 2", "kv_heads = 3");
        assert_eq!(wrong, "my.toml: model.kv_heads must be a divisor of model.heads");
        let text = refuse("\nsteps = ", "\nsteps = \"many\" #");
        assert!(
            text.contains("my.toml") && text.contains("steps") && !text.contains('\n'),
            "{text}"
        );
    }
}
