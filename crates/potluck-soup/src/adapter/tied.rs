//! Whether a base uses one tensor both as embedding and as output layer.
//!
//! As an adapter, a change to one of the two reaches that one alone. Merged into a tensor that they share, it would
//! reach both, and merged into one of two that `transformers` ties when it loads them, it would reach neither or
//! both. So such a merge is refused; the adapter of `linear` does what is meant.

use super::AdapterError;
use super::config::MAX_ADAPTER_CONFIG;
use super::names::Kind;
use super::text_file::read_up_to;
use crate::checkpoint::{Checkpoint, Kind as Found};
use crate::json::{Fault, Json};
use crate::layout::TensorLayout;

/// What embeddings and output layers are called in the models of `transformers`.
const EMBEDDINGS: [&str; 7] = [
    "embed_tokens",
    "wte",
    "word_embeddings",
    "embed_in",
    "tok_embeddings",
    "shared",
    "embeddings",
];
const OUTPUTS: [&str; 2] = ["lm_head", "embed_out"];

/// Whether a tensor of this name is an embedding in the models of `transformers`.
pub(crate) fn is_embedding(tensor: &str) -> bool {
    EMBEDDINGS.contains(&module(tensor))
}

/// Whether a tensor of this name is an output layer there.
pub(crate) fn is_output(tensor: &str) -> bool {
    OUTPUTS.contains(&module(tensor))
}

/// What its weight's layer is called, without where that stands.
fn module(tensor: &str) -> &str {
    tensor.rsplit('.').nth(1).unwrap_or_default()
}

/// Whether the base says that it ties its embedding to its output layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tying {
    Tied,
    Untied,
    /// There is no `config.json`, or it leaves the question to the architecture.
    Unsaid,
}

impl Tying {
    /// What the `config.json` beside the base's weights says.
    pub(crate) fn of(base: &Checkpoint) -> Result<Self, AdapterError> {
        if base.kind() == Found::File {
            return Ok(Self::Unsaid);
        }
        let path = base.path().join("config.json");
        if !path.exists() {
            return Ok(Self::Unsaid);
        }
        let failed = |what: String| AdapterError::BaseConfig { path: path.clone(), what };
        let text =
            read_up_to(&path, MAX_ADAPTER_CONFIG).map_err(|error| failed(error.to_string()))?;
        if text.len() > MAX_ADAPTER_CONFIG {
            return Err(failed(format!("it has more than {MAX_ADAPTER_CONFIG} bytes")));
        }
        parse(&text).map_err(|fault| failed(fault.to_string()))
    }

    /// Whether a change to this tensor of the base may reach more than it reaches as an adapter.
    pub(super) fn forbids(self, base: &Checkpoint, tensor: &TensorLayout, kind: Kind) -> bool {
        let is_embedding = kind == Kind::Embedding || is_embedding(&tensor.name);
        match self {
            Self::Untied => false,
            Self::Tied => is_embedding || is_output(&tensor.name),
            // An output layer of its own would have the embedding's shape.
            Self::Unsaid => {
                let is_other =
                    |it: &TensorLayout| it.name != tensor.name && it.shape == tensor.shape;
                is_embedding && !base.tensors().any(is_other)
            }
        }
    }
}

fn parse(text: &[u8]) -> Result<Tying, Fault> {
    let mut json = Json::new(text)?;
    let mut tying = Tying::Unsaid;
    json.members(|json, key| -> Result<(), Fault> {
        if key == "tie_word_embeddings" {
            json.next();
            tying = match json.rest() {
                rest if rest.starts_with("true") => Tying::Tied,
                rest if rest.starts_with("false") => Tying::Untied,
                _ => return Err(json.fault("tie_word_embeddings is neither true nor false")),
            };
        }
        json.skip()
    })?;
    if json.next().is_some() { Err(json.fault("something follows the object")) } else { Ok(tying) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_says_whether() {
        let says = |text: &str| parse(text.as_bytes()).ok();
        assert_eq!(says(r#"{"a":[{"tie_word_embeddings":true}],"b":1}"#), Some(Tying::Unsaid));
        assert_eq!(says(r#"{"tie_word_embeddings": true}"#), Some(Tying::Tied));
        assert_eq!(says(r#"{"x":{},"tie_word_embeddings":false}"#), Some(Tying::Untied));
        assert_eq!(says(r#"{"tie_word_embeddings":null}"#), None);
        assert_eq!(says("{} x"), None);
        assert_eq!(says("[]"), None);
    }
}
