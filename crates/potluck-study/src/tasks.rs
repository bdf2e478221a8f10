//! The tasks, each in a file of its own.

mod news;
mod reddit;
mod review;
mod assistant;
mod qa;

use crate::task::{Task, Training};

/// The tasks by name.
pub const NAMES: [&str; 5] = ["news", "reddit", "review", "assistant", "qa"];

/// The task of that name.
pub fn named(name: &str) -> Option<Box<dyn Task>> {
    match name {
        "news" => Some(Box::new(news::News)),
        "reddit" => Some(Box::new(reddit::Reddit)),
        "review" => Some(Box::new(review::Review)),
        "assistant" => Some(Box::new(assistant::Assistant)),
        "qa" => Some(Box::new(qa::Qa)),
        _ => None,
    }
}

/// The table of a reward model that was trained on a group's pairs. What is empty or cut off it is not asked
/// about: a reward must not pay for silence.
fn model_reward(name: &str) -> String {
    format!(
        "kind = \"model\"\nfolder = \"{{models}}/{name}/model\"\nclip = [-8.0, 8.0]\nempty = -8.0\nunfinished = -8.0\n"
    )
}

/// What differs from one kind of training to another. Rates are text: they stand in recipes as they are here.
struct Sizes {
    shape: [i64; 4],
    vocabulary: usize,
    /// Steps of pretraining, fine-tuning and reinforcement; the same of a quick study.
    steps: [[u64; 3]; 2],
    /// Texts in a step of pretraining and of fine-tuning.
    examples: [u64; 2],
    /// The learning rates of the three.
    rates: [&'static str; 3],
    /// Steps over which the rate of pretraining rises.
    warmup: u64,
    /// The cost of divergence, and where a training stops for it.
    kl: [&'static str; 2],
    /// Lines of each data set; the same of a quick study.
    lines: [[u64; 3]; 2],
}

/// How tasks are trained whose answers copy nothing from their prompts.
const SMALL: Sizes = Sizes {
    shape: [64, 2, 4, 192],
    vocabulary: 512,
    steps: [[250, 60, 160], [60, 20, 8]],
    examples: [48, 48],
    rates: ["6e-3", "1e-3", "1e-3"],
    warmup: 20,
    kl: ["0.05", "12.0"],
    lines: [[12_000, 3000, 4000], [3000, 1000, 400]],
};

/// How tasks are trained whose answers copy words of their prompts.
const COPYING: Sizes = Sizes {
    shape: [128, 2, 4, 448],
    vocabulary: 1024,
    steps: [[400, 100, 120], [60, 20, 10]],
    examples: [24, 96],
    rates: ["8e-3", "1e-3", "8e-4"],
    warmup: 30,
    kl: ["0.02", "6.0"],
    lines: [[9600, 9600, 4000], [1500, 1000, 400]],
};

impl Sizes {
    fn training(&self, quick: bool) -> Training {
        let [pretrain, sft, rl] = self.steps[usize::from(quick)];
        let [texts, references] = self.examples;
        let [first, second, third] = self.rates;
        let ([cost, stop], warmup) = (self.kl, self.warmup);
        Training {
            shape: self.shape,
            vocabulary: self.vocabulary,
            pretrain: format!(
                "[pretrain]\nsteps = {pretrain}\nexamples = {texts}\n\n[optimiser]\nlearning_rate = {first}\n\
                 warmup = {warmup}\nschedule = \"cosine\"\nweight_decay = 0.01\n"
            ),
            sft: format!(
                "[sft]\nsteps = {sft}\nexamples = {references}\n\n[optimiser]\nlearning_rate = {second}\nwarmup = 10\n\
                 schedule = \"cosine\"\nweight_decay = 0.01\n"
            ),
            rl: format!(
                "[rl]\nalgorithm = \"rloo\"\nsteps = {rl}\nprompts = 16\ngroup = 4\nscale = \"batch\"\n\n\
                 [sampling]\nmax_tokens = 64\n\n[kl]\ncost = {cost}\n\n[guards]\nkl = {{ stop = {stop} }}\n\n\
                 [optimiser]\nlearning_rate = {third}\nwarmup = 5\n"
            ),
            lines: self.lines[usize::from(quick)],
        }
    }
}
