//! Preference pairs as a scorer reads them.

use std::path::Path;

use serde_json::Value;

use crate::bad_input::BadInput;
use crate::data;
use crate::hf::{Reading, ScoreError, Scorer};
use crate::text::{Around, TextTokenizer};

/// Two texts as a model reads them, the first of which is preferred.
#[derive(Debug, Clone)]
pub struct Pair {
    /// What was chosen.
    pub chosen: Reading,
    /// What was not.
    pub rejected: Reading,
    /// By how much the score of the one shall be above that of the other.
    pub margin: f64,
}

/// The pairs of a file, in two parts.
#[derive(Debug)]
pub struct Pairs {
    /// What is learned from.
    pub training: Vec<Pair>,
    /// What the figures come from.
    pub held_out: Vec<Pair>,
    /// Pairs that were left out: cut to what the model can read, both are the same.
    pub alike: usize,
    /// Of all that was read.
    pub digest: blake3::Hash,
}

impl Pairs {
    /// Reads the pairs of `path` as `scorer` reads them; `share` of them, drawn by `seed`, are held
    /// out. Conversations are printed by the template of the scorer's folder.
    ///
    /// # Errors
    /// [`BadInput`], which names the line.
    pub fn read(path: &Path, scorer: &Scorer, share: f64, seed: u64) -> Result<Self, BadInput> {
        // Whoever gives plain pairs needs no template, so what is wrong with it is told to others.
        let tokenizer = TextTokenizer::open(scorer.path()).map_err(|error| error.to_string());
        let template = match &tokenizer {
            Ok(tokenizer) => tokenizer.needed_template().map_err(|error| error.to_string()),
            Err(reason) => Err(reason.clone()),
        };
        let template = template.as_ref().map(|it| *it).map_err(String::as_str);
        let items = data::Pairs::read(path, template, share, seed)?;
        let mut pairs = Self {
            training: Vec::new(),
            held_out: Vec::new(),
            alike: 0,
            digest: blake3::hash(b""),
        };
        let mut hasher = blake3::Hasher::new();
        let parts =
            [(items.learned(), &mut pairs.training), (items.held_out(), &mut pairs.held_out)];
        for (items, part) in parts {
            for item in items {
                let pair = read(item, scorer).map_err(|reason| {
                    BadInput::new(format!("{} line {}: {reason}", path.display(), item.line))
                })?;
                match pair.chosen == pair.rejected {
                    true => pairs.alike += 1,
                    false => part.push(pair),
                }
                for text in [&item.prompt, &item.chosen_text, &item.rejected_text] {
                    hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
                }
                hasher.update(&margin(item).unwrap_or_default().to_le_bytes());
            }
        }
        pairs.digest = hasher.finalize();
        match pairs.training.is_empty() {
            true => Err(BadInput::file(path, &"no pair is left to learn from")),
            false => Ok(pairs),
        }
    }
}

/// A prompt and its answers are read as they are scored; where it is not certain what the prompt
/// is, each text is read as one.
fn read(pair: &data::Pair, scorer: &Scorer) -> Result<Pair, String> {
    let read = |key: &str, text: &str| {
        let answer = text.strip_prefix(&pair.prompt).filter(|_| pair.has_prompt);
        let (first, second) = match answer {
            Some(answer) => scorer.judged(&pair.prompt, answer),
            None => (text.into(), None),
        };
        let around = if pair.is_printed { Around::Nothing } else { Around::Specials };
        let named = |error: ScoreError| format!("{key}: {error}");
        scorer.read_one(0, &first, second, around).map_err(named)
    };
    Ok(Pair {
        chosen: read("chosen", &pair.chosen_text)?,
        rejected: read("rejected", &pair.rejected_text)?,
        margin: margin(pair)?,
    })
}

fn margin(pair: &data::Pair) -> Result<f64, String> {
    match pair.columns.get("margin") {
        None | Some(Value::Null) => Ok(0.0),
        Some(value) => value
            .as_f64()
            .filter(|margin| margin.is_finite())
            .ok_or_else(|| "margin: it must be a finite number".to_owned()),
    }
}
