//! Where a run stands, in one file that is replaced by one rename: tensors, and what else there is.
//!
//! The file names the run that it belongs to (a digest of everything that the run's result depends
//! on), so that a folder cannot be continued with other settings by mistake. It is written tensor by
//! tensor: no second copy of a model is in memory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use potluck_soup::Dtype;
use safetensors::{SafeTensorError, SafeTensors};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::bad_input::{BadInput, chain};
use crate::hf::{SaveError, write_tensors};
use crate::model::{TensorSpec, read_weights};

use super::state::StateError;

/// The file of one run.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    path: PathBuf,
    /// The digest of the run's settings.
    run: String,
}

/// What was read of it.
#[derive(Debug)]
pub(crate) struct Kept<H> {
    /// What of it is no tensor.
    pub(crate) rest: H,
    path: PathBuf,
    bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<H> {
    run: String,
    rest: H,
}

impl Checkpoint {
    pub(super) fn new(path: PathBuf, run: String) -> Self {
        Self { path, run }
    }

    pub(crate) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Reads all but the tensors, if there is a file.
    pub(crate) fn read<H: DeserializeOwned>(&self) -> Result<Option<Kept<H>>, StateError> {
        let Some(bytes) = read_if_there(&self.path)? else { return Ok(None) };
        let header: Header<H> =
            read_header(&bytes).map_err(|reason| damaged(&self.path, &reason))?;
        match header.run == self.run {
            true => Ok(Some(Kept { rest: header.rest, path: self.path.clone(), bytes })),
            false => Err(other_run(&self.path).into()),
        }
    }

    /// Puts `rest` and tensors with their names there.
    pub(crate) fn write<'a>(
        &self,
        rest: &impl Serialize,
        tensors: impl Iterator<Item = (String, &'a Tensor)>,
    ) -> Result<(), StateError> {
        let header = Header { run: self.run.clone(), rest };
        let header = serde_json::to_string(&header).expect("numbers and texts have a JSON form");
        let disk = |error| StateError::Disk(self.path.clone(), error);
        fs::create_dir_all(self.path.parent().unwrap_or(Path::new("."))).map_err(disk)?;
        let tensors = tensors.map(|(name, tensor)| ((name, Dtype::F32), tensor));
        write_tensors(&self.path, ("state", &header), tensors).map_err(|error| match error {
            SaveError::Write { source, .. }
            | SaveError::Weights { source: SafeTensorError::IoError(source), .. } => disk(source),
            other => StateError::Weights(chain(other)),
        })
    }

    /// Deletes it, if there is one.
    pub(super) fn remove(&self) -> Result<(), StateError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StateError::Disk(self.path.clone(), error))
            }
            _ => Ok(()),
        }
    }
}

impl<H> Kept<H> {
    /// The tensors of `specs`, which must be all that there are.
    pub(crate) fn tensors(&self, specs: &[TensorSpec]) -> Result<Vec<Tensor>, BadInput> {
        read_weights(&self.bytes, specs).map_err(|reason| damaged(&self.path, &reason))
    }
}

fn read_header<H: DeserializeOwned>(bytes: &[u8]) -> Result<Header<H>, String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let text = metadata.metadata().as_ref().and_then(|entries| entries.get("state"));
    let text = text.ok_or("it is no checkpoint of a run")?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn damaged(path: &Path, reason: &str) -> BadInput {
    BadInput::file(path, &format!("{reason}; delete it to begin anew"))
}

/// `path` is another run's.
pub(super) fn other_run(path: &Path) -> BadInput {
    BadInput::file(
        path,
        &"it belongs to a run with other settings (recipe, data, seed, threads, base or reward); name another folder, or delete this one",
    )
}

pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StateError::Disk(path.to_owned(), error)),
    }
}
