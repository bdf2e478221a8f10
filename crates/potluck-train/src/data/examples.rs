//! Examples, for supervised fine-tuning and pretraining: tokens, and which of them are learned.

use std::path::Path;

use crate::bad_input::BadInput;
use crate::text::{Answers, Around, Marked, TextError, TextTokenizer};

use super::items::{self, DataSettings, Fit, Items, Learned};
use super::kind::{Form, Kind, Uniform};
use super::records::Record;

/// A sequence of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// With special tokens, and the token that ends a text.
    pub tokens: Vec<i64>,
    /// For each, whether predicting it is learned: all of a plain text, else the answers alone.
    pub is_learned: Vec<bool>,
}

/// A set of examples.
pub type Examples = Items<Example>;

impl Examples {
    /// Reads the examples of `path`: prompts with completions, conversations, or texts.
    ///
    /// # Errors
    /// [`BadInput`], which names file and line.
    pub fn read(
        path: &Path,
        tokenizer: &TextTokenizer,
        settings: &DataSettings,
        seed: u64,
    ) -> Result<Self, BadInput> {
        Items::gather(path, settings, seed, |record, uniform| {
            let (prompt, example) = example(record, uniform, tokenizer, settings)?;
            Ok((prompt, fitted(example, settings)?))
        })
    }
}

/// An example, and the prompt by which it is held out or not.
fn example(
    record: &Record,
    uniform: &mut Uniform,
    tokenizer: &TextTokenizer,
    settings: &DataSettings,
) -> Result<(String, Example), String> {
    let failed = |error: TextError| error.to_string();
    match uniform.check(record)? {
        (Kind::Texts, _) => {
            let text = record.text("text")?;
            let mut tokens = tokenizer.encode_beginning(&text).map_err(failed)?;
            end(&mut tokens, tokenizer);
            let is_learned = vec![true; tokens.len()];
            Ok((text, Example { tokens, is_learned }))
        }
        (Kind::Completions, Form::Plain) => {
            let prompt = record.text("prompt")?;
            let completion = record.text("completion")?;
            let example = completed(tokenizer, &prompt, &completion).map_err(failed)?;
            Ok((prompt, example))
        }
        (Kind::Completions, Form::Chat) => {
            let prompt = items::conversation(record, "prompt")?;
            let whole = prompt.followed_by(&items::conversation(record, "completion")?);
            let tools = items::tools(record)?;
            let which = Answers::From(prompt.len());
            let marked = tokenizer.encode_answers(&whole, tools.as_ref(), which).map_err(failed)?;
            Ok((record.json("prompt").unwrap_or_default().to_owned(), marked.into()))
        }
        (Kind::Conversations, _) => {
            let chat = items::conversation(record, "messages")?;
            let tools = items::tools(record)?;
            let which = match settings.learned {
                Learned::All => Answers::All,
                Learned::Last => Answers::Last,
            };
            let marked = tokenizer.encode_answers(&chat, tools.as_ref(), which).map_err(failed)?;
            // Held out by what the user says first, as longer copies of a conversation begin alike.
            Ok((
                (0..chat.len())
                    .find(|&it| !chat.is_answer(it))
                    .map_or(String::new(), |it| chat.text(it)),
                marked.into(),
            ))
        }
        (Kind::Prompts, _) => Err("it has a prompt but no completion to learn from".into()),
        (Kind::Pairs, _) => Err("it has preference pairs, which are for a reward model".into()),
    }
}

impl From<Marked> for Example {
    fn from(marked: Marked) -> Self {
        Self { tokens: marked.tokens, is_learned: marked.is_answer }
    }
}

/// The prompt's tokens as a policy would be given them, then the completion's and the end.
///
/// Both are encoded together if that leaves the prompt as it is: alone, some tokenizers would put a
/// space before the completion that is not there.
fn completed(
    tokenizer: &TextTokenizer,
    prompt: &str,
    completion: &str,
) -> Result<Example, TextError> {
    let begun = tokenizer.encode_beginning(prompt)?;
    let together = tokenizer.encode_beginning(&format!("{prompt}{completion}"))?;
    let mut tokens = match together.starts_with(&begun) {
        true => together,
        false => [begun.clone(), tokenizer.encode(completion, Around::Nothing)?].concat(),
    };
    end(&mut tokens, tokenizer);
    let is_learned = (0..tokens.len()).map(|place| place >= begun.len()).collect();
    Ok(Example { tokens, is_learned })
}

/// Adds the token that ends a text: the tokenizer's own, which a tuned model says.
fn end(tokens: &mut Vec<i64>, tokenizer: &TextTokenizer) {
    let own = tokenizer.special("eos_token").or_else(|| tokenizer.ends().first().copied());
    let is_ended = tokens.last().is_some_and(|last| tokenizer.ends().contains(last));
    tokens.extend(own.filter(|_| !is_ended));
}

/// `None` if it is left out: too long, or cut to where nothing is learned.
fn fitted(mut example: Example, settings: &DataSettings) -> Result<Option<Example>, String> {
    match settings.fit(example.tokens.len(), "it")? {
        Fit::Whole => Ok(Some(example)),
        Fit::LeftOut => Ok(None),
        Fit::Cut => {
            example.tokens.truncate(settings.longest);
            example.is_learned.truncate(settings.longest);
            Ok(example.is_learned.contains(&true).then_some(example))
        }
    }
}
