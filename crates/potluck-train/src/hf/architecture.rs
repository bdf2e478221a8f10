//! What a `config.json` says, once it is checked: everything from which shapes and arithmetic follow.

use super::families;
use super::rope::Rope;
use super::settings::{self, ConfigError, Settings};

/// A decoder whose every setting is known and within bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// Which names its tensors have, and in what order its parts stand.
    pub family: Family,
    /// Tokens.
    pub vocabulary: i64,
    /// Width of the residual stream.
    pub hidden: i64,
    /// Layers.
    pub layers: i64,
    /// Width of the feed-forward part.
    pub feed_forward: i64,
    /// The longest text in tokens; a limit only where positions are learned.
    pub positions: i64,
    /// Attention.
    pub attention: Attention,
    /// The norms before and after the parts.
    pub norm: Norm,
    /// The non-linearity of the feed-forward part.
    pub activation: Activation,
    /// Whether the linear maps of the feed-forward part have biases.
    pub feed_forward_bias: bool,
    /// Whether attention and feed-forward part read the same residual stream.
    pub is_parallel: bool,
    /// By what embeddings are multiplied.
    pub embedding_scale: Option<f64>,
    /// Whether the embedding is the last linear map, too.
    pub is_tied: bool,
    /// The bound to which logits are bent.
    pub logit_cap: Option<f64>,
    /// The tokens that end a text; none if the file names none.
    pub ends: Vec<i64>,
}

/// The names and order of a decoder's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Llama 2 and 3, SmolLM.
    Llama,
    /// Mistral.
    Mistral,
    /// Qwen 2 and 2.5.
    Qwen2,
    /// Qwen 3, dense.
    Qwen3,
    /// Gemma 2.
    Gemma2,
    /// GPT-2.
    Gpt2,
    /// GPT-NeoX, Pythia.
    GptNeoX,
}

/// How tokens look at one another.
#[derive(Debug, Clone, PartialEq)]
pub struct Attention {
    /// Heads of queries.
    pub heads: i64,
    /// Heads of keys and values; divides `heads`.
    pub kv_heads: i64,
    /// Width of one head.
    pub head_width: i64,
    /// Rotary positions; without them, positions are learned.
    pub rope: Option<Rope>,
    /// Whether queries, keys and values have biases.
    pub bias: bool,
    /// Whether the output has one.
    pub out_bias: bool,
    /// Whether each head of queries and keys is normed.
    pub norms_heads: bool,
    /// By what scores are multiplied.
    pub scale: f64,
    /// Whether scores of layer n are divided by n + 1, too.
    pub scales_by_layer: bool,
    /// The bound to which scores are bent.
    pub cap: Option<f64>,
    /// For each layer, how many tokens a token sees, itself included; `None` is all.
    pub windows: Vec<Option<i64>>,
}

/// A norm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Norm {
    /// By the root of the mean square, times the weight.
    Rms(f64),
    /// The same, times one plus the weight.
    RmsPlusOne(f64),
    /// By mean and variance, with weight and bias.
    Layer(f64),
}

/// A non-linearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x · sigmoid(x).
    Silu,
    /// x · Φ(x).
    Gelu,
    /// The same, by tanh.
    GeluTanh,
    /// max(x, 0).
    Relu,
}

impl Architecture {
    /// Reads the bytes of a `config.json`.
    ///
    /// # Errors
    /// [`ConfigError`], which names the key.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        let object = settings::parse(bytes)?;
        families::read(&Settings::new(&object))
    }

    /// By what scores of a layer are multiplied.
    pub fn score_scale(&self, layer: usize) -> f64 {
        let divisor = if self.attention.scales_by_layer { (layer + 1) as f64 } else { 1.0 };
        self.attention.scale / divisor
    }

    /// The longest text in tokens, where there is a limit.
    pub fn longest(&self) -> Option<i64> {
        self.attention.rope.is_none().then_some(self.positions)
    }
}
