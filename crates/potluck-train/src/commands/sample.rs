//! `potluck-train sample`: one text, summarised by the base and by soups.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::hf::Decoder;
use crate::model::ModelFolder;
use crate::rollout::{Choice, complete};
use crate::stream::Stream;
use crate::task::{Item, NewsDesk, Split, read_summary};
use crate::tokenizer::Tokenizer;

use super::eval::SoupArgs;
use super::{Answer, Common, Failure, RecipeArgs};

/// Show how the base and soups of experts summarise one held-out text.
#[derive(Debug, Args)]
pub(super) struct SampleArgs {
    /// The base's folder.
    #[arg(long, value_name = "DIR")]
    base: PathBuf,
    #[command(flatten)]
    soups: SoupArgs,
    /// Which held-out text.
    #[arg(long, value_name = "I", default_value_t = 0)]
    item: u64,
    /// The seed of texts and sampling.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) fn sample(args: &SampleArgs) -> Result<Answer, Failure> {
    let recipe = args.recipe.read()?;
    let base = ModelFolder::read(&args.base)?;
    let lambdas = args.soups.lambdas()?;
    let kitchen = args.soups.kitchen(&base, &lambdas)?;
    let desk = NewsDesk::news(args.seed, recipe.news.disputed);
    let item = desk.item(Split::HeldOut, args.item);
    let reference = desk.reference(Split::HeldOut, args.item, &item, 0, 0.0);
    let prompt = base.tokenizer.prompt(item.article())?;
    let stream = Stream::of("sample", &[args.seed, args.item]);

    let summarise = |lambda: Value, decoder: &Decoder| {
        let by = |choice| summary(decoder, &base.tokenizer, &item, &prompt, choice);
        json!({
            "lambda_ppm": lambda,
            "greedy": by(Choice::Likeliest),
            "sampled": by(Choice::Drawn(vec![stream.clone()])),
        })
    };
    let mut samples = vec![summarise(Value::Null, base.decoder())];
    let mut lines = vec![item.article().to_owned(), String::new(), line("base", &samples[0])];
    for lambda in lambdas {
        let sample = summarise(json!(lambda), &kitchen.soup(&lambda)?);
        lines.push(line(&lambda.to_string(), &sample));
        samples.push(sample);
    }
    let json = json!({
        "verb": "sample",
        "item": args.item,
        "article": item.article(),
        "facts": item.facts_column(),
        "reference": reference,
        "samples": samples,
    });
    Ok(Answer { json, lines })
}

fn line(name: &str, sample: &Value) -> String {
    format!("{name:<44} {}", sample["sampled"]["text"].as_str().unwrap_or_default())
}

fn summary(
    decoder: &Decoder,
    tokenizer: &Tokenizer,
    item: &Item,
    prompt: &[i64],
    choice: Choice,
) -> Value {
    let completions = complete(decoder, tokenizer.special(), &[prompt], choice);
    let tokens = completions.first().map_or(&[][..], |completion| &completion.tokens);
    let claims = tokenizer.finished_text(tokens).and_then(|text| read_summary(&text).ok());
    let checked = claims.map(|claims| item.check(&claims));
    json!({
        "text": tokenizer.text(tokens),
        "true": checked.map(|checked| checked.told),
        "invented": checked.map(|checked| checked.invented),
    })
}
