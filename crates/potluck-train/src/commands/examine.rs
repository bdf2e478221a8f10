//! `potluck-train examine`: folders, adapters and soups, scored on a recipe's prompts by its rewards.

use std::path::{Path, PathBuf};

use clap::Args;
use potluck_core::Lambda;
use serde_json::{Value, json};

use crate::bad_input::BadInput;
use crate::hf::Folder;
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
    /// Experts that write together, each token drawn from the mean of their distributions by these
    /// weights: prediction averaging, as agency=0.3,readers=0.7.
    #[arg(long = "ensemble", value_name = "λ")]
    ensembles: Vec<Lambda>,
    /// The most prompts.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    prompts: u32,
    /// The seed of sampling.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How many of its completions to show of each candidate.
    #[arg(long, value_name = "N", default_value_t = 0)]
    samples: usize,
    /// Write every score into this file: a JSON object a candidate and line, the recipe's model first.
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) fn examine(args: &ExamineArgs) -> Result<Answer, Failure> {
    let recipe = Recipe::read(&args.recipe)?;
    let mut examination = Examination::new(&recipe, args.prompts as usize, args.seed)?;
    let lambdas = args.soups.lambdas()?;
    let folder = open(&recipe.model)?;
    let kitchen = args.soups.kitchen_of(folder.architecture(), &lambdas)?;
    args.ensembles.iter().try_for_each(|lambda| kitchen.can_cook(lambda))?;
    let total = 1 + args.models.len() + args.adapters.len() + lambdas.len() + args.ensembles.len();
    let mut live = Live::begin("examine", total as u64, 0);
    let base = examination
        .examine(&folder.load().map_err(|error| BadInput::because(&recipe.model, error))?)?;
    let (mut lines, mut rows) = (vec![line("base", &base, None)], Vec::new());
    let count = args.samples;
    let names: Vec<String> = examination.rewards().map(str::to_owned).collect();
    let mut scores = vec![each_score("base", None, &base, &names)];
    let mut add =
        |name: &str, lambda: Option<&Lambda>, examined: Examined| -> Result<(), Failure> {
            scores.push(each_score(name, lambda, &examined, &names));
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
        add(&path.display().to_string(), None, examination.examine(&decoder)?)?;
    }
    for path in &args.adapters {
        let mut decoder = folder.load().map_err(|error| BadInput::because(&recipe.model, error))?;
        decoder.merge_adapter(path).map_err(|error| BadInput::because(path, error))?;
        add(&path.display().to_string(), None, examination.examine(&decoder)?)?;
    }
    for lambda in &lambdas {
        let examined = examination.examine(&kitchen.soup(lambda)?)?;
        add(&lambda.to_string(), Some(lambda), examined)?;
    }
    for lambda in &args.ensembles {
        let members = kitchen.members(lambda)?;
        let members = members.iter().map(|(member, weight)| (member, *weight));
        let examined = examination.examine_together(members)?;
        add(&format!("ensemble {lambda}"), Some(lambda), examined)?;
    }
    live.end(&format!("{total} candidates of {} prompts", examination.count()));
    if let Some(path) = &args.scores {
        let text: String = scores.iter().map(|line| format!("{line}\n")).collect();
        crate::files::write_whole(path, text.as_bytes())
            .map_err(|error| Failure::Disk(path.display().to_string(), error))?;
    }
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

/// A line of `--scores`: everything that an interval is computed from.
fn each_score(
    name: &str,
    lambda: Option<&Lambda>,
    examined: &Examined,
    rewards: &[String],
) -> Value {
    let parts: serde_json::Map<String, Value> = rewards
        .iter()
        .zip(&examined.parts)
        .map(|(name, part)| (name.clone(), json!(part)))
        .collect();
    json!({
        "candidate": name, "lambda_ppm": lambda, "scores": examined.scores, "rewards": parts,
        "tokens": examined.tokens, "finished": examined.finished,
    })
}

fn told(examined: &Examined, samples: usize) -> Value {
    let (mean, se) = examined.mean();
    json!({
        "mean": mean, "se": se, "mean_length": examined.length(), "unfinished": examined.unfinished(),
        "seconds": examined.seconds,
        "samples": examined.texts.iter().take(samples).collect::<Vec<_>>(),
    })
}

fn line(name: &str, examined: &Examined, base: Option<&Examined>) -> String {
    let (mean, se) = examined.mean();
    let gain = base.map_or(String::new(), |base| {
        let (gain, error) = examined.gain_over(base);
        format!("  gain {gain:+.3} ± {error:.3}")
    });
    let (length, unfinished) = (examined.length(), 100.0 * examined.unfinished());
    format!(
        "{name:<44} {mean:+.3} ± {se:.3}  {length:5.1} tokens  {unfinished:4.1} % cut off{gain}"
    )
}
