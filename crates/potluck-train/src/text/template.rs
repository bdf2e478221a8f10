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
mod layout;
mod generation;
mod printing;
mod strftime;

use std::path::Path;

use minijinja::{Environment, Value, context};

use crate::bad_input::BadInput;

use super::conversation::{Conversation, Tools};
use super::specials::Specials;

use self::layout::Layout;

pub(crate) use layout::FOLDER as TEMPLATES;
pub use strftime::Date;

/// The name under which the template stands in its environment.
const NAME: &str = "chat_template";
/// That of the one for conversations with tools, where there is another for them.
const WITH_TOOLS: &str = "tool_use";

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
    /// The same of the template for tools, where there is another for them.
    marks_with_tools: Option<bool>,
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
        let mut environment = environment::new(today);
        let marks_answers = add(&mut environment, NAME, source)?;
        let specials = specials.iter().map(|(name, text)| (name, text.to_owned())).collect();
        Ok(Self { environment, specials, marks_answers, marks_with_tools: None })
    }

    /// Conversations with tools are rendered by another template.
    fn with_tools(mut self, source: &str) -> Result<Self, TemplateError> {
        self.marks_with_tools = Some(add(&mut self.environment, WITH_TOOLS, source)?);
        Ok(self)
    }

    /// The template of a folder: the one called `name`; or, where none is named, `default`, and for conversations with tools
    /// `tool_use` where there is one, as in `transformers`. `layout` says where they are looked for.
    ///
    /// # Errors
    /// [`BadInput`], which names the file; also where no template has that name.
    pub fn find(
        folder: &Path,
        name: Option<&str>,
        specials: &Specials,
        today: Option<Date>,
    ) -> Result<Option<Self>, BadInput> {
        let layout = Layout::read(folder)?;
        let undecided = layout.undecided(folder);
        let first = match (layout.get(name.unwrap_or("default")), name) {
            (Some(first), _) => first,
            (None, Some(name)) => return Err(layout.lacks(folder, name)),
            (None, None) if layout.is_empty() => return Ok(None),
            (None, None) => &undecided,
        };
        let bad = |path: &Path| {
            let path = path.to_owned();
            move |error: TemplateError| BadInput::file(&path, &error)
        };
        let template = Self::new(&first.source, specials, today).map_err(bad(&first.path))?;
        let template = match layout.get(WITH_TOOLS).filter(|_| name.is_none()) {
            Some(tools) => template.with_tools(&tools.source).map_err(bad(&tools.path))?,
            None => template,
        };
        Ok(Some(template))
    }

    /// Whether `{% generation %}` stands in the template by which a conversation with these tools is rendered.
    pub fn marks_answers(&self, tools: Option<&Tools>) -> bool {
        self.marks_with_tools.filter(|_| tools.is_some()).unwrap_or(self.marks_answers)
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
        let name = match (self.marks_with_tools, tools) {
            (Some(_), Some(_)) => WITH_TOOLS,
            _ => NAME,
        };
        let template = self.environment.get_template(name).map_err(|error| failure(&error))?;
        let text = template.render(context).map_err(|error| failure(&error))?;
        generation::take_marks(&text)
    }
}

/// Compiles a template; returns whether `{% generation %}` stands in it.
fn add(
    environment: &mut Environment<'static>,
    name: &'static str,
    source: &str,
) -> Result<bool, TemplateError> {
    // As Jinja2: whatever ends the lines of a template, its text has line feeds.
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let (source, marks_answers) = generation::rewrite(&source);
    environment.add_template_owned(name, source).map_err(|error| failure(&error))?;
    Ok(marks_answers)
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
