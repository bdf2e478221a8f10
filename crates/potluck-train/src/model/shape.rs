//! The shape of a decoder: the tensors it has, and its `config.json`.

use serde_json::{Value, json};

use crate::recipe::ModelRecipe;
use crate::tokenizer::SpecialTokens;

/// The longest text in tokens, prompt and summary together.
const POSITIONS: i64 = 256;

/// The base of the rotary frequencies.
const ROPE_THETA: f64 = 10_000.0;

/// What RMSNorm adds to a variance.
const NORM_EPSILON: f64 = 1e-5;

/// The largest size of anything in a `config.json` that we accept.
const LARGEST: i64 = 1 << 20;

/// The numbers from which every tensor's shape follows.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Tokens.
    pub vocabulary: i64,
    /// Width of the residual stream.
    pub hidden: i64,
    /// Decoder layers.
    pub layers: i64,
    /// Attention heads.
    pub heads: i64,
    /// Heads of keys and values.
    pub kv_heads: i64,
    /// Width of one head, even.
    pub head_width: i64,
    /// Width of the feed-forward part.
    pub feed_forward: i64,
    /// The longest text in tokens.
    pub positions: i64,
    /// The base of the rotary frequencies.
    pub rope_theta: f64,
    /// What RMSNorm adds to a variance.
    pub norm_epsilon: f64,
}

/// Name and shape of one tensor, both as `transformers` has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name in `model.safetensors`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
}

impl Shape {
    /// The shape of a recipe with so many tokens.
    pub fn new(recipe: &ModelRecipe, vocabulary: usize) -> Self {
        Self {
            vocabulary: i64::try_from(vocabulary).expect("a vocabulary fits into memory"),
            hidden: recipe.hidden,
            layers: recipe.layers,
            heads: recipe.heads,
            kv_heads: recipe.kv_heads,
            head_width: recipe.hidden / recipe.heads,
            feed_forward: recipe.feed_forward,
            positions: POSITIONS,
            rope_theta: ROPE_THETA,
            norm_epsilon: NORM_EPSILON,
        }
    }

    /// Every tensor in the order in which [`super::Decoder`] holds them: embedding, layers, norm.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let spec = |name: String, shape: &[i64]| TensorSpec { name, shape: shape.to_vec() };
        let (hidden, width) = (self.hidden, self.feed_forward);
        let (queries, keys) = (self.heads * self.head_width, self.kv_heads * self.head_width);
        let mut all =
            vec![spec("model.embed_tokens.weight".to_owned(), &[self.vocabulary, hidden])];
        for layer in 0..self.layers {
            let parts: [(&str, &[i64]); 9] = [
                ("input_layernorm", &[hidden]),
                ("self_attn.q_proj", &[queries, hidden]),
                ("self_attn.k_proj", &[keys, hidden]),
                ("self_attn.v_proj", &[keys, hidden]),
                ("self_attn.o_proj", &[hidden, queries]),
                ("post_attention_layernorm", &[hidden]),
                ("mlp.gate_proj", &[width, hidden]),
                ("mlp.up_proj", &[width, hidden]),
                ("mlp.down_proj", &[hidden, width]),
            ];
            all.extend(
                parts.map(|(part, shape)| {
                    spec(format!("model.layers.{layer}.{part}.weight"), shape)
                }),
            );
        }
        all.push(spec("model.norm.weight".to_owned(), &[hidden]));
        all
    }

    /// The number of weights.
    pub fn parameters(&self) -> i64 {
        self.tensors().iter().map(|spec| spec.shape.iter().product::<i64>()).sum()
    }

    /// The `config.json`, in the words of `transformers` 4 and 5 alike.
    pub fn to_config(&self, special: SpecialTokens) -> Value {
        json!({
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": self.vocabulary,
            "hidden_size": self.hidden,
            "intermediate_size": self.feed_forward,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_width,
            "max_position_embeddings": self.positions,
            "rope_theta": self.rope_theta,
            "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta},
            "rms_norm_eps": self.norm_epsilon,
            "hidden_act": "silu",
            "attention_bias": false,
            "mlp_bias": false,
            "attention_dropout": 0.0,
            "tie_word_embeddings": true,
            "torch_dtype": "float32",
            "dtype": "float32",
            "pad_token_id": special.pad,
            "bos_token_id": special.bos,
            "eos_token_id": special.eos,
            "use_cache": true,
        })
    }

    /// Reads a `config.json`.
    ///
    /// # Errors
    /// A sentence that names the key which is missing, out of range or of another architecture.
    pub fn from_config(config: &Value) -> Result<Self, String> {
        let size = |key: &str| {
            let value = config.get(key).and_then(Value::as_i64);
            value
                .filter(|n| (1..=LARGEST).contains(n))
                .ok_or_else(|| format!("{key} must be a positive size"))
        };
        let number = |key: &str| {
            let value = config.get(key).and_then(Value::as_f64);
            value.filter(|x| *x > 0.0).ok_or_else(|| format!("{key} must be a positive number"))
        };
        let expect = |key: &str, expected: Value| match config.get(key) {
            Some(value) if *value == expected => Ok(()),
            found => {
                Err(format!("{key} must be {expected}, but is {}", found.unwrap_or(&Value::Null)))
            }
        };
        expect("model_type", json!("llama"))?;
        expect("hidden_act", json!("silu"))?;
        expect("tie_word_embeddings", json!(true))?;
        let rope = config.pointer("/rope_parameters/rope_theta").and_then(Value::as_f64);
        let shape = Self {
            vocabulary: size("vocab_size")?,
            hidden: size("hidden_size")?,
            layers: size("num_hidden_layers")?,
            heads: size("num_attention_heads")?,
            kv_heads: size("num_key_value_heads")?,
            head_width: size("head_dim")?,
            feed_forward: size("intermediate_size")?,
            positions: size("max_position_embeddings")?,
            rope_theta: rope.map_or_else(|| number("rope_theta"), Ok)?,
            norm_epsilon: number("rms_norm_eps")?,
        };
        if shape.head_width % 2 != 0 || shape.heads % shape.kv_heads != 0 {
            return Err("head_dim must be even and num_key_value_heads divide num_attention_heads"
                .to_owned());
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    const SPECIAL: SpecialTokens = SpecialTokens { pad: 0, bos: 1, summary: 2, eos: 3 };

    #[test]
    fn a_config_round_trips() {
        let shape = Shape::new(&Recipe::full().model, 700);
        assert_eq!(Shape::from_config(&shape.to_config(SPECIAL)), Ok(shape));
    }

    #[test]
    fn another_architecture_is_refused_by_key() {
        let good = Shape::new(&Recipe::full().model, 700).to_config(SPECIAL);
        for (key, value) in [
            ("model_type", json!("mistral")),
            ("hidden_act", json!("gelu")),
            ("vocab_size", json!(-3)),
            ("num_hidden_layers", json!(1u64 << 40)),
            ("tie_word_embeddings", json!(false)),
        ] {
            let mut config = good.clone();
            config[key] = value;
            assert!(Shape::from_config(&config).unwrap_err().contains(key));
        }
    }
}
