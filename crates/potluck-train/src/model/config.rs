//! The `config.json` of a model that the trainer makes.

use serde_json::{Value, json};

use crate::recipe::ModelRecipe;
use crate::tokenizer::SpecialTokens;

/// The longest text in tokens, prompt and summary together.
pub(super) const POSITIONS: i64 = 256;

/// The base of the rotary frequencies.
const ROPE_THETA: f64 = 10_000.0;

/// What RMSNorm adds to a variance.
const NORM_EPSILON: f64 = 1e-5;

/// The configuration of a recipe with so many tokens, in the words of `transformers` 4 and 5 alike.
pub fn llama_config(recipe: &ModelRecipe, vocabulary: usize, special: SpecialTokens) -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocabulary,
        "hidden_size": recipe.hidden,
        "intermediate_size": recipe.feed_forward,
        "num_hidden_layers": recipe.layers,
        "num_attention_heads": recipe.heads,
        "num_key_value_heads": recipe.kv_heads,
        "head_dim": recipe.hidden / recipe.heads,
        "max_position_embeddings": POSITIONS,
        "rope_theta": ROPE_THETA,
        "rope_parameters": {"rope_type": "default", "rope_theta": ROPE_THETA},
        "rms_norm_eps": NORM_EPSILON,
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
