//! Where a run stands: weights, moments and step in one file, replaced by one rename.
//!
//! The file names the run that it belongs to, by a digest of everything that the result depends
//! on. It is written tensor by tensor, so that no second copy of a model is in memory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use potluck_soup::Dtype;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::algorithm::AdamW;
use crate::bad_input::BadInput;
use crate::hf::write_tensors;
use crate::model::{TensorSpec, read_weights};
use crate::tune::StateError;

/// The file of one run.
#[derive(Debug)]
pub(super) struct Checkpoint {
    path: PathBuf,
    run: String,
}

/// Between two steps.
#[derive(Debug)]
pub(super) struct State {
    /// Steps that are done.
    pub(super) step: u64,
    /// Seconds of work that led here, over all processes.
    pub(super) seconds: f64,
    pub(super) optimiser: AdamW,
}

/// What of it is no tensor. Seconds stand as their bits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    run: String,
    step: u64,
    taken: u64,
    seconds: u64,
}

/// The prefixes of a weight's tensors.
const PARTS: [&str; 3] = ["weight", "first", "second"];

impl Checkpoint {
    pub(super) fn new(path: PathBuf, run: String) -> Self {
        Self { path, run }
    }

    pub(super) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Puts the kept weights into `weights` and returns the rest, if there is a file.
    pub(super) fn read(
        &self,
        specs: &[TensorSpec],
        weights: &[Tensor],
    ) -> Result<Option<State>, StateError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StateError::Disk(self.path.clone(), error)),
        };
        let damaged = |reason: String| {
            BadInput::file(&self.path, &format!("{reason}; delete it to begin anew"))
        };
        let header = read_header(&bytes).map_err(damaged)?;
        if header.run != self.run {
            return Err(BadInput::file(
                &self.path,
                &"it belongs to a run with other settings, pairs or base, another seed or other threads; name another folder, or delete this one",
            )
            .into());
        }
        let named = PARTS.iter().flat_map(|part| specs.iter().map(move |spec| named(part, spec)));
        let mut tensors = read_weights(&bytes, &named.collect::<Vec<_>>()).map_err(damaged)?;
        let second = tensors.split_off(2 * specs.len());
        let first = tensors.split_off(specs.len());
        let _guard = tch::no_grad_guard();
        for (weight, kept) in weights.iter().zip(&tensors) {
            weight.shallow_clone().copy_(kept);
        }
        let optimiser = AdamW::resumed(header.taken, first, second);
        Ok(Some(State { step: header.step, seconds: f64::from_bits(header.seconds), optimiser }))
    }

    pub(super) fn write(
        &self,
        specs: &[TensorSpec],
        weights: &[Tensor],
        state: &State,
    ) -> Result<(), StateError> {
        let header = Header {
            run: self.run.clone(),
            step: state.step,
            taken: state.optimiser.taken,
            seconds: state.seconds.to_bits(),
        };
        let header = serde_json::to_string(&header).expect("numbers and texts have a JSON form");
        let disk = |error| StateError::Disk(self.path.clone(), error);
        fs::create_dir_all(self.path.parent().unwrap_or(Path::new("."))).map_err(disk)?;
        let names =
            PARTS.iter().flat_map(|part| specs.iter().map(move |spec| named(part, spec).name));
        let AdamW { first, second, .. } = &state.optimiser;
        let tensors = names.zip(weights.iter().chain(first).chain(second));
        let tensors = tensors.map(|(name, tensor)| ((name, Dtype::F32), tensor));
        write_tensors(&self.path, ("state", &header), tensors)
            .map_err(|error| StateError::Weights(format!("{:#}", anyhow::Error::new(error))))
    }
}

fn named(part: &str, spec: &TensorSpec) -> TensorSpec {
    TensorSpec { name: format!("{part}/{}", spec.name), shape: spec.shape.clone() }
}

fn read_header(bytes: &[u8]) -> Result<Header, String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let text = metadata.metadata().as_ref().and_then(|entries| entries.get("state"));
    let text = text.ok_or("it is no checkpoint of a run")?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}
