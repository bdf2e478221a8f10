//! What a run hands on: a model folder with a card, in an outbox that is whole or absent.
//!
//! The card says what everyone may know: from which base, by which algorithm and settings, how far.
//! Nothing in it tells the reward or the data; of the reward there is a commitment, whose nonce stays
//! in `private`. With LoRA the outbox holds the base with the change added, which is what a federation
//! mixes, and `adapter` beside the outbox the change itself, for PEFT.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tch::Tensor;

use crate::files::{sync_folder, write_whole};
use crate::hf::Folder;
use crate::reward::Nonce;

use super::recipe::{Kind, Recipe};
use super::run::{RunError, Stop};
use super::state::RunState;

/// A run that ended.
pub(super) struct Handover<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) folder: &'a Folder,
    pub(super) base: blake3::Hash,
    /// The model whose weights it began with: the base, or a soup.
    pub(super) begun_from: blake3::Hash,
    pub(super) state: &'a RunState,
    pub(super) stop: &'a Stop,
    /// Whether the weights are those of the best step and not of the last.
    pub(super) is_best: bool,
}

/// Fills `out/outbox`; returns what came of the run.
pub(super) fn hand_over(
    handover: &Handover,
    out: &Path,
    definition: Option<&[u8]>,
) -> Result<Value, RunError> {
    let Handover { recipe, folder, base, begun_from, state, stop, is_best } = handover;
    let commitment = match definition {
        Some(definition) => {
            let path = out.join("private").join("nonce");
            let nonce = Nonce::kept_at(&path)
                .map_err(|error| RunError::Disk(path.display().to_string(), error))?;
            Some(nonce.commit(definition).to_string())
        }
        None => None,
    };
    let kl = (!state.counters.recent.is_empty()).then(|| state.recent_kl());
    let card = json!({
        "v": 2,
        "base_blake3": base.to_hex().as_str(),
        "begun_from_blake3": begun_from.to_hex().as_str(),
        "reward_commitment": commitment,
        "algorithm": algorithm(&recipe.kind),
        "settings": settings(recipe),
        "seeds": {"run": recipe.seed},
        "steps": state.counters.step,
        "stopped": stop.name(),
        "kl": kl,
        "trainer": concat!("potluck-train ", env!("CARGO_PKG_VERSION")),
    });
    let disk = |path: &Path| {
        let path = path.display().to_string();
        move |error| RunError::Disk(path.clone(), error)
    };
    let (outbox, part) = (out.join("outbox"), out.join("outbox.part"));
    remove(&part).map_err(disk(&part))?;
    fs::create_dir_all(out).map_err(disk(out))?;
    let weights = final_weights(state);
    folder.save_weights(&weights, &part)?;
    let file = part.join("card.json");
    write_whole(&file, format!("{card:#}\n").as_bytes()).map_err(disk(&file))?;
    let model = part.join("model.safetensors");
    let blake3 = super::digest::digest_of(&model)?;
    if state.policy.decoder().lora().is_some() {
        let adapter = out.join("adapter");
        remove(&adapter).map_err(disk(&adapter))?;
        state.policy.decoder().save_adapter(&recipe.model.display().to_string(), &adapter)?;
    }
    remove(&outbox).map_err(disk(&outbox))?;
    fs::rename(&part, &outbox).and_then(|()| sync_folder(out)).map_err(disk(&outbox))?;
    Ok(json!({
        "verb": "run",
        "outbox": outbox,
        "blake3": blake3.to_hex().as_str(),
        "base_blake3": base.to_hex().as_str(),
        "begun_from_blake3": begun_from.to_hex().as_str(),
        "algorithm": algorithm(&recipe.kind),
        "steps": state.counters.step,
        "stopped": stop.name(),
        "why": why(stop),
        "kl": kl,
        "is_best": is_best,
        "seed": recipe.seed,
        "seconds": state.seconds(),
    }))
}

/// The mean over steps, where one is kept; what LoRA changes is added.
fn final_weights(state: &RunState) -> Vec<Tensor> {
    let _guard = tch::no_grad_guard();
    let decoder = state.policy.decoder();
    match (&state.average, decoder.lora()) {
        (Some(average), None) => {
            // Behind the model's weights may stand a value head's.
            average[..decoder.weights().len()].iter().map(Tensor::shallow_clone).collect()
        }
        _ => decoder.merged_weights(),
    }
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn algorithm(kind: &Kind) -> Value {
    match kind {
        Kind::Rl(own) => json!(own.rl.algorithm),
        Kind::Sft(_) => json!("sft"),
        Kind::Pretrain(_) => json!("pretrain"),
    }
}

/// The numbers of the recipe; no path, reward or data among them.
fn settings(recipe: &Recipe) -> Value {
    let own = match &recipe.kind {
        // Stop strings are words of the task: they stay.
        Kind::Rl(own) => json!({
            "rl": own.rl, "kl": own.kl, "max_tokens": own.sampling.max_tokens,
            "temperature": own.sampling.temperature,
        }),
        Kind::Sft(own) | Kind::Pretrain(own) => json!({"supervised": own}),
    };
    let lora = recipe.lora.as_ref().map(|lora| {
        json!({"rank": lora.rank, "alpha": lora.alpha, "rslora": lora.is_rank_stabilised,
               "target_modules": lora.targets, "shared_a": lora.shared_a})
    });
    json!({"optimiser": recipe.optimiser, "lora": lora, "run": own})
}

impl Stop {
    /// Its name in results and cards.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Steps => "steps",
            Self::Kl(_) => "kl",
            Self::Guard(..) => "guard",
            Self::Interrupted => "interrupted",
        }
    }
}

fn why(stop: &Stop) -> String {
    match stop {
        Stop::Steps => "all steps of the recipe are done".to_owned(),
        Stop::Kl(kl) => {
            format!("its mean divergence over ten steps, {kl:.2} nats, passed the limit")
        }
        Stop::Guard(guard, reason) => format!("guards.{guard}: {reason}"),
        Stop::Interrupted => "it was asked to stop".to_owned(),
    }
}
