//! A conversation as data sets write it: a JSON list of messages, in the order of its keys.
//!
//! Messages pass to the template as they are, tool calls and content blocks included, so keys keep
//! the order of the file (a template may print them). What `transformers` does to messages before
//! its template sees them is done here: keys with null are dropped, and a message's reasoning stands
//! under each of the names that templates know for it.

use minijinja::Value;
use minijinja::value::ValueKind;

use super::template::TemplateError;

/// The names under which a message's reasoning is given; templates read the first two.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// Who speaks for the model.
const ASSISTANT: &str = "assistant";

/// At least one message, each an object with a role.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation(Vec<Value>);

/// The tools that a conversation may call: a JSON list of schemas.
#[derive(Debug, Clone)]
pub struct Tools(pub(super) Value);

impl Conversation {
    /// From the JSON of a list of messages.
    ///
    /// # Errors
    /// [`TemplateError::Conversation`], which names the message by its number from 1.
    pub fn parse(json: &str) -> Result<Self, TemplateError> {
        let refused = |reason: String| TemplateError::Conversation(reason);
        let list: Vec<Value> = serde_json::from_str(json)
            .map_err(|error| refused(format!("it is no list of messages: {error}")))?;
        if list.is_empty() {
            return Err(refused("it has no message".into()));
        }
        let messages = (1..).zip(&list).map(|(number, message)| {
            normal(message).map_err(|reason| refused(format!("message {number} {reason}")))
        });
        Ok(Self(messages.collect::<Result<_, _>>()?))
    }

    /// One message of the user.
    pub fn of_user(text: &str) -> Self {
        Self(vec![message("user", text)])
    }

    /// The same, with an answer of the assistant after it.
    #[must_use]
    pub fn with_answer(&self, text: &str) -> Self {
        let mut messages = self.0.clone();
        messages.push(message(ASSISTANT, text));
        Self(messages)
    }

    /// The same, with the messages of `next` after it.
    #[must_use]
    pub fn followed_by(&self, next: &Self) -> Self {
        Self(self.0.iter().chain(&next.0).cloned().collect())
    }

    /// The number of messages.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the assistant says the message at `index`.
    pub fn is_answer(&self, index: usize) -> bool {
        let role = self.0.get(index).and_then(|it| it.get_attr("role").ok());
        role.is_some_and(|role| role.as_str() == Some(ASSISTANT))
    }

    /// The first messages, which may be none.
    pub(super) fn first(&self, count: usize) -> Value {
        Value::from(self.0[..count].to_vec())
    }

    /// The messages without the last if that is the assistant's, and that one's text, which is how a
    /// conversation becomes prompt and answer; the text of content blocks is joined.
    pub fn split_answer(&self) -> Option<(Self, String)> {
        let last = self.0.len() - 1;
        if last == 0 || !self.is_answer(last) {
            return None;
        }
        Some((Self(self.0[..last].to_vec()), self.text(last)))
    }

    /// The text of the message at `index`; that of its text blocks where it has blocks.
    pub fn text(&self, index: usize) -> String {
        let Ok(content) = self.0[index].get_attr("content") else { return String::new() };
        if let Some(text) = content.as_str() {
            return text.to_owned();
        }
        let blocks = content.try_iter().into_iter().flatten();
        blocks.filter_map(|block| Some(block.get_attr("text").ok()?.as_str()?.to_owned())).collect()
    }

    /// How many messages two have in common at their beginning.
    pub fn common(&self, other: &Self) -> usize {
        self.0.iter().zip(&other.0).take_while(|(a, b)| a == b).count()
    }

    /// The messages up to `at`, and those from there; `None` where one of both would have none.
    pub fn split_at(&self, at: usize) -> Option<(Self, Self)> {
        let inside = at > 0 && at < self.0.len();
        inside.then(|| (Self(self.0[..at].to_vec()), Self(self.0[at..].to_vec())))
    }
}

impl Tools {
    /// From the JSON of a list of tool schemas.
    ///
    /// # Errors
    /// [`TemplateError::Conversation`] where it is no list of objects.
    pub fn parse(json: &str) -> Result<Self, TemplateError> {
        let refused = |reason: String| TemplateError::Conversation(format!("tools: {reason}"));
        let list: Vec<Value> =
            serde_json::from_str(json).map_err(|error| refused(error.to_string()))?;
        match list.iter().all(|tool| tool.kind() == ValueKind::Map) {
            true => Ok(Self(Value::from(list))),
            false => Err(refused("each must be a JSON object".into())),
        }
    }
}

fn message(role: &str, text: &str) -> Value {
    Value::from_pairs([("role", role), ("content", text)])
}

/// A message as templates get it.
fn normal(message: &Value) -> Result<Value, String> {
    if message.kind() != ValueKind::Map {
        return Err("is no JSON object".into());
    }
    let role = message.get_attr("role").ok().filter(|role| role.kind() == ValueKind::String);
    if role.is_none() {
        return Err("has no \"role\"".into());
    }
    let keys = message.try_iter().map_err(|error| error.to_string())?;
    let mut pairs: Vec<(Value, Value)> = Vec::new();
    for key in keys {
        let value = message.get_item(&key).map_err(|error| error.to_string())?;
        if !value.is_none() {
            pairs.push((key, value));
        }
    }
    let find = |pairs: &[(Value, Value)], name: &str| {
        pairs.iter().position(|(key, _)| key.as_str() == Some(name))
    };
    let reasoning = REASONING.iter().find_map(|name| find(&pairs, name));
    if let Some(reasoning) = reasoning.map(|at| pairs[at].1.clone()) {
        if find(&pairs, "thinking").is_none() {
            pairs.insert(0, (Value::from("thinking"), reasoning.clone()));
        }
        match find(&pairs, "reasoning_content") {
            Some(at) => pairs[at].1 = reasoning,
            None => pairs.push((Value::from("reasoning_content"), reasoning)),
        }
    }
    Ok(Value::from_pairs(pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_conversation_is_refused_by_number() {
        let refusal = |json| Conversation::parse(json).unwrap_err().to_string();
        assert!(refusal("{}").contains("no list of messages"), "{}", refusal("{}"));
        assert!(refusal("[]").contains("no message"));
        assert!(
            refusal(r#"[{"role":"user","content":"a"},{"content":"b"}]"#).contains("message 2")
        );
        assert!(refusal("[3]").contains("message 1 is no JSON object"));
    }

    #[test]
    fn an_answer_is_split_off() {
        let chat = Conversation::of_user("Why?");
        assert!(chat.split_answer().is_none());
        let (prompt, answer) = chat.with_answer("So.").split_answer().unwrap();
        assert_eq!((prompt.len(), answer.as_str()), (1, "So."));
        let json = r#"[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]"#;
        assert_eq!(Conversation::parse(json).unwrap().text(0), "ab");
    }
}
