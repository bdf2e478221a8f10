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

/// How tasks are trained whose answers copy nothing from their prompts.
fn small(quick: bool) -> Training {
    let (pretrain, sft, rl) = if quick { (60, 20, 8) } else { (250, 60, 160) };
    Training {
        shape: [64, 2, 4, 192],
        vocabulary: 512,
        pretrain: format!(
            "[pretrain]\nsteps = {pretrain}\nexamples = 48\n\n[optimiser]\nlearning_rate = 6e-3\nwarmup = 20\n\
             schedule = \"cosine\"\nweight_decay = 0.01\n"
        ),
        sft: format!(
            "[sft]\nsteps = {sft}\nexamples = 48\n\n[optimiser]\nlearning_rate = 1e-3\nwarmup = 10\n\
             schedule = \"cosine\"\nweight_decay = 0.01\n"
        ),
        rl: format!(
            "[rl]\nalgorithm = \"rloo\"\nsteps = {rl}\nprompts = 16\ngroup = 4\nscale = \"batch\"\n\n\
             [sampling]\nmax_tokens = 64\n\n[kl]\ncost = 0.05\n\n[guards]\nkl = {{ stop = 12.0 }}\n\n\
             [optimiser]\nlearning_rate = 1e-3\nwarmup = 5\n"
        ),
        lines: if quick { [3000, 1000, 400] } else { [12_000, 3000, 4000] },
    }
}

/// How tasks are trained whose answers copy words of their prompts.
fn copying(quick: bool) -> Training {
    let (pretrain, sft, rl) = if quick { (60, 20, 10) } else { (400, 100, 120) };
    Training {
        shape: [128, 2, 4, 448],
        vocabulary: 1024,
        pretrain: format!(
            "[pretrain]\nsteps = {pretrain}\nexamples = 24\n\n[optimiser]\nlearning_rate = 8e-3\n\
             warmup = 30\nschedule = \"cosine\"\nweight_decay = 0.01\n"
        ),
        sft: format!(
            "[sft]\nsteps = {sft}\nexamples = 96\n\n[optimiser]\nlearning_rate = 1e-3\nwarmup = 10\n\
             schedule = \"cosine\"\nweight_decay = 0.01\n"
        ),
        rl: format!(
            "[rl]\nalgorithm = \"rloo\"\nsteps = {rl}\nprompts = 16\ngroup = 4\nscale = \"batch\"\n\n\
             [sampling]\nmax_tokens = 64\n\n[kl]\ncost = 0.02\n\n[guards]\nkl = {{ stop = 6.0 }}\n\n\
             [optimiser]\nlearning_rate = 8e-4\nwarmup = 5\n"
        ),
        lines: if quick { [1500, 1000, 400] } else { [9600, 9600, 4000] },
    }
}
