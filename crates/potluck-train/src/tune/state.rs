//! Where a run stands: weights, moments and counters, and the folder that they lie in.
//!
//! Random numbers need no state: every stream follows from the seed and the step.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Tensor;

use crate::algorithm::AdamW;
use crate::bad_input::BadInput;
use crate::files::write_whole;
use crate::model::TensorSpec;

use super::checkpoint::{Checkpoint, other_run, read_if_there};
use super::figures::Figures;
use super::policy::Policy;

/// The folder of one run: `checkpoint.safetensors`, `metrics.jsonl`, and at the end `result.json`.
#[derive(Debug, Clone)]
pub struct WorkFolder {
    path: PathBuf,
    /// The digest of the run's settings.
    run: String,
}

/// Weights, optimiser and counters between two steps.
#[derive(Debug)]
pub struct RunState {
    /// The model in training.
    pub policy: Policy,
    /// Its optimiser.
    pub optimiser: AdamW,
    /// The mean of weights over steps, where one is kept.
    pub average: Option<Vec<Tensor>>,
    /// The weights of the best step so far, where a guard has named one.
    pub best: Option<Vec<Tensor>>,
    /// What else there is.
    pub counters: Counters,
}

/// What of a state is no tensor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// The stage, where there are several; counted from 0.
    pub stage: u64,
    /// Steps that are done.
    pub step: u64,
    /// The last figures by which the run decides when to stop.
    #[serde(with = "bits")]
    pub recent: Vec<f64>,
    /// What a nat costs now; empty before the first step.
    #[serde(with = "bits")]
    pub kl_cost: Vec<f64>,
    /// Seconds of work that led here, over all processes.
    #[serde(with = "bits")]
    pub seconds: Vec<f64>,
    /// What rewards remember between batches.
    pub rewards: Value,
    /// What guards remember.
    pub guards: Value,
    /// Which guard ended the run, and its words; empty while it goes on.
    pub ended: Vec<String>,
}

/// Floats as their bits: a state must come back exactly.
mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(values: &[f64], to: S) -> Result<S::Ok, S::Error> {
        values.iter().map(|value| value.to_bits()).collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
        Ok(Vec::<u64>::deserialize(from)?.into_iter().map(f64::from_bits).collect())
    }
}

/// The run's state could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file system refused.
    #[error("cannot keep the run's state in {}", .0.display())]
    Disk(PathBuf, #[source] io::Error),
    /// The state has no file form.
    #[error("{0}")]
    Weights(String),
    /// The folder is another run's, or damaged.
    #[error(transparent)]
    Folder(#[from] BadInput),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    taken: u64,
    has_average: bool,
    has_best: bool,
    counters: Counters,
}

impl WorkFolder {
    /// The folder at `path` for the run that `settings` describe.
    pub fn new(path: &Path, settings: &Value) -> Self {
        let run = blake3::hash(settings.to_string().as_bytes()).to_hex().to_string();
        Self { path: path.to_owned(), run }
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The result, where the run is over.
    ///
    /// # Errors
    /// [`StateError`] where the file cannot be read or is another run's.
    pub fn result(&self) -> Result<Option<Value>, StateError> {
        let path = self.file("result.json");
        let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
        let mut result: Value =
            serde_json::from_slice(&bytes).map_err(|e| BadInput::file(&path, &e))?;
        let of = result.get_mut("run").map(Value::take);
        if of.as_ref().and_then(Value::as_str) != Some(self.run.as_str()) {
            return Err(other_run(&path).into());
        }
        if let Some(object) = result.as_object_mut() {
            object.remove("run");
        }
        Ok(Some(result))
    }

    /// Keeps the result and drops the checkpoint, which is of no use any more.
    ///
    /// # Errors
    /// [`StateError::Disk`].
    pub fn finish(&self, result: &Value) -> Result<(), StateError> {
        let mut kept = result.clone();
        kept["run"] = Value::from(self.run.as_str());
        let path = self.file("result.json");
        let disk = |error| StateError::Disk(path.clone(), error);
        write_whole(&path, format!("{kept}\n").as_bytes()).map_err(disk)?;
        self.checkpoint().remove()
    }

    /// The file between two steps.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint::new(self.file("checkpoint.safetensors"), self.run.clone())
    }

    /// Puts the last checkpoint into `state`, which is a run's begin; says whether there is one.
    ///
    /// # Errors
    /// [`StateError`] where the file cannot be read, is damaged or is another run's.
    pub fn restore(&self, state: &mut RunState) -> Result<bool, StateError> {
        let Some(kept) = self.checkpoint().read::<Header>()? else { return Ok(false) };
        let specs = specs(&state.policy, kept.rest.has_average, kept.rest.has_best);
        let mut tensors = kept.tensors(&specs)?;
        let header = kept.rest;
        let count = state.policy.trained().len();
        let mut average = tensors.split_off(3 * count);
        let best = average.split_off(if header.has_average { count } else { 0 });
        let second = tensors.split_off(2 * count);
        let first = tensors.split_off(count);
        let device = state.policy.decoder().device();
        let there = |tensors: Vec<Tensor>| -> Vec<Tensor> {
            tensors.into_iter().map(|tensor| tensor.to_device(device)).collect()
        };
        state.policy.put_trained(there(tensors));
        state.optimiser.taken = header.taken;
        state.optimiser.first = there(first);
        state.optimiser.second = there(second);
        state.average = header.has_average.then(|| there(average));
        state.best = header.has_best.then(|| there(best));
        state.counters = header.counters;
        Ok(true)
    }

    /// Keeps `state`, by one rename.
    ///
    /// # Errors
    /// [`StateError::Disk`] and [`StateError::Weights`].
    pub fn keep(&self, state: &RunState) -> Result<(), StateError> {
        let header = Header {
            taken: state.optimiser.taken,
            has_average: state.average.is_some(),
            has_best: state.best.is_some(),
            counters: state.counters.clone(),
        };
        let names = specs(&state.policy, header.has_average, header.has_best);
        let names = names.into_iter().map(|spec| spec.name);
        let trained = state.policy.trained();
        let weights = trained.iter().map(|(_, tensor)| *tensor);
        let optimiser = &state.optimiser;
        let tensors = weights.chain(&optimiser.first).chain(&optimiser.second);
        let more = state.average.iter().flatten().chain(state.best.iter().flatten());
        self.checkpoint().write(&header, names.zip(tensors.chain(more)))
    }
}

/// Weights, first and second moments, their mean and the best, each under its own prefix.
fn specs(policy: &Policy, has_average: bool, has_best: bool) -> Vec<TensorSpec> {
    let more = [("average", has_average), ("best", has_best)];
    let more = more.into_iter().filter(|(_, is_there)| *is_there).map(|(part, _)| part);
    ["weight", "first", "second"]
        .into_iter()
        .chain(more)
        .flat_map(|part| {
            policy.trained().into_iter().map(move |(name, tensor)| TensorSpec {
                name: format!("{part}/{name}"),
                shape: tensor.size(),
            })
        })
        .collect()
}

impl RunState {
    /// The start of a run.
    pub fn begin(policy: Policy, optimiser: AdamW, keeps_average: bool) -> Self {
        let average = keeps_average
            .then(|| policy.trained().iter().map(|(_, tensor)| tensor.detach().copy()).collect());
        Self { policy, optimiser, average, best: None, counters: Counters::default() }
    }

    /// The mean of the last figures: for RL, the divergence from the base in nats a completion.
    pub fn recent_kl(&self) -> f64 {
        let recent = &self.counters.recent;
        recent.iter().sum::<f64>() / recent.len().max(1) as f64
    }

    /// Keeps what a step says about when to stop: the last `window` divergences, and the time.
    pub fn remember(&mut self, figures: &Figures, window: usize) {
        let recent = &mut self.counters.recent;
        recent.push(figures.kl);
        if recent.len() > window {
            recent.remove(0);
        }
        self.add_seconds(figures.seconds.all);
    }

    /// Keeps the weights as the best so far.
    pub fn mark_best(&mut self) {
        let trained = self.policy.trained();
        self.best = Some(trained.iter().map(|(_, tensor)| tensor.detach().copy()).collect());
    }

    /// Goes back to the best weights, if a guard has named some; says whether it has.
    pub fn return_to_best(&mut self) -> bool {
        let Some(best) = self.best.take() else { return false };
        self.policy.put_trained(best);
        self.average = None;
        true
    }

    /// Counts seconds of work.
    pub fn add_seconds(&mut self, seconds: f64) {
        self.counters.seconds = vec![self.seconds() + seconds];
    }

    /// Seconds of work that led here, over all processes.
    pub fn seconds(&self) -> f64 {
        self.counters.seconds.first().copied().unwrap_or_default()
    }

    /// Moves the mean of weights towards what they are: the new ones weigh 1 − `decay`.
    pub fn follow(&mut self, decay: f64) {
        let _guard = tch::no_grad_guard();
        let trained = self.policy.trained();
        for (mean, (_, weight)) in self.average.iter_mut().flatten().zip(&trained) {
            let _ = mean.lerp_(&weight.detach(), 1.0 - decay);
        }
    }
}
