//! The shapes: a Llama of 495 M parameters in 129 tensors, and a rank-16 adapter of a Llama of 7 B.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::json;

use crate::generate::{Dtype, safetensors};

/// Hidden and intermediate width, layers, words.
const SMALL: (u64, u64, u64, u64) = (1536, 4096, 14, 32_000);
const LARGE: (u64, u64, u64) = (4096, 11_008, 32);
const RANK: u64 = 16;

/// `config.json` and `model.safetensors`, 989 MB of BF16.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn llama(folder: &Path, seed: u64) -> io::Result<()> {
    let (hidden, intermediate, layers, words) = SMALL;
    let mut tensors = vec![
        ("lm_head.weight".to_owned(), vec![words, hidden]),
        ("model.embed_tokens.weight".to_owned(), vec![words, hidden]),
        ("model.norm.weight".to_owned(), vec![hidden]),
    ];
    for layer in 0..layers {
        let at = |name: &str| format!("model.layers.{layer}.{name}.weight");
        for name in ["input_layernorm", "post_attention_layernorm"] {
            tensors.push((at(name), vec![hidden]));
        }
        for (name, outputs, inputs) in projections(hidden, intermediate) {
            tensors.push((at(name), vec![outputs, inputs]));
        }
    }
    tensors.sort();
    let config = json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": 12,
        "num_key_value_heads": 12,
        "vocab_size": words,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": false,
        "torch_dtype": "bfloat16",
    });
    fs::create_dir_all(folder)?;
    fs::write(folder.join("config.json"), config.to_string())?;
    safetensors(&folder.join("model.safetensors"), Dtype::Bf16, &tensors, seed)
}

/// `adapter_config.json` and `adapter_model.safetensors`, 40 M parameters.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn adapter(folder: &Path, seed: u64, dtype: Dtype) -> io::Result<()> {
    let (hidden, intermediate, layers) = LARGE;
    let mut tensors = Vec::new();
    for layer in 0..layers {
        for (name, outputs, inputs) in projections(hidden, intermediate) {
            let at = |factor| {
                format!("base_model.model.model.layers.{layer}.{name}.lora_{factor}.weight")
            };
            tensors.push((at('A'), vec![RANK, inputs]));
            tensors.push((at('B'), vec![outputs, RANK]));
        }
    }
    tensors.sort();
    let modules = projections(hidden, intermediate).map(|(name, ..)| name.rsplit('.').next());
    let config = json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "llama-7b",
        "r": RANK,
        "lora_alpha": 2 * RANK,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": false,
        "use_rslora": false,
        "use_dora": false,
        "modules_to_save": null,
        "inference_mode": true,
        "target_modules": modules,
    });
    fs::create_dir_all(folder)?;
    fs::write(folder.join("adapter_config.json"), config.to_string())?;
    safetensors(&folder.join("adapter_model.safetensors"), dtype, &tensors, seed)
}

/// The matrices of a layer: name, rows (outputs), columns (inputs).
fn projections(hidden: u64, intermediate: u64) -> [(&'static str, u64, u64); 7] {
    [
        ("self_attn.q_proj", hidden, hidden),
        ("self_attn.k_proj", hidden, hidden),
        ("self_attn.v_proj", hidden, hidden),
        ("self_attn.o_proj", hidden, hidden),
        ("mlp.gate_proj", intermediate, hidden),
        ("mlp.up_proj", intermediate, hidden),
        ("mlp.down_proj", hidden, intermediate),
    ]
}
