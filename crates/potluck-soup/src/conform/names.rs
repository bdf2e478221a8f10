//! What the base calls a tensor, by the name that a trainer's wrappers gave it.
//!
//! ```text
//! _orig_mod.NAME, …._orig_mod.…      torch.compile
//! module.NAME                        DataParallel, DistributedDataParallel, DeepSpeed
//! …._fsdp_wrapped_module.…           FSDP
//! …._checkpoint_wrapped_module.…     activation checkpointing
//! base_model.model.NAME              PEFT
//! pretrained_model.NAME              TRL's models with a value head
//! ```

use crate::checkpoint::Checkpoint;

/// Parts of a name that a wrapper puts anywhere.
const ANYWHERE: [&str; 3] = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];
/// What a wrapper puts before a whole name.
const BEFORE: [&str; 3] = ["module.", "base_model.model.", "pretrained_model."];
/// What models with a head put before the names of the model without one.
const BODIES: [&str; 3] = ["model.", "transformer.", "gpt_neox."];

/// The base's name of a tensor; `None` where none of the base's can be meant.
pub(super) fn in_base(base: &Checkpoint, name: &str) -> Option<String> {
    let has = |name: &str| base.input(name).is_some();
    if has(name) {
        return Some(name.to_owned());
    }
    let parts: Vec<_> = name.split('.').filter(|part| !ANYWHERE.contains(part)).collect();
    let mut name = parts.join(".");
    while !has(&name) {
        let rest = BEFORE.iter().find_map(|prefix| name.strip_prefix(prefix));
        match rest {
            Some(rest) => name = rest.to_owned(),
            None => return with_body(&name, has),
        }
    }
    Some(name)
}

/// The same tensor of a model with a head, or without one.
fn with_body(name: &str, has: impl Fn(&str) -> bool) -> Option<String> {
    let without = BODIES.iter().filter_map(|body| name.strip_prefix(body)).map(str::to_owned);
    let with = BODIES.iter().map(|body| format!("{body}{name}"));
    without.chain(with).find(|name| has(name))
}

/// By what a tensor was quantised, as its name tells.
pub(super) fn quantised(name: &str) -> Option<&'static str> {
    let parts = [
        ("bitsandbytes", &["absmax", "quant_map", "nested_absmax", "nested_quant_map", "SCB"][..]),
        ("GPTQ or AWQ", &["qweight", "qzeros", "scales", "g_idx"]),
        ("FP8 or compressed-tensors", &["weight_scale", "weight_scale_inv", "weight_packed"]),
        ("FP8 or compressed-tensors", &["input_scale", "activation_scale", "weight_zero_point"]),
    ];
    if name.contains(".quant_state.") || name.ends_with(".weight_format") {
        return Some("bitsandbytes");
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    parts.iter().find(|(_, ends)| ends.contains(&last)).map(|(how, _)| *how)
}

/// Whether the base's tensor is a constant that newer versions of a trainer's libraries do not save.
pub(super) fn is_constant(name: &str) -> bool {
    [".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias", ".attention.bias"]
        .iter()
        .chain(&[".attention.masked_bias", ".position_ids"])
        .any(|end| name.ends_with(end))
}

/// What a tensor may be that the base has not.
pub(super) fn guess(name: &str) -> &'static str {
    let parts: Vec<_> = name.split('.').collect();
    let has = |part: &str| parts.contains(&part);
    if parts.iter().any(|part| part.starts_with("lora_")) || has("modules_to_save") {
        "it belongs to an adapter; push the adapter's own folder (model.save_pretrained on the PeftModel), or what \
         merge_and_unload() returns"
    } else if has("v_head") || has("value_head") || has("critic") {
        "it belongs to a value head; save the policy alone"
    } else if has("score") || has("classifier") {
        "it belongs to a scoring head; save the language model"
    } else {
        "its name leads to none of the base's, with or without a wrapper's prefix"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantised_tensors_are_known_by_their_names() {
        for name in [
            "model.q.weight.absmax",
            "model.q.weight.quant_state.bitsandbytes__nf4",
            "model.q.SCB",
            "model.q.qweight",
            "model.q.weight_scale_inv",
        ] {
            assert!(quantised(name).is_some(), "{name}");
        }
        assert_eq!(quantised("model.q.weight"), None);
        assert_eq!(quantised("model.scales.weight"), None);
    }

    #[test]
    fn what_is_strange_is_explained() {
        assert!(guess("base_model.model.m.lora_A.weight").contains("adapter"));
        assert!(guess("v_head.summary.weight").contains("value head"));
        assert!(guess("model.layers.99.mlp.weight").contains("leads to none"));
    }
}
