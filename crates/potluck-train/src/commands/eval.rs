//! `potluck-train eval`: soups, scored with one party's reward on its held-out prompts.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use potluck_core::{Lambda, PartyId};
use serde_json::{Value, json};

use crate::bad_input::BadInput;
use crate::evaluate::{Bench, Kitchen, Row, Scored};
use crate::hf::{Architecture, Decoder};
use crate::journal::{Live, LiveFigures};
use crate::model::ModelFolder;
use crate::reward::RewardFile;
use crate::task::NewsDesk;

use super::{Answer, Common, Failure, RecipeArgs};

/// Score soups of experts with a private reward on held-out prompts.
///
/// The base and every soup get the same prompts and random numbers.
#[derive(Debug, Args)]
pub(super) struct EvalArgs {
    /// The base's folder.
    #[arg(long, value_name = "DIR")]
    base: PathBuf,
    /// The reward's definition.
    #[arg(long, value_name = "FILE")]
    reward: PathBuf,
    #[command(flatten)]
    soups: SoupArgs,
    /// How many held-out prompts; the recipe says if it is not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=10_000_000))]
    prompts: Option<u64>,
    /// The seed of prompts and sampling.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Which soups of which experts.
#[derive(Debug, Args)]
pub(super) struct SoupArgs {
    /// An expert: a name, and its safetensors file or the folder of its model.safetensors.
    #[arg(long = "expert", value_name = "NAME=PATH", value_parser = parse_expert)]
    experts: Vec<(PartyId, PathBuf)>,
    /// A soup, as agency=0.3,readers=0.7 or in parts per million.
    #[arg(long = "lambda", value_name = "λ")]
    lambdas: Vec<Lambda>,
    /// A file of soups, one a line; empty lines and lines that begin with # are skipped.
    #[arg(long = "lambdas", value_name = "FILE")]
    file: Option<PathBuf>,
}

fn parse_expert(text: &str) -> Result<(PartyId, PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("write NAME=PATH")?;
    Ok((name.parse().map_err(|error: potluck_core::ids::IdError| error.to_string())?, path.into()))
}

impl SoupArgs {
    /// Every soup that was asked for: those of the command line, then those of the file.
    pub(super) fn lambdas(&self) -> Result<Vec<Lambda>, BadInput> {
        let mut all = self.lambdas.clone();
        if let Some(path) = &self.file {
            let text =
                std::fs::read_to_string(path).map_err(|error| BadInput::file(path, &error))?;
            let lines = (1..).zip(text.lines().map(str::trim));
            for (number, line) in
                lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            {
                let lambda = line.parse();
                let fault =
                    |error| BadInput::new(format!("{} line {number}: {error}", path.display()));
                all.push(lambda.map_err(|error: potluck_core::lambda::LambdaError| fault(error))?);
            }
        }
        Ok(all)
    }

    /// The experts, read and checked; all of `lambdas` can be mixed from them.
    pub(super) fn kitchen(
        &self,
        base: &ModelFolder,
        lambdas: &[Lambda],
    ) -> Result<Kitchen, BadInput> {
        self.kitchen_of(base.decoder().architecture(), lambdas)
    }

    /// The same for any base.
    pub(super) fn kitchen_of(
        &self,
        base: &Architecture,
        lambdas: &[Lambda],
    ) -> Result<Kitchen, BadInput> {
        let experts = self.experts.iter().map(|(party, path)| (party, Path::new(path)));
        let kitchen = Kitchen::read(base, experts)?;
        lambdas.iter().try_for_each(|lambda| kitchen.can_cook(lambda))?;
        Ok(kitchen)
    }
}

pub(super) fn eval(args: &EvalArgs) -> Result<Answer, Failure> {
    let start = Instant::now();
    let recipe = args.recipe.read()?;
    let RewardFile { reward, .. } = RewardFile::read(&args.reward)?;
    let base = ModelFolder::read(&args.base)?;
    let lambdas = args.soups.lambdas()?;
    let kitchen = args.soups.kitchen(&base, &lambdas)?;
    let desk = NewsDesk::news(args.seed, recipe.news.disputed);
    let prompts = args.prompts.unwrap_or(recipe.eval.prompts);
    let bench = Bench::new(&reward, &base.tokenizer, &desk, prompts)?;

    let mut live = Live::begin("eval", lambdas.len() as u64 + 1, 0);
    let mut timed = |done: u64, model: &Decoder| {
        let start = Instant::now();
        let scored = bench.score(model);
        let seconds = start.elapsed().as_secs_f64();
        let reward = Some((scored.mean, scored.se));
        live.at(done, &LiveFigures { seconds, reward, ..LiveFigures::default() });
        scored
    };
    let base_scored = timed(1, base.decoder());
    let mut rows = Vec::with_capacity(lambdas.len());
    for (done, lambda) in (2..).zip(lambdas) {
        let scored = timed(done, &kitchen.soup(&lambda)?);
        rows.push(Row::new(lambda, scored, &base_scored));
    }
    live.end(&format!("done, {} soups of {prompts} prompts", rows.len()));
    let lines = std::iter::once(line("base", &base_scored, ""))
        .chain(rows.iter().map(|row| {
            line(
                &row.lambda.to_string(),
                &row.scored,
                &format!("  gain {:+.3} ± {:.3}", row.gain, row.gain_se),
            )
        }))
        .collect();
    let json = json!({
        "verb": "eval",
        "reward": reward.name(),
        "prompts": prompts,
        "seed": args.seed,
        "base": scored_json(&base_scored),
        "rows": rows.iter().map(row_json).collect::<Vec<_>>(),
        "seconds": start.elapsed().as_secs_f64(),
    });
    Ok(Answer { json, lines })
}

fn scored_json(scored: &Scored) -> Value {
    json!({"mean": scored.mean, "se": scored.se, "mean_words": scored.mean_words, "broken": scored.broken})
}

fn row_json(row: &Row) -> Value {
    let mut json = scored_json(&row.scored);
    json["lambda_ppm"] = json!(row.lambda);
    json["gain"] = json!(row.gain);
    json["gain_se"] = json!(row.gain_se);
    json
}

fn line(name: &str, scored: &Scored, gain: &str) -> String {
    format!(
        "{name:<44} {:+.3} ± {:.3}  {:4.1} words  {:4.1} % broken{gain}",
        scored.mean,
        scored.se,
        scored.mean_words,
        100.0 * scored.broken
    )
}
