//! Preference pairs, for reward models: a prompt, the answer that was chosen, and the other.

use std::path::Path;

use serde_json::{Map, Value};

use crate::bad_input::BadInput;
use crate::text::{Around, Conversation, Opening, TextError, TextTokenizer, Tools};

use super::examples::completed;
use super::items::{self, DataSettings, Items, TooLong};
use super::kind::{Form, Kind, Uniform};
use super::records::{Record, Records, refusal};

/// Two answers to one prompt, each as a whole with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The prompt as text; empty where both have nothing in common.
    pub prompt: String,
    /// Prompt and chosen answer, as text.
    pub chosen_text: String,
    /// Prompt and rejected answer, as text.
    pub rejected_text: String,
    /// Prompt and chosen answer, to the end of the text.
    pub chosen: Vec<i64>,
    /// Prompt and rejected answer, to the end of the text.
    pub rejected: Vec<i64>,
    /// Everything else of the line; `margin` is what reward models know.
    pub columns: Map<String, Value>,
}

/// A set of preference pairs.
pub type Pairs = Items<Pair>;

impl Pairs {
    /// Reads the pairs of `path`. Without `prompt`, what both answers begin with is the prompt, as
    /// in TRL: messages that both have, or letters up to the last space before they differ.
    ///
    /// # Errors
    /// [`BadInput`], which names file and line.
    pub fn read(
        path: &Path,
        tokenizer: &TextTokenizer,
        settings: &DataSettings,
        seed: u64,
    ) -> Result<Self, BadInput> {
        settings.check()?;
        let (mut uniform, mut pairs, mut skipped) = (Uniform::default(), Vec::new(), 0);
        for record in Records::open(path)? {
            let record = record?;
            let made =
                pair(&record, &mut uniform, tokenizer).and_then(|pair| fitted(pair, settings));
            match made.map_err(|reason| refusal(path, record.line, &reason))? {
                Some(pair) => pairs.push((pair.prompt.clone(), pair)),
                None => skipped += 1,
            }
        }
        Items::split(path, pairs, skipped, settings.held_out, seed)
    }
}

fn pair(record: &Record, uniform: &mut Uniform, tokenizer: &TextTokenizer) -> Result<Pair, String> {
    let (kind, form) = uniform.check(record)?;
    if kind != Kind::Pairs {
        return Err("it has no chosen and rejected answers".into());
    }
    let columns = record.others(kind.keys());
    let pair = match form {
        Form::Plain => plain(record, tokenizer)?,
        Form::Chat => chat(record, tokenizer)?,
    };
    match pair.chosen_text == pair.rejected_text {
        true => Err("chosen and rejected are the same".into()),
        false => Ok(Pair { columns, ..pair }),
    }
}

fn plain(record: &Record, tokenizer: &TextTokenizer) -> Result<Pair, String> {
    let (mut chosen, mut rejected) = (record.text("chosen")?, record.text("rejected")?);
    let prompt = match record.has("prompt") {
        true => record.text("prompt")?,
        false => {
            let length = common(&chosen, &rejected);
            rejected.drain(..length);
            chosen.drain(..length).collect()
        }
    };
    let tokens = |answer: &str| {
        let example = completed(tokenizer, &prompt, answer).map_err(|error| error.to_string())?;
        Ok::<_, String>(example.tokens)
    };
    let (chosen_tokens, rejected_tokens) = (tokens(&chosen)?, tokens(&rejected)?);
    Ok(Pair {
        chosen_text: format!("{prompt}{chosen}"),
        rejected_text: format!("{prompt}{rejected}"),
        prompt,
        chosen: chosen_tokens,
        rejected: rejected_tokens,
        columns: Map::new(),
    })
}

/// How many bytes two texts have in common, without spaces at their end: a space belongs to the
/// word after it, as tokens have it.
fn common(a: &str, b: &str) -> usize {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    let length = same.map(|(letter, _)| letter.len_utf8()).sum();
    a[..length].trim_end_matches(' ').len()
}

fn chat(record: &Record, tokenizer: &TextTokenizer) -> Result<Pair, String> {
    let (chosen, rejected) =
        (items::conversation(record, "chosen")?, items::conversation(record, "rejected")?);
    let tools = items::tools(record)?;
    let failed = |error: TextError| error.to_string();
    let (prompt, chosen, rejected) = match record.has("prompt") {
        true => {
            let prompt = items::conversation(record, "prompt")?;
            let whole = (prompt.followed_by(&chosen), prompt.followed_by(&rejected));
            (Some(prompt), whole.0, whole.1)
        }
        false => {
            let prompt = chosen.split_at(chosen.common(&rejected)).map(|(prompt, _)| prompt);
            (prompt, chosen, rejected)
        }
    };
    let text = |chat: &Conversation, opening, tools: Option<&Tools>| {
        let template = tokenizer.needed_template().map_err(failed)?;
        let rendered = template.render(chat, tools, opening).map_err(|error| error.to_string())?;
        Ok::<_, String>(rendered.text)
    };
    let prompt = prompt.map(|it| text(&it, Opening::Answer, tools.as_ref())).transpose()?;
    let (chosen_text, rejected_text) = (
        text(&chosen, Opening::None, tools.as_ref())?,
        text(&rejected, Opening::None, tools.as_ref())?,
    );
    let tokens = |text: &str| tokenizer.encode(text, Around::Nothing).map_err(failed);
    Ok(Pair {
        prompt: prompt.unwrap_or_default(),
        chosen: tokens(&chosen_text)?,
        rejected: tokens(&rejected_text)?,
        chosen_text,
        rejected_text,
        columns: Map::new(),
    })
}

/// `None` if it is left out; a cut answer is no longer what was judged, so a pair is never cut.
fn fitted(pair: Pair, settings: &DataSettings) -> Result<Option<Pair>, String> {
    let (length, longest) = (pair.chosen.len().max(pair.rejected.len()), settings.longest);
    if length <= longest {
        return Ok(Some(pair));
    }
    match settings.too_long {
        TooLong::Skip => Ok(None),
        TooLong::Refuse | TooLong::Cut => Err(format!(
            "one of its answers has {length} tokens with the prompt, and {longest} are allowed: raise longest, or set too_long to \"skip\" (pairs are not cut)"
        )),
    }
}
