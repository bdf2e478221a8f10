//! Preference pairs, for reward models: a prompt, the answer that was chosen, and the other.
//!
//! They stay texts: a reward model reads them as it reads whatever it scores, by its own tokenizer.

use std::path::Path;

use serde_json::{Map, Value};

use crate::bad_input::BadInput;
use crate::text::{ChatTemplate, Conversation, Opening};

use super::items::{self, DataSettings, Items};
use super::kind::{Form, Kind, Uniform};
use super::records::Record;

/// Two answers to one prompt, each as a whole with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The prompt; empty where both have nothing in common.
    pub prompt: String,
    /// Whether that is a prompt for certain: a given one, or messages that both begin with. Letters
    /// that both begin with may end anywhere.
    pub has_prompt: bool,
    /// Prompt and chosen answer.
    pub chosen_text: String,
    /// Prompt and rejected answer.
    pub rejected_text: String,
    /// Whether a chat template printed them, special tokens included.
    pub is_printed: bool,
    /// Everything else of the line; `margin` is what reward models know.
    pub columns: Map<String, Value>,
    /// Which line of the file it is, from 1.
    pub line: u64,
}

/// A set of preference pairs.
pub type Pairs = Items<Pair>;

impl Pairs {
    /// Reads the pairs of `path`, of which a share of `held_out` is held out. Without `prompt`, what
    /// both answers begin with is the prompt, as in TRL: messages that both have, or letters up to the
    /// last space before they differ. `template` prints conversations, or says why it cannot.
    ///
    /// # Errors
    /// [`BadInput`], which names file and line.
    pub fn read(
        path: &Path,
        template: Result<&ChatTemplate, &str>,
        held_out: f64,
        seed: u64,
    ) -> Result<Self, BadInput> {
        let settings = DataSettings { held_out, ..DataSettings::default() };
        Items::gather(path, &settings, seed, |record, uniform| {
            let pair = pair(record, uniform, template)?;
            // Pairs that have nothing in common do not have that in common.
            let known_by = if pair.prompt.is_empty() { &pair.chosen_text } else { &pair.prompt };
            Ok((known_by.clone(), Some(pair)))
        })
    }
}

fn pair(
    record: &Record,
    uniform: &mut Uniform,
    template: Result<&ChatTemplate, &str>,
) -> Result<Pair, String> {
    let (kind, form) = uniform.check(record)?;
    if kind != Kind::Pairs {
        return Err("it has no chosen and rejected answers".into());
    }
    match form {
        Form::Plain => plain(record),
        Form::Chat => chat(record, template?),
    }
}

fn plain(record: &Record) -> Result<Pair, String> {
    let (chosen, rejected) = (record.text("chosen")?, record.text("rejected")?);
    let columns = record.others(Kind::Pairs.keys());
    let line = record.line;
    Ok(match record.has("prompt") {
        true => {
            let prompt = record.text("prompt")?;
            Pair {
                chosen_text: format!("{prompt}{chosen}"),
                rejected_text: format!("{prompt}{rejected}"),
                prompt,
                has_prompt: true,
                is_printed: false,
                columns,
                line,
            }
        }
        false => Pair {
            prompt: chosen[..common(&chosen, &rejected)].to_owned(),
            has_prompt: false,
            chosen_text: chosen,
            rejected_text: rejected,
            is_printed: false,
            columns,
            line,
        },
    })
}

/// How many bytes two texts have in common, without spaces at their end: a space belongs to the
/// word after it, as tokens have it.
fn common(a: &str, b: &str) -> usize {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    let length = same.map(|(letter, _)| letter.len_utf8()).sum();
    a[..length].trim_end_matches(' ').len()
}

fn chat(record: &Record, template: &ChatTemplate) -> Result<Pair, String> {
    let (chosen, rejected) =
        (items::conversation(record, "chosen")?, items::conversation(record, "rejected")?);
    let tools = items::tools(record)?;
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
    let text = |chat: &Conversation, opening| {
        let rendered = template.render(chat, tools.as_ref(), opening);
        Ok::<_, String>(rendered.map_err(|error| error.to_string())?.text)
    };
    let prompt = prompt.map(|it| text(&it, Opening::Answer)).transpose()?;
    Ok(Pair {
        has_prompt: prompt.is_some(),
        prompt: prompt.unwrap_or_default(),
        chosen_text: text(&chosen, Opening::None)?,
        rejected_text: text(&rejected, Opening::None)?,
        is_printed: true,
        columns: record.others(Kind::Pairs.keys()),
        line: record.line,
    })
}
