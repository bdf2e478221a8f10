//! What is done with the keys of an `adapter_config.json` that no field of [`super::AdapterConfig`] holds.
//!
//! PEFT 0.21.2 writes some 45 keys. Those that change what the adapter computes and that a soup has no exact form
//! for are refused where they say something; those that only matter while an adapter is trained are passed over;
//! a key that nobody here knows may stand as long as it says nothing.

use super::AdapterConfigError;
use super::tree::Tree;

/// Keys that are refused unless they are null, false or empty, each with the reason.
const REFUSED: [(&str, &str); 13] = [
    ("use_dora", "DoRA scales each row by a norm of the sum, which no sum of adapters reproduces"),
    ("alora_invocation_tokens", "an activated LoRA applies to a part of the tokens only"),
    ("arrow_config", "Arrow chooses between adapters token by token"),
    ("kasa_config", "KaSA changes the base's weights when it is loaded"),
    ("monteclora_config", "MonteCLoRA samples its weights"),
    ("use_bdlora", "BD-LoRA's factors are block-diagonal"),
    ("use_qalora", "QALoRA pools the inputs before its factor A"),
    ("lora_bias", "a bias on the factor B is not mixed here"),
    ("layer_replication", "the adapter belongs to a model with repeated layers, not to the base"),
    ("megatron_config", "Megatron's parallel layers are not mixed here"),
    ("target_parameters", "adapters of bare parameters are not mixed here"),
    ("trainable_token_indices", "retrained single tokens are not mixed here"),
    ("ensure_weight_tying", "PEFT would tie tensors when it loads the soup"),
];

/// Keys that say how the adapter was made or run, and nothing of what it computes: any value will do.
///
/// None is carried into a soup; `auto_mapping` names a Python module that a reader would import.
const INERT: [&str; 11] = [
    "auto_mapping",
    "corda_config",
    "eva_config",
    "inference_mode",
    "loftq_config",
    "lora_ga_config",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "runtime_config",
    "velora_config",
];

/// Initialisations that leave the base's weights alone, so that the adapter's change is one from the base.
const HARMLESS: [&str; 4] = ["gaussian", "eva", "orthogonal", "mica"];

/// Judges one key that no field holds.
pub(super) fn judge(key: &str, value: &Tree) -> Result<(), AdapterConfigError> {
    if INERT.contains(&key) || value.is_nothing() {
        return Ok(());
    }
    match REFUSED.iter().find(|(refused, _)| *refused == key) {
        Some(&(key, reason)) => Err(AdapterConfigError::Refused { key, reason }),
        None => Err(AdapterConfigError::Unknown(super::excerpt(key))),
    }
}

/// Judges `init_lora_weights`: it says whether the base was changed before the training began.
pub(super) fn judge_initialisation(value: &Tree) -> Result<(), AdapterConfigError> {
    match value {
        Tree::Null | Tree::Bool(_) => Ok(()),
        Tree::Text(name) if HARMLESS.contains(&name.as_str()) => Ok(()),
        _ => Err(AdapterConfigError::Refused {
            key: "init_lora_weights",
            reason: "this initialisation changes the base's weights; PEFT can convert such an adapter to a plain \
                     one (path_initial_model_for_weight_conversion)",
        }),
    }
}
