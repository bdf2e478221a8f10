//! LoRA adapters as PEFT keeps them: `adapter_config.json` and `adapter_model.safetensors`.

use std::fs;
use std::path::Path;

use potluck_soup::adapter::{AdapterConfig, Scaling};
use potluck_soup::checkpoint::Kind as CheckpointKind;
use potluck_soup::{Checkpoint, CheckpointError};
use serde_json::{Value, json};
use tch::Tensor;

use crate::bad_input::chain;
use crate::files::{read_up_to, sync_folder, write_whole};
use crate::model::{TensorSpec, weights_bytes};

use super::architecture::Family;
use super::decoder::Decoder;
use super::folder::{OpenError, fitting, read};
use super::lora::{Lora, LoraSettings};
use super::save::SaveError;

/// What PEFT calls the two files.
const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

/// More bytes no configuration of an adapter has.
const MAX_CONFIG: u64 = 1 << 20;

/// What PEFT puts before the names of the base model.
const PREFIX: &str = "base_model.model.";

/// Why an adapter cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// The configuration cannot be used.
    #[error("{CONFIG}: {0}")]
    Config(String),
    /// The weights' file.
    #[error(transparent)]
    Checkpoint(#[from] Box<CheckpointError>),
    /// No adapter at all.
    #[error("there is no adapter; an adapter's folder has {CONFIG} and {WEIGHTS}")]
    None,
    /// A tensor that the model has no place for.
    #[error("the tensor {0} belongs to no matrix of this model")]
    Stranger(String),
    /// A tensor that cannot be read or does not fit.
    #[error(transparent)]
    Tensor(#[from] OpenError),
}

impl Decoder {
    /// Adds to its weights what the adapter in `folder` changes, and forgets the adapter.
    ///
    /// # Errors
    /// [`AdapterError`]; then the weights are as they were.
    pub fn merge_adapter(&mut self, folder: &Path) -> Result<(), AdapterError> {
        let config = read_config(folder)?;
        let checkpoint = Checkpoint::open(folder).map_err(Box::new)?;
        if checkpoint.kind() != CheckpointKind::Adapter {
            return Err(AdapterError::None);
        }
        let _guard = tch::no_grad_guard();
        let mut changed: Vec<(usize, Tensor)> = Vec::new();
        let mut taken: Vec<String> = Vec::new();
        let mut take = |name: String, shape: Vec<i64>| -> Result<Option<Tensor>, OpenError> {
            let Some(input) = checkpoint.input(&name) else { return Ok(None) };
            taken.push(name.clone());
            let spec = TensorSpec { name, shape };
            read(&spec, &fitting(input, &spec)?).map(Some)
        };
        for linear in self.plan.linears() {
            let module = self.plan.module(linear);
            let [outputs, inputs] = self.plan.sides(linear);
            let rank = config.rank_of(module);
            let name = |factor| format!("{PREFIX}{module}.lora_{factor}.weight");
            let a = take(name("A"), vec![i64::from(rank), inputs])?;
            let b = take(name("B"), vec![outputs, i64::from(rank)])?;
            let (a, b) = match (a, b) {
                (None, None) => continue,
                (Some(a), Some(b)) => (a, b),
                (a, _) => {
                    let missing = if a.is_none() { "A" } else { "B" };
                    return Err(OpenError::Missing(name(missing)).into());
                }
            };
            let root = match config.scaling() {
                Scaling::Rank => f64::from(rank),
                Scaling::RootOfRank => f64::from(rank).sqrt(),
            };
            let change = b.matmul(&a) * (config.alpha_of(module) / root);
            let change = if linear.is_transposed { change.transpose(0, 1) } else { change };
            changed.push((linear.weight, &self.weights[linear.weight] + change));
        }
        for (at, spec) in self.plan.tensors.iter().enumerate() {
            if let Some(whole) = take(format!("{PREFIX}{}", spec.name), spec.shape.clone())? {
                changed.push((at, whole));
            }
        }
        let stranger = checkpoint.tensors().find(|tensor| !taken.contains(&tensor.name));
        if let Some(stranger) = stranger {
            return Err(AdapterError::Stranger(stranger.name.clone()));
        }
        for (at, weight) in changed {
            self.weights[at] = weight;
        }
        Ok(())
    }

    /// Writes what stands beside its matrices to the new folder `to`, as PEFT does; `base` is what it
    /// calls the base. Without LoRA there is nothing to write.
    ///
    /// # Errors
    /// [`SaveError`].
    pub fn save_adapter(&self, base: &str, to: &Path) -> Result<(), SaveError> {
        let failed = |path: &Path, source| SaveError::Write { path: path.to_owned(), source };
        if to.exists() {
            return Err(SaveError::Exists(to.to_owned()));
        }
        let Some(lora) = self.lora() else { return Ok(()) };
        fs::create_dir_all(to).map_err(|error| failed(to, error))?;
        let whole = lora
            .whole()
            .iter()
            .map(|&at| (format!("{PREFIX}{}", self.plan.tensors[at].name), &self.weights[at]));
        let tensors = lora.factors().chain(whole);
        let path = to.join(WEIGHTS);
        let bytes = weights_bytes(tensors, ("format", "pt"))
            .map_err(|reason| failed(&path, std::io::Error::other(reason)))?;
        let config = to.join(CONFIG);
        let text = format!("{:#}\n", self.config(lora, base));
        write_whole(&config, text.as_bytes()).map_err(|error| failed(&config, error))?;
        write_whole(&path, &bytes).map_err(|error| failed(&path, error))?;
        sync_folder(to).map_err(|error| failed(to, error))
    }

    fn config(&self, lora: &Lora, base: &str) -> Value {
        let LoraSettings { rank, alpha, is_rank_stabilised, dropout, saved, .. } = lora.settings();
        let mut targets = lora.settings().targets_for(self.architecture());
        if targets.iter().any(|target| target == "all-linear") {
            let last = |module: &str| module.rsplit('.').next().unwrap_or(module).to_owned();
            targets = lora.modules().map(last).collect();
            targets.sort();
            targets.dedup();
        }
        json!({
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "auto_mapping": null,
            "base_model_name_or_path": base, "revision": null, "inference_mode": true,
            "r": rank, "lora_alpha": alpha, "lora_dropout": dropout, "use_rslora": is_rank_stabilised,
            "target_modules": targets, "exclude_modules": null,
            "modules_to_save": if saved.is_empty() { Value::Null } else { json!(saved) },
            "bias": "none", "fan_in_fan_out": self.architecture().family == Family::Gpt2,
            "init_lora_weights": true, "use_dora": false, "rank_pattern": {}, "alpha_pattern": {},
            "layers_to_transform": null, "layers_pattern": null,
        })
    }
}

fn read_config(folder: &Path) -> Result<AdapterConfig, AdapterError> {
    let path = folder.join(CONFIG);
    let fault = |reason: String| AdapterError::Config(reason);
    let bytes = read_up_to(&path, MAX_CONFIG).map_err(|error| fault(error.to_string()))?;
    AdapterConfig::parse(&bytes).map_err(|error| fault(chain(error)))
}
