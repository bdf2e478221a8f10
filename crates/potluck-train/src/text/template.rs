//! Chat templates: a conversation to the text that the model was tuned on.
//!
//! The engine is minijinja, set up as `transformers` sets up Jinja2 (`_compile_jinja_template`):
//! `trim_blocks`, `lstrip_blocks`, loop controls, no HTML escapes, Python's methods on values and
//! Python's way to print them. `{% generation %}`, a tag of `transformers`, marks what the assistant
//! said: the tag becomes a filter that puts two characters around its text which no valid text has,
//! and they are taken out again with their places noted.
//!
//! A template is a program from anybody. It can open no file, has a budget of steps and of depth,
//! and sees no clock: one that asks for today's date is refused until the recipe says a date, since
//! otherwise a run would read other prompts tomorrow.

mod environment;
mod generation;
mod printing;
mod strftime;

use std::path::Path;

use minijinja::{Environment, Value, context};

use crate::bad_input::BadInput;

use super::conversation::{Conversation, Tools};
use super::folder::{self, MAX_OTHER};
use super::specials::Specials;

pub use strftime::Date;

/// The name under which the one template stands in its environment.
const NAME: &str = "chat_template";

/// A conversation could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// What was given is no conversation.
    #[error("the conversation cannot be used: {0}")]
    Conversation(String),
    /// The template is no program, or refused the conversation.
    #[error("the chat template fails: {0}")]
    Template(String),
    /// Which tokens the assistant said cannot be told.
    #[error("{0}")]
    Answers(String),
}

/// Whether the text ends where the assistant is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// With the words that open the assistant's turn (`add_generation_prompt`).
    Answer,
    /// After the last message.
    None,
}

/// A rendered conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// What of it stands in `{% generation %}`, as byte ranges.
    pub spans: Vec<(usize, usize)>,
}

/// A folder's chat template.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    specials: Vec<(&'static str, String)>,
    marks_answers: bool,
}

impl ChatTemplate {
    /// Compiles `source`; `today` is what `strftime_now` gives.
    ///
    /// # Errors
    /// [`TemplateError::Template`] where it is no template; names the line.
    pub fn new(
        source: &str,
        specials: &Specials,
        today: Option<Date>,
    ) -> Result<Self, TemplateError> {
        // As Jinja2: whatever ends the lines of a template, its text has line feeds.
        let source = source.replace("\r\n", "\n").replace('\r', "\n");
        let (source, marks_answers) = generation::rewrite(&source);
        let mut environment = environment::new(today);
        environment.add_template_owned(NAME, source).map_err(|error| failure(&error))?;
        let specials = specials.iter().map(|(name, text)| (name, text.to_owned())).collect();
        Ok(Self { environment, specials, marks_answers })
    }

    /// The template of a folder, if it has one: `chat_template.jinja`, else what
    /// `tokenizer_config.json` has under `chat_template`, be it one text or a list of named ones, of
    /// which `default` is taken.
    ///
    /// # Errors
    /// [`BadInput`], which names the file.
    pub fn find(
        folder: &Path,
        specials: &Specials,
        today: Option<Date>,
    ) -> Result<Option<Self>, BadInput> {
        let path = folder.join("chat_template.jinja");
        let (path, source) = match folder::read(&path, MAX_OTHER)? {
            Some(bytes) => {
                let text = String::from_utf8(bytes).map_err(|it| BadInput::file(&path, &it))?;
                (path, Some(text))
            }
            None => {
                let path = folder.join("tokenizer_config.json");
                let config = folder::object(&path)?;
                let named = config.get("chat_template").map_or(Ok(None), default_of);
                let source = named.map_err(|reason| BadInput::file(&path, &reason))?;
                (path, source)
            }
        };
        let compile = |source: String| {
            Self::new(&source, specials, today).map_err(|error| BadInput::file(&path, &error))
        };
        source.map(compile).transpose()
    }

    /// Whether `{% generation %}` stands in it.
    pub fn marks_answers(&self) -> bool {
        self.marks_answers
    }

    /// The text of a whole conversation.
    ///
    /// # Errors
    /// [`TemplateError`]: the template's own refusals (`raise_exception`) come in its words.
    pub fn render(
        &self,
        conversation: &Conversation,
        tools: Option<&Tools>,
        opening: Opening,
    ) -> Result<Rendered, TemplateError> {
        self.render_first(conversation, conversation.len(), tools, opening)
    }

    /// The text of the first `count` messages, as if there were no others.
    pub(super) fn render_first(
        &self,
        conversation: &Conversation,
        count: usize,
        tools: Option<&Tools>,
        opening: Opening,
    ) -> Result<Rendered, TemplateError> {
        let specials = self.specials.iter().map(|(name, text)| (*name, Value::from(text.as_str())));
        let specials = Value::from_pairs(specials);
        let context = context! {
            messages => conversation.first(count),
            // As `transformers` passes them: none where there are none, rather than undefined.
            tools => tools.map_or(Value::from(()), |tools| tools.0.clone()),
            documents => Value::from(()),
            add_generation_prompt => opening == Opening::Answer,
            ..specials
        };
        let template = self.environment.get_template(NAME).map_err(|error| failure(&error))?;
        let text = template.render(context).map_err(|error| failure(&error))?;
        generation::take_marks(&text)
    }
}

/// The text under `chat_template`, or that called `default` in a list.
fn default_of(value: &serde_json::Value) -> Result<Option<String>, &'static str> {
    use serde_json::Value as Json;
    match value {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(text.clone())),
        Json::Array(list) => {
            let default = list.iter().find(|it| it["name"].as_str() == Some("default"));
            let text = default.and_then(|it| it["template"].as_str());
            text.map(|it| Some(it.to_owned()))
                .ok_or("of the templates in chat_template, none is called \"default\"")
        }
        _ => Err("chat_template must be a text or a list of named ones"),
    }
}

/// What went wrong and in which line, the reasons behind it included.
fn failure(error: &minijinja::Error) -> TemplateError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(it) = source {
        text = format!("{text}: {it}");
        source = it.source();
    }
    TemplateError::Template(text)
}

#[cfg(test)]
mod tests;
