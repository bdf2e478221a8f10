//! Which files beside the weights belong to a model, by their names.

/// Files that speak of one input, its training or its evaluation; of a soup they would be untrue.
const RECORDS: [&str; 8] = [
    "README.md",
    // A trained expert's own card.
    "card.json",
    "trainer_state.json",
    "trainer_log.jsonl",
    "all_results.json",
    "train_results.json",
    "eval_results.json",
    "mergekit_config.yml",
];

/// Endings of weights in any format, of states of training, and of pickles, which run code when they are read.
const REFUSED: [&str; 18] = [
    ".safetensors",
    ".safetensors.index.json",
    ".bin.index.json",
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".pkl",
    ".pickle",
    ".joblib",
    ".distcp",
    ".h5",
    ".msgpack",
    ".onnx",
    ".onnx_data",
    ".gguf",
    ".npz",
    ".part",
];

/// Folders of training runs, and of the same weights in other formats.
const LEFT: [&str; 7] = ["runs", "logs", "wandb", "original", "onnx", "openvino", "__pycache__"];

/// Whether a file of that name, relative to the checkpoint, is carried over to a soup.
pub(super) fn is_carried(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    !name.starts_with('.')
        && !RECORDS.contains(&path)
        && path != "adapter_config.json"
        && !REFUSED.iter().any(|ending| name.ends_with(ending))
}

/// Whether a folder of that name is looked into.
pub(super) fn is_entered(name: &str) -> bool {
    let is_state =
        ["checkpoint-", "global_step", "events.out"].iter().any(|it| name.starts_with(it));
    !name.starts_with('.') && !LEFT.contains(&name) && !is_state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_s_files_are_carried_and_others_left() {
        for path in [
            "config.json",
            "generation_config.json",
            "tokenizer.json",
            "tokenizer.model",
            "tokenizer_config.json",
            "merges.txt",
            "chat_template.jinja",
            "additional_chat_templates/tools.jinja",
            "modeling_own.py",
            "LICENSE",
            "1_Pooling/config.json",
        ] {
            assert!(is_carried(path), "{path}");
        }
        for path in [
            "README.md",
            "card.json",
            "model.safetensors",
            "consolidated.safetensors",
            "model.safetensors.index.json",
            "pytorch_model-00001-of-00002.bin",
            "pytorch_model.bin.index.json",
            "training_args.bin",
            "optimizer.pt",
            "rng_state_0.pth",
            ".gitattributes",
            "trainer_state.json",
            "adapter_config.json",
        ] {
            assert!(!is_carried(path), "{path}");
        }
        assert!(is_entered("1_Pooling") && !is_entered("checkpoint-500") && !is_entered(".cache"));
    }
}
