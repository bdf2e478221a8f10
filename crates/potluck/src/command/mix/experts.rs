//! Who takes part in a soup, opened: their headers are read, no weight is.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use potluck_core::PartyId;
use potluck_soup::checkpoint::Kind;
use potluck_soup::{BlendError, Checkpoint};
use serde_json::Value;

use super::failure::blend_failure;
use super::named::Named;
use crate::failure::Failure;

/// The largest config.json that is read, in bytes: real ones have a few thousand.
const MAX_CONFIG: u64 = 4 << 20;

/// An expert that takes part.
#[derive(Debug)]
pub(crate) struct Expert {
    /// Its name in λ.
    pub(crate) party: PartyId,
    /// Its weights.
    pub(crate) checkpoint: Checkpoint,
}

impl Expert {
    fn open(party: &PartyId, path: &Path) -> Result<Self, Failure> {
        let failed = |source| BlendError::Checkpoint { party: party.clone(), source };
        let checkpoint = Checkpoint::open(path).map_err(|error| blend_failure(&failed(error)))?;
        refuse_quantised(&checkpoint)?;
        if checkpoint.kind() != Kind::Adapter {
            refuse_factors(party, &checkpoint)?;
        }
        Ok(Self { party: party.clone(), checkpoint })
    }
}

/// Opens these parties' experts; all are models, or all are adapters.
pub(crate) fn open<'a>(
    parties: impl IntoIterator<Item = &'a PartyId>,
    named: &Named,
) -> Result<Vec<Expert>, Failure> {
    let mut experts: Vec<Expert> = Vec::new();
    for party in parties {
        let Some(path) = named.path(party) else {
            return Err(Failure::input(format!("{party} takes part, but no --expert gives it")));
        };
        experts.push(Expert::open(party, path)?);
    }
    let is_adapter = |it: &&Expert| it.checkpoint.kind() == Kind::Adapter;
    match (experts.iter().find(is_adapter), experts.iter().find(|it| !is_adapter(it))) {
        (Some(adapter), Some(model)) => Err(Failure::input(format!(
            "{} is an adapter and {} is a model: adapters are mixed with adapters",
            adapter.party, model.party
        ))
        .hint("--merge-into-base makes a model of adapters")),
        _ => Ok(experts),
    }
}

/// Factors of adapters, averaged as if they were weights, are another model than the adapters' average.
fn refuse_factors(party: &PartyId, checkpoint: &Checkpoint) -> Result<(), Failure> {
    let is_factor = |name: &str| name.contains(".lora_A.") || name.contains(".lora_B.");
    match checkpoint.tensors().find(|tensor| is_factor(&tensor.name)) {
        Some(tensor) => Err(Failure::input(format!(
            "the expert of {party} holds an adapter's factor ({})",
            tensor.name
        ))
        .hint("name the adapter's folder, with its adapter_config.json, instead of the file")),
        None => Ok(()),
    }
}

/// Quantised weights and their scales are products: neither can be averaged without the other.
pub(crate) fn refuse_quantised(checkpoint: &Checkpoint) -> Result<(), Failure> {
    if checkpoint.kind() != Kind::Folder {
        return Ok(());
    }
    let path = checkpoint.path().join("config.json");
    let Ok(file) = File::open(&path) else { return Ok(()) };
    let mut text = Vec::new();
    let read = file.take(MAX_CONFIG + 1).read_to_end(&mut text);
    if read.is_ok_and(|bytes| bytes as u64 > MAX_CONFIG) {
        let message = format!("{} has more than {MAX_CONFIG} bytes", path.display());
        return Err(Failure::input(message));
    }
    let config: Option<Value> = serde_json::from_slice(&text).ok();
    match config.as_ref().and_then(|config| config.get("quantization_config")) {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(Failure::input(format!(
            "{} says that the weights are quantised; quantised weights cannot be mixed",
            path.display()
        ))
        .hint("mix the checkpoints that they were made from, and quantise the soup")),
    }
}
