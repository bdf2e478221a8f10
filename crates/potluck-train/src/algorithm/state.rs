//! Where a run stands: weights, moments and step in one file, and the folder that it lies in.
//!
//! The file is replaced by one rename every [`CHECKPOINT_EVERY`] steps. It names the run that it
//! belongs to (a digest of everything that the run's result depends on), so that a folder cannot
//! be continued with other settings by mistake.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Tensor;

use crate::bad_input::BadInput;
use crate::files::write_whole;
use crate::model::{Decoder, Shape, TensorSpec, read_weights, weights_bytes};

use super::adamw::AdamW;

/// A run loses at most so many steps to a kill.
pub(super) const CHECKPOINT_EVERY: u64 = 20;

/// The folder of one run: `checkpoint.safetensors`, `metrics.jsonl`, and at the end `result.json`.
#[derive(Debug, Clone)]
pub struct WorkFolder {
    path: PathBuf,
    /// The digest of the run's settings.
    run: String,
}

/// Weights and optimiser between two steps.
#[derive(Debug)]
pub struct RunState {
    /// The stage, counted from 0.
    pub stage: u64,
    /// Steps of the stage that are done.
    pub step: u64,
    /// The model in training.
    pub decoder: Decoder,
    /// Its optimiser.
    pub optimiser: AdamW,
    /// The last figures by which the run decides when to stop.
    pub recent: Vec<f64>,
    /// Seconds of work that led here, over all processes.
    pub seconds: f64,
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

/// What of a state is no tensor. Floats stand as their bits: a state must come back exactly.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    run: String,
    stage: u64,
    step: u64,
    taken: u64,
    recent: Vec<u64>,
    seconds: u64,
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
            return Err(self.other_run(&path).into());
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
        match fs::remove_file(self.file("checkpoint.safetensors")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk(error)),
            _ => Ok(()),
        }
    }

    /// The last checkpoint, if there is one.
    ///
    /// # Errors
    /// [`StateError`] where the file cannot be read, is damaged or is another run's.
    pub fn checkpoint(&self, shape: &Shape) -> Result<Option<RunState>, StateError> {
        let path = self.file("checkpoint.safetensors");
        let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
        let damaged = |reason: String| {
            BadInput::new(format!("{}: {reason}; delete it to begin anew", path.display()))
        };
        let header = read_header(&bytes).map_err(damaged)?;
        if header.run != self.run {
            return Err(self.other_run(&path).into());
        }
        let mut tensors = read_weights(&bytes, &specs(shape)).map_err(damaged)?;
        let second = tensors.split_off(2 * tensors.len() / 3);
        let first = tensors.split_off(tensors.len() / 2);
        let mut decoder = Decoder::new(shape.clone(), tensors);
        decoder.make_trainable();
        Ok(Some(RunState {
            stage: header.stage,
            step: header.step,
            decoder,
            optimiser: AdamW::resumed(header.taken, first, second),
            recent: header.recent.into_iter().map(f64::from_bits).collect(),
            seconds: f64::from_bits(header.seconds),
        }))
    }

    /// Keeps `state`, by one rename.
    ///
    /// # Errors
    /// [`StateError::Disk`] and [`StateError::Weights`].
    pub fn keep(&self, state: &RunState) -> Result<(), StateError> {
        let header = Header {
            run: self.run.clone(),
            stage: state.stage,
            step: state.step,
            taken: state.optimiser.taken,
            recent: state.recent.iter().map(|x| x.to_bits()).collect(),
            seconds: state.seconds.to_bits(),
        };
        let header = serde_json::to_string(&header).expect("numbers and strings have a JSON form");
        let names = specs(state.decoder.shape()).into_iter().map(|spec| spec.name);
        let (optimiser, weights) = (&state.optimiser, state.decoder.weights());
        let tensors = weights.iter().chain(&optimiser.first).chain(&optimiser.second);
        let bytes =
            weights_bytes(names.zip(tensors), ("state", &header)).map_err(StateError::Weights)?;
        let path = self.file("checkpoint.safetensors");
        write_whole(&path, &bytes).map_err(|error| StateError::Disk(path, error))
    }

    fn other_run(&self, path: &Path) -> BadInput {
        BadInput::new(format!(
            "{}: it belongs to a run with other settings (recipe, seed, threads, base or reward); name another folder, or delete this one",
            path.display()
        ))
    }
}

/// Weights, then first and second moments, each under its own prefix.
fn specs(shape: &Shape) -> Vec<TensorSpec> {
    ["weight", "first", "second"]
        .iter()
        .flat_map(|part| {
            shape.tensors().into_iter().map(move |TensorSpec { name, shape }| TensorSpec {
                name: format!("{part}/{name}"),
                shape,
            })
        })
        .collect()
}

fn read_header(bytes: &[u8]) -> Result<Header, String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let text = metadata.metadata().as_ref().and_then(|entries| entries.get("state"));
    let text = text.ok_or("it is no checkpoint of a run")?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StateError::Disk(path.to_owned(), error)),
    }
}

impl RunState {
    /// The start of stage `stage` from `decoder`, whose weights it lets be trained.
    pub fn begin(stage: u64, mut decoder: Decoder, seconds: f64) -> Self {
        decoder.make_trainable();
        let optimiser = AdamW::new(decoder.weights(), Default::default());
        Self { stage, step: 0, decoder, optimiser, recent: Vec::new(), seconds }
    }

    /// The mean of the last figures: for RL, the divergence from the base in nats a completion.
    pub fn recent_kl(&self) -> f64 {
        self.recent.iter().sum::<f64>() / self.recent.len().max(1) as f64
    }

    /// The weights, for a file or another stage.
    pub fn weights(&self) -> Vec<Tensor> {
        self.decoder.weights().iter().map(|weight| weight.detach().copy()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::ModelRecipe;
    use serde_json::json;

    fn state() -> RunState {
        let recipe = ModelRecipe { hidden: 16, layers: 1, heads: 2, kv_heads: 1, feed_forward: 8 };
        let mut state = RunState::begin(1, Decoder::random(Shape::new(&recipe, 20), 3), 0.1);
        state.decoder.weights()[0].square().sum(None).backward();
        let rest: Tensor = state.decoder.weights()[1..].iter().map(|w| w.sum(None)).sum();
        rest.backward();
        state.optimiser.step(state.decoder.weights(), 1e-3, 0.0, 1.0);
        state.step = 40;
        state.recent = vec![0.1, 1.0 / 3.0];
        state
    }

    #[test]
    fn a_state_comes_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let work = WorkFolder::new(folder.path(), &json!({"seed": 1}));
        let state = state();
        assert!(work.checkpoint(state.decoder.shape()).unwrap().is_none());
        work.keep(&state).unwrap();
        let back = work.checkpoint(state.decoder.shape()).unwrap().unwrap();
        assert_eq!(
            (back.stage, back.step, &back.recent, back.seconds),
            (1, 40, &state.recent, 0.1)
        );
        assert_eq!(back.optimiser.taken, 1);
        let all = |s: &RunState| {
            let RunState { decoder, optimiser, .. } = s;
            let tensors = decoder.weights().iter().chain(&optimiser.first).chain(&optimiser.second);
            tensors
                .map(|t| Vec::<f32>::try_from(t.detach().view([-1])).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(all(&back), all(&state));
    }

    #[test]
    fn another_runs_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let ours = WorkFolder::new(folder.path(), &json!({"seed": 1}));
        let other = WorkFolder::new(folder.path(), &json!({"seed": 2}));
        ours.keep(&state()).unwrap();
        let error = other.checkpoint(state().decoder.shape()).unwrap_err().to_string();
        assert!(error.contains("other settings"), "{error}");
        ours.finish(&json!({"kl": 4.25})).unwrap();
        assert_eq!(ours.result().unwrap(), Some(json!({"kl": 4.25})));
        assert!(other.result().unwrap_err().to_string().contains("other settings"));
        assert!(ours.checkpoint(state().decoder.shape()).unwrap().is_none(), "it was dropped");
    }

    #[test]
    fn a_damaged_checkpoint_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let work = WorkFolder::new(folder.path(), &json!({}));
        work.keep(&state()).unwrap();
        let path = work.file("checkpoint.safetensors");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = work.checkpoint(state().decoder.shape()).unwrap_err().to_string();
        assert!(error.contains("delete it to begin anew"), "{error}");
    }
}
