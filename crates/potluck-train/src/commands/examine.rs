//! `potluck-train examine`: folders, adapters and soups, scored on a recipe's prompts by its rewards.

use std::path::{Path, PathBuf};

use clap::Args;
use potluck_core::Lambda;
use serde_json::{Value, json};

use crate::bad_input::BadInput;
use crate::hf::{Decoder, Folder};
use crate::journal::Live;
use crate::tune::{Examination, Examined, Recipe};

use super::eval::SoupArgs;
use super::{Answer, Common, Failure};

/// Score models, adapters and soups on a recipe's held-out prompts by its rewards.
///
/// The recipe's model comes first; all others are held against it, prompt by prompt. Every candidate
/// gets the same prompts and random numbers.
#[derive(Debug, Args)]
pub(super) struct ExamineArgs {
    /// The recipe, as `potluck train` follows it.
    #[arg(value_name = "RECIPE.toml")]
    recipe: PathBuf,
    /// A model's folder to score.
    #[arg(long = "model", value_name = "DIR")]
    models: Vec<PathBuf>,
    /// An adapter's folder, to be added to the recipe's model.
    #[arg(long = "adapter", value_name = "DIR")]
    adapters: Vec<PathBuf>,
    #[command(flatten)]
    soups: SoupArgs,
    /// The most prompts.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    prompts: u32,
    /// The seed of sampling.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How many of its completions to show of each candidate.
    #[arg(long, value_name = "N", default_value_t = 0)]
    samples: usize,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) fn examine(args: &ExamineArgs) -> Result<Answer, Failure> {
    let recipe = Recipe::read(&args.recipe)?;
    let mut examination = Examination::new(&recipe, args.prompts as usize, args.seed)?;
    let lambdas = args.soups.lambdas()?;
    let folder = open(&recipe.model)?;
    let kitchen = args.soups.kitchen_of(folder.architecture(), &lambdas)?;
    let total = 1 + args.models.len() + args.adapters.len() + lambdas.len();
    let mut live = Live::begin("examine", total as u64, 0);
    let base = examination
        .examine(&folder.load().map_err(|error| BadInput::because(&recipe.model, error))?)?;
    let (mut lines, mut rows) = (vec![line("base", &base, None)], Vec::new());
    let count = args.samples;
    let mut add =
        |name: &str, lambda: Option<&Lambda>, candidate: &Decoder| -> Result<(), Failure> {
            let examined = examination.examine(candidate)?;
            lines.push(line(name, &examined, Some(&base)));
            lines.extend(examined.texts.iter().take(count).map(|text| format!("    {text}")));
            let mut row = told(&examined, count);
            let (gain, gain_se) = examined.gain_over(&base);
            row["candidate"] = json!(name);
            row["lambda_ppm"] = json!(lambda);
            row["gain"] = json!(gain);
            row["gain_se"] = json!(gain_se);
            rows.push(row);
            live.at(rows.len() as u64 + 1, &Default::default());
            Ok(())
        };
    for path in &args.models {
        let decoder = open(path)?.load().map_err(|error| BadInput::because(path, error))?;
        add(&path.display().to_string(), None, &decoder)?;
    }
    for path in &args.adapters {
        let mut decoder = folder.load().map_err(|error| BadInput::because(&recipe.model, error))?;
        decoder.merge_adapter(path).map_err(|error| BadInput::because(path, error))?;
        add(&path.display().to_string(), None, &decoder)?;
    }
    for lambda in &lambdas {
        add(&lambda.to_string(), Some(lambda), &kitchen.soup(lambda)?)?;
    }
    live.end(&format!("{total} candidates of {} prompts", examination.count()));
    let json = json!({
        "verb": "examine",
        "rewards": examination.rewards().collect::<Vec<_>>(),
        "prompts": examination.count(),
        "seed": args.seed,
        "base": told(&base, count),
        "rows": rows,
    });
    Ok(Answer { json, lines })
}

fn open(path: &Path) -> Result<Folder, BadInput> {
    Folder::open(path).map_err(|error| BadInput::because(path, error))
}

fn told(examined: &Examined, samples: usize) -> Value {
    let (mean, se) = examined.mean();
    json!({
        "mean": mean, "se": se, "mean_length": examined.length, "unfinished": examined.unfinished,
        "samples": examined.texts.iter().take(samples).collect::<Vec<_>>(),
    })
}

fn line(name: &str, examined: &Examined, base: Option<&Examined>) -> String {
    let (mean, se) = examined.mean();
    let gain = base.map_or(String::new(), |base| {
        let (gain, error) = examined.gain_over(base);
        format!("  gain {gain:+.3} ± {error:.3}")
    });
    let (length, unfinished) = (examined.length, 100.0 * examined.unfinished);
    format!(
        "{name:<44} {mean:+.3} ± {se:.3}  {length:5.1} tokens  {unfinished:4.1} % cut off{gain}"
    )
}
