//! What a line is, by its keys; and that all lines are the same.

use super::records::Record;

/// The kind of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `prompt`.
    Prompts,
    /// `prompt` and `completion`.
    Completions,
    /// `messages`.
    Conversations,
    /// `text`.
    Texts,
    /// `chosen` and `rejected`, with or without `prompt`.
    Pairs,
}

/// How a data set writes prompts and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As text.
    Plain,
    /// As lists of messages.
    Chat,
}

impl Kind {
    /// By the keys, most telling first: a pair may have a prompt, a prompt may have an answer.
    pub(super) fn of(record: &Record) -> Result<Self, String> {
        let both = |a: &str, b: &str| record.has(a) && record.has(b);
        if both("chosen", "rejected") {
            Ok(Self::Pairs)
        } else if record.has("chosen") || record.has("rejected") {
            Err("of chosen and rejected, one is missing".into())
        } else if both("prompt", "completion") {
            Ok(Self::Completions)
        } else if both("prompt", "messages") {
            Err("it has both prompt and messages, and only one of them can be meant".into())
        } else if record.has("messages") {
            Ok(Self::Conversations)
        } else if record.has("prompt") {
            Ok(Self::Prompts)
        } else if record.has("text") {
            Ok(Self::Texts)
        } else {
            Err("it has none of the keys prompt, messages, text, chosen".into())
        }
    }

    /// The keys that such a line is read by.
    pub(super) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Prompts => &["prompt"],
            Self::Completions => &["prompt", "completion"],
            Self::Conversations => &["messages"],
            Self::Texts => &["text"],
            Self::Pairs => &["prompt", "chosen", "rejected"],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Completions => "prompts with completions",
            Self::Conversations => "conversations",
            Self::Texts => "texts",
            Self::Pairs => "preference pairs",
        }
    }
}

impl Form {
    /// All values that a line of `kind` is read by have one form.
    fn of(record: &Record, kind: Kind) -> Result<Self, String> {
        let mut found = None;
        for key in kind.keys() {
            let Some(json) = record.json(key) else { continue };
            let form = match json.as_bytes().first() {
                Some(b'"') => Self::Plain,
                Some(b'[') => Self::Chat,
                _ => return Err(format!("{key} must be a text or a list of messages")),
            };
            if found.is_some_and(|it| it != form) {
                return Err("some of it is text and some a list of messages".into());
            }
            found = Some(form);
        }
        match (kind, found) {
            (Kind::Conversations, Some(Self::Plain)) => {
                Err("messages must be a list of messages".into())
            }
            (Kind::Texts, Some(Self::Chat)) => Err("text must be a text".into()),
            (_, found) => found.ok_or_else(|| "it is empty".into()),
        }
    }
}

/// What the lines of one file have in common, known from the first on.
#[derive(Debug, Default)]
pub(super) struct Uniform(Option<(Kind, Form, u64)>);

impl Uniform {
    /// Kind and form of `record`, which must be those of the lines before.
    pub(super) fn check(&mut self, record: &Record) -> Result<(Kind, Form), String> {
        let kind = Kind::of(record)?;
        let form = Form::of(record, kind)?;
        let (first, first_form, line) = *self.0.get_or_insert((kind, form, record.line));
        if first != kind {
            let (this, that) = (kind.name(), first.name());
            return Err(format!(
                "its keys are those of {this}, but line {line} has those of {that}: one file is of one kind"
            ));
        }
        if first_form != form {
            return Err(format!(
                "of this line and line {line}, one is text and one has messages: one file is of one form"
            ));
        }
        Ok((kind, form))
    }
}
