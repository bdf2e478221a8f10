//! `potluck-train generate`: what a Hugging Face model writes after some prompts.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tch::Kind;

use crate::bad_input::BadInput;
use crate::hf::{Choosing, Ending, Folder, Sampling, SamplingError};
use crate::stream::Stream;
use crate::text::{Around, Conversation, Opening, TextError, TextTokenizer};
use crate::tune::{FolderWords, Watch, Words};

use super::{Answer, Common, Failure};

/// Show what a model in a Hugging Face folder writes after each prompt.
#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    /// The model's folder: config.json, safetensors and tokenizer.json.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// A prompt; give several for a batch.
    #[arg(long, value_name = "TEXT", required = true)]
    prompt: Vec<String>,
    /// Put each prompt into the folder's chat template, as what the user says.
    #[arg(long)]
    chat: bool,
    /// End a text before this string; give several for any of them.
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// The most tokens that are written.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    tokens: u32,
    /// Draw tokens at this temperature; the likeliest are taken if it is not given.
    #[arg(long, value_name = "T")]
    temperature: Option<f64>,
    /// Draw from the K likeliest tokens.
    #[arg(long, value_name = "K", requires = "temperature")]
    top_k: Option<usize>,
    /// Draw from the likeliest tokens that have this share of the probability together.
    #[arg(long, value_name = "P", requires = "temperature")]
    top_p: Option<f64>,
    /// Draw from tokens that are at least so many times as likely as the likeliest.
    #[arg(long, value_name = "P", requires = "temperature")]
    min_p: Option<f64>,
    /// Divide logits of tokens that stand in the text already by this.
    #[arg(long, value_name = "X", requires = "temperature")]
    repetition_penalty: Option<f64>,
    /// The seed of what is drawn; each prompt has random numbers of its own.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) fn generate(args: &GenerateArgs) -> Result<Answer, Failure> {
    let sampling = sampling(args).map_err(|error| BadInput::new(error.to_string()))?;
    let unusable = |error| BadInput::because(&args.model, error);
    let folder = Folder::open(&args.model).map_err(unusable)?;
    let tokenizer = TextTokenizer::open(&args.model)?;
    let unreadable = |error: TextError| BadInput::file(&args.model, &error);
    let prompts = args.prompt.iter().map(|prompt| encode(&tokenizer, prompt, args.chat));
    let prompts: Vec<Vec<i64>> = prompts.collect::<Result<_, _>>().map_err(unreadable)?;
    let prompts: Vec<&[i64]> = prompts.iter().map(Vec::as_slice).collect();
    let words = FolderWords::new(tokenizer, &folder, &args.stop);
    let decoder = folder.load().map_err(unusable)?;
    let choosing = match &sampling {
        None => Choosing::Greedy,
        Some(sampling) => {
            let stream = |row| Stream::of("generate", &[args.seed, row]);
            Choosing::Drawn(sampling, (0..prompts.len() as u64).map(stream).collect())
        }
    };
    let mut watches: Vec<Option<Watch>> = prompts.iter().map(|_| words.watch()).collect();
    let mut is_over = |row: usize, tokens: &[i64]| match (&mut watches[row], tokens.last()) {
        (Some(watch), Some(&last)) => watch(last),
        _ => false,
    };
    let ending =
        Ending { limit: args.tokens as usize, ends: words.ends(), is_over: Some(&mut is_over) };
    let rows = decoder
        .sampler(Kind::Float)
        .generate(&prompts, ending, choosing)
        .map_err(|error| BadInput::new(error.to_string()))?;

    let (mut lines, mut continuations) = (Vec::new(), Vec::new());
    for (prompt, row) in args.prompt.iter().zip(rows) {
        let text = words.text(&row.tokens);
        lines.push(format!("{prompt} | {text}"));
        continuations.push(json!({
            "prompt": prompt, "text": text, "tokens": row.tokens, "log_probs": row.log_probs,
            "finished": row.has_ended,
        }));
    }
    Ok(Answer { json: json!({"verb": "generate", "continuations": continuations}), lines })
}

/// With the special tokens that the tokenizer puts around a text, as `transformers` does; or as the
/// template prints what a user says.
fn encode(tokenizer: &TextTokenizer, prompt: &str, chat: bool) -> Result<Vec<i64>, TextError> {
    if chat {
        return tokenizer.encode_chat(&Conversation::of_user(prompt), None, Opening::Answer);
    }
    tokenizer.encode(prompt, Around::Specials)
}

fn sampling(args: &GenerateArgs) -> Result<Option<Sampling>, SamplingError> {
    let Some(temperature) = args.temperature else { return Ok(None) };
    let mut sampling = Sampling::default().with_temperature(temperature)?;
    if let Some(top_k) = args.top_k {
        sampling = sampling.with_top_k(top_k)?;
    }
    if let Some(top_p) = args.top_p {
        sampling = sampling.with_top_p(top_p)?;
    }
    if let Some(min_p) = args.min_p {
        sampling = sampling.with_min_p(min_p)?;
    }
    if let Some(penalty) = args.repetition_penalty {
        sampling = sampling.with_repetition_penalty(penalty)?;
    }
    Ok(Some(sampling))
}
