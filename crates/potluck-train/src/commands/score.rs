//! `potluck-train score`: what a scorer in a Hugging Face folder says of some texts.

use std::borrow::Cow;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::bad_input::BadInput;
use crate::hf::Scorer;

use super::{Answer, Common, Failure};

/// Show the scores that a reward model or another classifier gives texts.
#[derive(Debug, Args)]
pub(super) struct ScoreArgs {
    /// The model's folder: config.json, safetensors and tokenizer.json.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// A text, or a prompt; give several for a batch.
    #[arg(long, value_name = "TEXT", required = true)]
    text: Vec<String>,
    /// What followed the prompt, one for each `--text`: a pair for an encoder, one text for a decoder.
    #[arg(long, value_name = "TEXT")]
    completion: Vec<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

pub(super) fn score(args: &ScoreArgs) -> Result<Answer, Failure> {
    if !args.completion.is_empty() && args.completion.len() != args.text.len() {
        return Err(BadInput::new(format!(
            "there are {} completions for {} texts; give one for each, or none",
            args.completion.len(),
            args.text.len()
        ))
        .into());
    }
    let unusable = |error| BadInput::because(&args.model, error);
    let scorer = Scorer::open(&args.model).map_err(unusable)?;
    let texts = args.text.iter().enumerate();
    let texts: Vec<(Cow<str>, Option<&str>)> = texts
        .map(|(row, text)| match args.completion.get(row) {
            Some(completion) => scorer.judged(text, completion),
            None => (Cow::Borrowed(text.as_str()), None),
        })
        .collect();
    let texts: Vec<_> = texts.iter().map(|(first, second)| (first.as_ref(), *second)).collect();
    let unscored = |error: crate::hf::ScoreError| BadInput::new(error.to_string());
    let scores = scorer.score_labels(&texts).map_err(unscored)?;
    let (mut lines, mut rows) = (Vec::new(), Vec::new());
    for (row, scores) in scores.iter().enumerate() {
        let named = scorer.labels().iter().zip(scores);
        let shown: Vec<String> = match &scores[..] {
            [score] => vec![format!("{score:.4}")],
            _ => named.clone().map(|(label, score)| format!("{label} {score:.4}")).collect(),
        };
        lines.push(format!("{} | {}", shown.join(", "), args.text[row]));
        let scores: Map<_, _> = named.map(|(label, score)| (label.clone(), json!(score))).collect();
        rows.push(json!({"text": args.text[row], "completion": args.completion.get(row), "scores": Value::Object(scores)}));
    }
    Ok(Answer { json: json!({"verb": "score", "texts": rows}), lines })
}
