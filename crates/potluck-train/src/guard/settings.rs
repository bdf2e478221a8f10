//! The `[guards]` of a recipe: limits, and why they are what they are when nothing is said.

use serde::Deserialize;

use crate::bad_input::BadInput;

/// All guards; each has `enabled`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardSettings {
    /// Over how many steps a figure is averaged. Ten batches of 64 completions are enough for means
    /// to lie within a few per cent, and few enough to stop within a minute on a laptop.
    pub window: usize,
    /// How many steps make the start that drift is measured from. Before them nothing has been
    /// learned yet: learning rates warm up.
    pub start: usize,
    /// The divergence from the base.
    pub kl: KlSettings,
    /// The length of completions, over that at the start. A reward may ask for other lengths, so
    /// only a factor of four says that nothing but length is optimised.
    pub length: RangeSettings,
    /// The entropy of a token, over that at the start. Learning lowers it to a third or so; at a
    /// twentieth nearly every token is certain, groups are copies of one text, and nothing is left to
    /// compare.
    pub entropy: RangeSettings,
    /// How many of a batch's n-grams are different, over that at the start.
    pub distinct: DistinctSettings,
    /// The share of completions' n-grams that stand in their prompts.
    pub copies: CopySettings,
    /// The share of empty completions. Silence is what a reward of penalties alone teaches.
    pub empty: ShareSettings,
    /// The share of completions that reached the limit of tokens. A base that was never tuned ends
    /// nothing, so only a share that rose from the start counts.
    pub unfinished: ShareSettings,
    /// Steps in succession without any advantage: the gradient is that of nothing.
    pub spread: StepsSettings,
    /// Steps in succession whose gradient is not finite. One is enough: weights would be lost.
    pub gradient: StepsSettings,
    /// The held-out reward against the one that is trained on.
    pub held_out: HeldOutSettings,
}

/// The divergence from the base, in nats a completion.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KlSettings {
    /// Whether it is looked at.
    pub enabled: bool,
    /// The mean over a window that stops. Good summarisers and chat models were reported at 5 to 25
    /// nats; small models that went beyond 30 wrote word salad.
    pub stop: f64,
    /// A step this many times above the mean of the window before it is a leap: a warning, and a stop
    /// if it leaps over the limit, too.
    pub leap: f64,
}

/// A ratio to the start, and between what limits it may lie.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RangeSettings {
    /// Whether it is looked at.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Below it the run stops; left out, there is no such limit.
    #[serde(default)]
    pub least: f64,
    /// Above it the run stops; left out, there is no such limit.
    #[serde(default = "no_limit")]
    pub most: f64,
}

/// Different n-grams of a batch.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DistinctSettings {
    /// Whether it is looked at.
    pub enabled: bool,
    /// The n. Three tokens are about two words: less repeats in any text, more hardly ever does.
    pub n: usize,
    /// The least ratio to the start. Groups come to agree with each other as a policy learns, which
    /// halves it; at a fifth, few phrases make up all that is written.
    pub least: f64,
}

/// N-grams of completions that stand in their prompts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CopySettings {
    /// Whether it is looked at.
    pub enabled: bool,
    /// The n. Names and set phrases are shorter than four tokens.
    pub n: usize,
    /// The share that stops, if it has risen by `rise` from the start.
    pub most: f64,
    /// A task may consist of quoting: then the base quotes, too, and nothing has risen.
    pub rise: f64,
}

/// A share of completions.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareSettings {
    /// Whether it is looked at.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Above it the run stops, if it has risen by a quarter from the start; left out, there is no
    /// limit.
    #[serde(default = "all")]
    pub most: f64,
}

/// A number of steps in succession.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepsSettings {
    /// Whether it is looked at.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// So many stop; left out, no number does.
    #[serde(default = "never")]
    pub steps: u64,
}

/// A reward that is measured on held-out prompts and never trained on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeldOutSettings {
    /// Whether it is looked at, where there is one.
    pub enabled: bool,
    /// Over how many evaluations it is averaged, prompt by prompt.
    pub evaluations: usize,
    /// By how many standard errors of the paired differences it must have fallen below its best, while
    /// the trained reward rose by three of its own. The best is chosen after the fact, from many, so
    /// four are asked for: with three, 2 per cent of runs on mere noise stopped.
    pub errors: f64,
}

fn yes() -> bool {
    true
}

fn no_limit() -> f64 {
    f64::INFINITY
}

fn all() -> f64 {
    1.0
}

fn never() -> u64 {
    u64::MAX
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self {
            window: 10,
            start: 10,
            kl: KlSettings::default(),
            length: RangeSettings { enabled: true, least: 0.25, most: 4.0 },
            entropy: RangeSettings { enabled: true, least: 0.05, most: 4.0 },
            distinct: DistinctSettings::default(),
            copies: CopySettings::default(),
            empty: ShareSettings { enabled: true, most: 0.5 },
            unfinished: ShareSettings { enabled: true, most: 0.9 },
            spread: StepsSettings { enabled: true, steps: 20 },
            gradient: StepsSettings { enabled: true, steps: 1 },
            held_out: HeldOutSettings::default(),
        }
    }
}

impl Default for KlSettings {
    fn default() -> Self {
        Self { enabled: true, stop: 30.0, leap: 5.0 }
    }
}

impl Default for DistinctSettings {
    fn default() -> Self {
        Self { enabled: true, n: 3, least: 0.2 }
    }
}

impl Default for CopySettings {
    fn default() -> Self {
        Self { enabled: true, n: 4, most: 0.9, rise: 0.25 }
    }
}

impl Default for HeldOutSettings {
    fn default() -> Self {
        Self { enabled: true, evaluations: 3, errors: 4.0 }
    }
}

impl GuardSettings {
    /// # Errors
    /// [`BadInput`], which names the key.
    pub fn check(&self) -> Result<(), BadInput> {
        let refused = |key: &str, expected: &str| {
            Err(BadInput::new(format!("guards.{key} must be {expected}")))
        };
        for (key, number) in [
            ("window", self.window),
            ("start", self.start),
            ("distinct.n", self.distinct.n),
            ("copies.n", self.copies.n),
            ("held_out.evaluations", self.held_out.evaluations),
        ] {
            if !(1..=10_000).contains(&number) {
                return refused(key, "from 1 to 10000");
            }
        }
        for (key, range) in [("length", &self.length), ("entropy", &self.entropy)] {
            if !(range.least >= 0.0 && range.least < 1.0 && range.most > 1.0) {
                return refused(key, "two numbers with 0 <= least < 1 < most");
            }
        }
        for (key, number) in [
            ("distinct.least", self.distinct.least),
            ("copies.most", self.copies.most),
            ("copies.rise", self.copies.rise),
            ("empty.most", self.empty.most),
            ("unfinished.most", self.unfinished.most),
        ] {
            if !(0.0..=1.0).contains(&number) {
                return refused(key, "from 0 to 1");
            }
        }
        for (key, steps) in [("spread", self.spread.steps), ("gradient", self.gradient.steps)] {
            if steps == 0 {
                return refused(&format!("{key}.steps"), "at least 1");
            }
        }
        let above = |number: f64, least: f64| number.is_finite() && number > least;
        if !above(self.kl.stop, 0.0) {
            return refused("kl.stop", "above 0");
        }
        if !above(self.kl.leap, 1.0) {
            return refused("kl.leap", "above 1");
        }
        if !above(self.held_out.errors, 0.0) {
            return refused("held_out.errors", "above 0");
        }
        Ok(())
    }
}
