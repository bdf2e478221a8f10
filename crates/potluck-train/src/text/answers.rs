//! Which tokens of a conversation the assistant said: those alone are learned from.
//!
//! Where the template has `{% generation %}`, it says so itself, and a token counts if any of its
//! letters does (as in `transformers`). Elsewhere the text is rendered up to each answer, once with
//! the opening of the answer and once with the answer, and both must be beginnings of the whole: the
//! rest between them is the answer. Templates that print an answer differently when something
//! follows it (Qwen 3 drops earlier reasoning) fail that check and are refused, since what would be
//! learned is not what will be read; [`Answers::Last`] asks only for the last answer and works there.

use super::conversation::{Conversation, Tools};
use super::template::{ChatTemplate, Opening, Rendered, TemplateError};
use super::tokenizer::{TextError, TextTokenizer};

/// Which of the assistant's messages are learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// Each.
    All,
    /// The last message, which must be the assistant's.
    Last,
    /// Each from the message with this index on.
    From(usize),
}

/// The tokens of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// All of them.
    pub tokens: Vec<i64>,
    /// For each, whether the assistant said it.
    pub is_answer: Vec<bool>,
}

impl TextTokenizer {
    /// The tokens of `conversation` and which of them the assistant said.
    ///
    /// # Errors
    /// [`TextError`]; [`TemplateError::Answers`] where it cannot be told, or nothing was said.
    pub fn encode_answers(
        &self,
        conversation: &Conversation,
        tools: Option<&Tools>,
        which: Answers,
    ) -> Result<Marked, TextError> {
        let template = self.needed_template()?;
        let ends: Vec<String> = self.end_texts()?;
        let rendered = spans(template, conversation, tools, which, &ends)?;
        let (tokens, places) = self.encode_with_places(&rendered.text)?;
        let is_in = |&(from, to): &(usize, usize)| {
            rendered.spans.iter().any(|&(begin, end)| from < end && to > begin)
        };
        let is_answer: Vec<bool> = places.iter().map(is_in).collect();
        if !is_answer.contains(&true) {
            return Err(refusal("the assistant says nothing in this conversation").into());
        }
        Ok(Marked { tokens, is_answer })
    }

    fn end_texts(&self) -> Result<Vec<String>, TextError> {
        let ends = self.ends().iter();
        ends.map(|&end| self.decode(&[end], super::Shown::Kept)).collect()
    }
}

fn refusal(text: &str) -> TemplateError {
    TemplateError::Answers(text.to_owned())
}

/// The whole text, and what of it is learned from.
fn spans(
    template: &ChatTemplate,
    conversation: &Conversation,
    tools: Option<&Tools>,
    which: Answers,
    ends: &[String],
) -> Result<Rendered, TemplateError> {
    let last = conversation.len() - 1;
    if which == Answers::Last && !conversation.is_answer(last) {
        return Err(refusal("the last message is not the assistant's"));
    }
    let first = match which {
        Answers::All => 0,
        Answers::Last => last,
        Answers::From(index) => index,
    };
    let mut whole = template.render(conversation, tools, Opening::None)?;
    if template.marks_answers(tools) {
        // One mark an answer: those of the answers before are left out.
        let before = (0..first).filter(|&index| conversation.is_answer(index)).count();
        whole.spans.drain(..before.min(whole.spans.len()));
        return Ok(whole);
    }
    for index in (first..=last).filter(|&index| conversation.is_answer(index)) {
        whole.spans.push(answer_span(template, conversation, index, tools, &whole.text, ends)?);
    }
    Ok(whole)
}

/// Where in `whole` the answer `index` stands, by rendering up to it.
fn answer_span(
    template: &ChatTemplate,
    conversation: &Conversation,
    index: usize,
    tools: Option<&Tools>,
    whole: &str,
    ends: &[String],
) -> Result<(usize, usize), TemplateError> {
    let number = index + 1;
    if index == 0 {
        return Err(refusal("the assistant speaks first, so its answer has no beginning to find"));
    }
    let begin = template.render_first(conversation, index, tools, Opening::Answer)?.text;
    let end = match index + 1 == conversation.len() {
        true => whole.to_owned(),
        false => template.render_first(conversation, index + 1, tools, Opening::None)?.text,
    };
    if !whole.starts_with(&end) {
        return Err(TemplateError::Answers(format!(
            "the chat template prints message {number} otherwise when another follows, so its tokens cannot be told: learn from the last answer alone, or mark answers with {{% generation %}}"
        )));
    }
    if !end.starts_with(&begin) {
        return Err(TemplateError::Answers(format!(
            "the chat template opens message {number} otherwise than it prints it, so its tokens cannot be told: mark answers with {{% generation %}}"
        )));
    }
    // After the token that ends its turn the model is silent: a line break there is the template's.
    let said = end.trim_end();
    let is_ended = ends.iter().any(|it| !it.is_empty() && said.ends_with(it.as_str()));
    let until = if is_ended && said.len() > begin.len() { said.len() } else { end.len() };
    Ok((begin.len(), until))
}
