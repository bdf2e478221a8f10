//! Prompts, for reinforcement learning and evaluation.

use std::path::Path;

use serde_json::{Map, Value};

use crate::bad_input::BadInput;
use crate::text::{Conversation, Opening, TextTokenizer};

use super::items::{self, DataSettings, Fit, Items};
use super::kind::{Form, Kind, Uniform};
use super::records::Record;

/// What a model is to continue.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// As written, or the conversation as its template prints it; whole, also where the tokens are cut.
    pub text: String,
    /// The messages, where it is a conversation.
    pub conversation: Option<Conversation>,
    /// With the special tokens that stand before it; at least one.
    pub tokens: Vec<i64>,
    /// Everything else of the line. A conversation is here too, as `messages`; the answer that it
    /// ends with, as `completion`.
    pub columns: Map<String, Value>,
}

/// A set of prompts.
pub type Prompts = Items<Prompt>;

impl Prompts {
    /// Reads the prompts of `path`: lines with `prompt` (all else are columns), or conversations,
    /// whose last message is the answer if the assistant says it.
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
            let prompt = prompt(record, uniform, tokenizer)?;
            Ok((prompt.text.clone(), fitted(prompt, tokenizer, settings)?))
        })
    }
}

fn prompt(
    record: &Record,
    uniform: &mut Uniform,
    tokenizer: &TextTokenizer,
) -> Result<Prompt, String> {
    let (kind, form) = uniform.check(record)?;
    let key = match kind {
        Kind::Prompts | Kind::Completions => "prompt",
        Kind::Conversations => "messages",
        Kind::Texts | Kind::Pairs => return Err("it has no prompt".into()),
    };
    let mut columns = record.others(&[key]);
    let failed = |error: crate::text::TextError| error.to_string();
    let (text, conversation, tokens) = match form {
        Form::Plain => {
            let text = record.text(key)?;
            let tokens = tokenizer.encode_beginning(&text).map_err(failed)?;
            (text, None, tokens)
        }
        Form::Chat => {
            let mut chat = items::conversation(record, key)?;
            if let Some((question, answer)) = chat.split_answer() {
                columns.entry("completion").or_insert(Value::from(answer));
                chat = question;
            }
            let json = record.json(key).unwrap_or("[]");
            let messages: Vec<Value> = serde_json::from_str(json).map_err(|it| it.to_string())?;
            columns.insert("messages".into(), messages.into_iter().take(chat.len()).collect());
            let tools = items::tools(record)?;
            let template = tokenizer.needed_template().map_err(failed)?;
            let rendered = template.render(&chat, tools.as_ref(), Opening::Answer);
            let text = rendered.map_err(|error| error.to_string())?.text;
            let tokens = tokenizer.encode(&text, crate::text::Around::Nothing).map_err(failed)?;
            (text, Some(chat), tokens)
        }
    };
    match tokens.is_empty() {
        true => Err("the prompt has no token".into()),
        false => Ok(Prompt { text, conversation, tokens, columns }),
    }
}

/// `None` if it is left out.
fn fitted(
    mut prompt: Prompt,
    tokenizer: &TextTokenizer,
    settings: &DataSettings,
) -> Result<Option<Prompt>, String> {
    let (length, longest) = (prompt.tokens.len(), settings.longest);
    match settings.fit(length, "its prompt")? {
        Fit::Whole => Ok(Some(prompt)),
        Fit::LeftOut => Ok(None),
        Fit::Cut => {
            let begins = tokenizer.special("bos_token") == prompt.tokens.first().copied();
            let bos = begins.then(|| prompt.tokens[0]).filter(|_| longest > 1);
            let kept = longest - usize::from(bos.is_some());
            prompt.tokens.drain(..length - kept);
            prompt.tokens.splice(0..0, bos);
            Ok(Some(prompt))
        }
    }
}
