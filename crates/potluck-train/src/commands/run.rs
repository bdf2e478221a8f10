//! `potluck-train run`: follow a recipe, from any base to an expert in an outbox.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::tune::{Recipe, run as follow};

use super::{Answer, Common, Failure};

/// Follow a recipe: fine-tune any Hugging Face model on private rewards or examples, into an outbox.
///
/// Stopped by Ctrl-C or killed at any moment, the same command goes on from its last checkpoint and
/// ends with the same bytes. Nothing but `outbox` is meant to leave the folder.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The recipe, as configs/training/rloo.toml shows one.
    #[arg(value_name = "RECIPE.toml")]
    recipe: PathBuf,
    /// The run's folder: gets `outbox`, `private` and `work` [default: the recipe's name without its end]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) fn run(args: &RunArgs) -> Result<Answer, Failure> {
    let recipe = Recipe::read(&args.recipe)?;
    let out = args.out.clone().unwrap_or_else(|| args.recipe.with_extension(""));
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The second time it ends the program at once.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&interrupted))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&interrupted)))
            .map_err(|error| Failure::Disk("signals".to_owned(), error))?;
    }
    let result = follow(&recipe, &out, &interrupted)?;
    if result["stopped"] == "interrupted" {
        let steps = result["steps"].as_u64().unwrap_or_default();
        return Err(Failure::Interrupted(steps));
    }
    Ok(answer(result))
}

fn answer(json: Value) -> Answer {
    let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
    let mut lines = vec![
        format!("outbox   {}", text("outbox")),
        format!("blake3   {}", text("blake3")),
        format!("begun    from {}", text("begun_from_blake3")),
        format!("steps    {}: {}", json["steps"], text("why")),
    ];
    if json["is_best"] == true {
        lines.push("weights  those of the best step so far, not of the last".to_owned());
    }
    if let Some(kl) = json["kl"].as_f64() {
        lines.push(format!("kl       {kl:.2} nats from the base"));
    }
    lines.push(format!("seconds  {:.1}", json["seconds"].as_f64().unwrap_or_default()));
    Answer { json, lines }
}
