//! `potluck-train generate`: what a Hugging Face model writes after some prompts.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use tch::Kind;
use tokenizers::Tokenizer;

use crate::bad_input::BadInput;
use crate::hf::{Choosing, Ending, Folder, Sampling, SamplingError};
use crate::stream::Stream;
use crate::tokenizer::TokenizerError;

use super::{Answer, Common, Failure};

/// The longest tokenizer.json that is read, in bytes; those of 256 000 tokens have some 35 million.
const MAX_TOKENIZER: u64 = 128 << 20;

/// Show what a model in a Hugging Face folder writes after each prompt.
#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    /// The model's folder: config.json, safetensors and tokenizer.json.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// A prompt; give several for a batch.
    #[arg(long, value_name = "TEXT", required = true)]
    prompt: Vec<String>,
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
    let tokenizer = read_tokenizer(&args.model.join("tokenizer.json"))?;
    let prompts = args.prompt.iter().map(|prompt| encode(&tokenizer, prompt));
    let prompts: Vec<Vec<i64>> = prompts.collect::<Result<_, _>>()?;
    let prompts: Vec<&[i64]> = prompts.iter().map(Vec::as_slice).collect();
    let decoder = folder.load().map_err(unusable)?;
    let choosing = match &sampling {
        None => Choosing::Greedy,
        Some(sampling) => {
            let stream = |row| Stream::of("generate", &[args.seed, row]);
            Choosing::Drawn(sampling, (0..prompts.len() as u64).map(stream).collect())
        }
    };
    let ending = Ending { limit: args.tokens as usize, ends: folder.ends(), is_over: None };
    let rows = decoder
        .snapshot(Kind::Float)
        .generate(&prompts, ending, choosing)
        .map_err(|error| BadInput::new(error.to_string()))?;

    let (mut lines, mut continuations) = (Vec::new(), Vec::new());
    for (prompt, row) in args.prompt.iter().zip(rows) {
        let row = row.tokens;
        let ids: Vec<u32> = row.iter().filter_map(|&token| u32::try_from(token).ok()).collect();
        let text = tokenizer.decode(&ids, true).map_err(TokenizerError::from)?;
        lines.push(format!("{prompt} | {text}"));
        continuations.push(json!({"prompt": prompt, "text": text, "tokens": row}));
    }
    Ok(Answer { json: json!({"verb": "generate", "continuations": continuations}), lines })
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

fn read_tokenizer(path: &Path) -> Result<Tokenizer, BadInput> {
    let file = File::open(path).map_err(|error| BadInput::file(path, &error))?;
    let mut bytes = Vec::new();
    file.take(MAX_TOKENIZER + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| BadInput::file(path, &error))?;
    if bytes.len() as u64 > MAX_TOKENIZER {
        return Err(BadInput::file(path, &format!("it has more than {MAX_TOKENIZER} bytes")));
    }
    Tokenizer::from_bytes(bytes).map_err(|error| BadInput::file(path, &error))
}

/// With the special tokens that the tokenizer puts around a text, as `transformers` does.
fn encode(tokenizer: &Tokenizer, prompt: &str) -> Result<Vec<i64>, TokenizerError> {
    let encoding = tokenizer.encode_fast(prompt, true)?;
    Ok(encoding.get_ids().iter().map(|&id| i64::from(id)).collect())
}
