//! What a trainer left: opened, or refused with what to do about it.

use std::fs;
use std::path::Path;

use potluck_soup::source::SourceError;
use potluck_soup::{Checkpoint, CheckpointError};

use crate::failure::{Failure, Kind, in_full};

/// Opens one file of weights, shards with their index, or an adapter's folder. Headers are read, no weight is.
pub(super) fn open(path: &Path) -> Result<Checkpoint, Failure> {
    Checkpoint::open(path).map_err(|error| {
        let code = match error {
            CheckpointError::Source(SourceError::Layout { .. }) => "header-invalid",
            _ => "bad-input",
        };
        let failure = Failure::new(Kind::Input, code, in_full(&error));
        match cure(path, &error) {
            Some(cure) => failure.hint(cure),
            None => failure,
        }
    })
}

/// How to get from what stands there to safetensors.
fn cure(path: &Path, error: &CheckpointError) -> Option<String> {
    let names: Vec<_> = fs::read_dir(path).ok()?.flatten().map(|it| it.file_name()).collect();
    let names: Vec<_> = names.iter().filter_map(|name| name.to_str()).collect();
    let has = |name: &str| names.contains(&name);
    let ends = |end: &str| names.iter().any(|name| name.ends_with(end));
    let begins = |begin: &str| names.iter().find(|name| name.starts_with(begin));
    let at = path.display();
    match error {
        CheckpointError::Ambiguous(_) => {
            return Some(
                "push the model's file alone, or the adapter from a folder of its own".into(),
            );
        }
        CheckpointError::Pickled(_) | CheckpointError::Nothing(_) => {}
        _ => return None,
    }
    if has("adapter_model.bin") {
        return Some(format!(
            "cd {at} && python -c \"import torch, safetensors.torch as s; \
             s.save_file(torch.load('adapter_model.bin', weights_only=True), 'adapter_model.safetensors')\""
        ));
    }
    if has("zero_to_fp32.py") {
        return Some(format!(
            "python {at}/zero_to_fp32.py {at} {at}/whole --safe_serialization; then push {at}/whole"
        ));
    }
    if let Some(folder) = begins("pytorch_model_fsdp_") {
        return Some(format!(
            "accelerate merge-weights {at}/{folder} {at}/whole; then push {at}/whole"
        ));
    }
    if ends(".distcp") {
        return Some(format!("accelerate merge-weights {at} {at}/whole; then push {at}/whole"));
    }
    if begins("model_world_size_").is_some() {
        return Some(format!(
            "python -m verl.model_merger merge --backend fsdp --local_dir {at} --target_dir {at}/whole; then push {at}/whole"
        ));
    }
    if ends(".gguf") {
        return Some("GGUF files are quantised; push what they were made from".into());
    }
    if begins("pytorch_model").is_some() || ends(".pth") || ends(".pt") {
        return Some(format!(
            "python -c \"from transformers import AutoModelForCausalLM as M; \
             M.from_pretrained('{at}', dtype='auto').save_pretrained('{at}/whole')\"; then push {at}/whole"
        ));
    }
    last_checkpoint(&names)
        .map(|folder| format!("a trainer's checkpoint lies deeper: push {at}/{folder}"))
}

/// The latest of the folders that Hugging Face's trainers write on their way.
fn last_checkpoint<'a>(names: &[&'a str]) -> Option<&'a str> {
    let step = |name: &&str| name.strip_prefix("checkpoint-")?.parse::<u64>().ok();
    names.iter().copied().filter(|name| step(name).is_some()).max_by_key(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a folder with empty files of these names.
    fn said(names: &[&str]) -> (String, String) {
        let home = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(home.path().join(name), "").unwrap();
        }
        let failure = open(home.path()).unwrap_err();
        assert_eq!(failure.kind(), Kind::Input);
        (failure.message().to_owned(), failure.cure().unwrap_or_default().to_owned())
    }

    #[test]
    fn what_is_no_safetensors_is_refused_with_the_way_there() {
        let (message, cure) = said(&["config.json", "pytorch_model.bin"]);
        assert!(message.contains("pickled"), "{message}");
        assert!(cure.contains("save_pretrained"), "{cure}");
        let (message, cure) = said(&["adapter_config.json", "adapter_model.bin"]);
        assert!(
            message.contains("pickled") && cure.contains("adapter_model.safetensors"),
            "{cure}"
        );
        let of = |names: &[&str]| said(names).1;
        assert!(of(&["pytorch_model-00001-of-00002.bin"]).contains("save_pretrained"));
        assert!(of(&["zero_to_fp32.py", "latest"]).contains("--safe_serialization"));
        assert!(of(&["__0_0.distcp", ".metadata"]).contains("accelerate merge-weights"));
        assert!(of(&["model_world_size_8_rank_0.pt"]).contains("verl.model_merger"));
        assert!(of(&["model-q4.gguf"]).contains("quantised"));
        assert!(of(&["checkpoint-9", "checkpoint-10", "runs"]).ends_with("checkpoint-10"));
        let all = ["model.safetensors", "adapter_config.json", "adapter_model.safetensors"];
        assert!(of(&all).contains("folder of its own"));
        assert_eq!(said(&[]).1, "");
    }
}
