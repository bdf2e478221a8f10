//! A checkpoint as it lies on the disk, opened: one file, a Hugging Face folder, or a PEFT adapter's folder.
//!
//! ```text
//! FILE                     any safetensors file
//! FOLDER/model.safetensors                          one file
//! FOLDER/model.safetensors.index.json               names the shards and what is in each
//! FOLDER/adapter_config.json, adapter_model.safetensors   a PEFT adapter
//! ```
//!
//! What comes out is one list of tensors in byte order of names, wherever each of them lies. Headers are read, no
//! weight is. A folder that could mean two things is refused, and so is a shard that disagrees with its index: a
//! tensor that one tool reads and another does not see would be a soup that two people do not agree on.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::blend::Input;
pub use crate::index::INDEX;
use crate::index::{IndexError, ShardIndex};
use crate::layout::{HeaderLimit, TensorLayout};
use crate::source::{Source, SourceError, Watch};

/// The file that holds the weights of a folder that keeps them in one.
pub use potluck_core::manifest::WEIGHTS;

/// A PEFT adapter's weights.
pub const ADAPTER_WEIGHTS: &str = "adapter_model.safetensors";
/// A PEFT adapter's configuration.
pub const ADAPTER_CONFIG: &str = "adapter_config.json";

/// Why a path is no checkpoint that can be mixed.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Nothing there that we read.
    #[error(
        "{} holds neither {WEIGHTS}, nor {INDEX}, nor {ADAPTER_CONFIG} with {ADAPTER_WEIGHTS}", .0.display()
    )]
    Nothing(PathBuf),
    /// Weights in a format that runs code when it is read.
    #[error(
        "{} holds PyTorch's pickled weights only: save it with safetensors (save_pretrained does)", .0.display()
    )]
    Pickled(PathBuf),
    /// A model and an adapter in one folder.
    #[error("{} holds a model and an adapter: name the file that is meant", .0.display())]
    Ambiguous(PathBuf),
    /// A file of weights.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The index of the shards.
    #[error("{} is no index of shards", path.display())]
    Index {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: IndexError,
    },
    /// The index and a shard disagree.
    #[error("{} and its index disagree about tensor {tensor}", shard.display())]
    Shard {
        /// Which shard.
        shard: PathBuf,
        /// The tensor that only one of them knows, or that lies elsewhere.
        tensor: String,
    },
}

/// What a path turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One safetensors file.
    File,
    /// A folder with one file of weights, or with shards and their index.
    Folder,
    /// A PEFT adapter.
    Adapter,
}

/// A checkpoint whose headers are read and agree with one another.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    path: PathBuf,
    kind: Kind,
    is_indexed: bool,
    sources: Vec<Arc<Source>>,
    /// In byte order of names: which source, and which of its tensors.
    tensors: Vec<(u32, u32)>,
}

impl Checkpoint {
    /// Opens what stands at `path`.
    ///
    /// Memory: the headers of all its files.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        if !path.is_dir() {
            return Self::of(path, Kind::File, &[path.to_owned()]);
        }
        let has = |name: &str| path.join(name).is_file();
        let is_adapter = has(ADAPTER_CONFIG) && has(ADAPTER_WEIGHTS);
        match (has(WEIGHTS), has(INDEX), is_adapter) {
            (true, _, true) | (_, true, true) => Err(CheckpointError::Ambiguous(path.to_owned())),
            (_, _, true) => Self::of(path, Kind::Adapter, &[path.join(ADAPTER_WEIGHTS)]),
            // As transformers does: one file goes before an index.
            (true, _, _) => Self::of(path, Kind::Folder, &[path.join(WEIGHTS)]),
            (_, true, _) => Self::sharded(path),
            _ if has("pytorch_model.bin") || has("adapter_model.bin") => {
                Err(CheckpointError::Pickled(path.to_owned()))
            }
            _ => Err(CheckpointError::Nothing(path.to_owned())),
        }
    }

    /// Opens the file of weights at `path`, of which nothing is used that `watch` does not let pass.
    ///
    /// # Errors
    /// [`CheckpointError::Source`].
    pub fn open_watched(path: &Path, watch: Arc<dyn Watch>) -> Result<Self, CheckpointError> {
        let source = Source::open_watched(path, HeaderLimit::LOCAL, watch)?;
        Ok(Self::with(path, Kind::File, vec![Arc::new(source)]))
    }

    fn of(path: &Path, kind: Kind, files: &[PathBuf]) -> Result<Self, CheckpointError> {
        let open = |file: &PathBuf| Source::open(file, HeaderLimit::LOCAL).map(Arc::new);
        Ok(Self::with(path, kind, files.iter().map(open).collect::<Result<_, _>>()?))
    }

    fn with(path: &Path, kind: Kind, sources: Vec<Arc<Source>>) -> Self {
        let mut tensors: Vec<(u32, u32)> = Vec::new();
        for (number, source) in (0..).zip(&sources) {
            tensors.extend((0..).zip(source.layout().tensors()).map(|(at, _)| (number, at)));
        }
        let name = |&(source, at): &(u32, u32)| named(&sources, source, at);
        tensors.sort_by(|a, b| name(a).cmp(name(b)));
        Self { path: path.to_owned(), kind, is_indexed: false, sources, tensors }
    }

    /// Each shard holds exactly the tensors that the index says it holds.
    fn sharded(folder: &Path) -> Result<Self, CheckpointError> {
        let path = folder.join(INDEX);
        let index =
            File::open(&path).map_err(IndexError::Read).and_then(|it| ShardIndex::read(&it));
        let index = index.map_err(|source| CheckpointError::Index { path, source })?;
        let files: Vec<_> = index.shards().iter().map(|shard| folder.join(shard)).collect();
        let mut checkpoint = Self::of(folder, Kind::Folder, &files)?;
        checkpoint.is_indexed = true;
        let mut listed = index.weight_map();
        for &(source, at) in &checkpoint.tensors {
            let there = named(&checkpoint.sources, source, at);
            let shard = &files[source as usize];
            let disagree = |tensor: &str| {
                Err(CheckpointError::Shard { shard: shard.clone(), tensor: tensor.to_owned() })
            };
            match listed.next() {
                Some((name, file)) if name == there && folder.join(file) == *shard => {}
                Some((name, _)) if name < there => return disagree(name),
                _ => return disagree(there),
            }
        }
        match listed.next() {
            Some((name, file)) => {
                Err(CheckpointError::Shard { shard: folder.join(file), tensor: name.to_owned() })
            }
            None => Ok(checkpoint),
        }
    }

    /// Where it stands.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether an index says which tensor lies in which file.
    pub fn is_indexed(&self) -> bool {
        self.is_indexed
    }

    /// Its files of weights, in byte order of their names.
    pub fn sources(&self) -> &[Arc<Source>] {
        &self.sources
    }

    /// The tensors in byte order of their names; ranges count from the start of each one's own file.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = &TensorLayout> {
        self.tensors
            .iter()
            .map(|&(source, at)| &self.sources[source as usize].layout().tensors()[at as usize])
    }

    /// For each of the tensors, in byte order of names: which source it is in, and which of its tensors it is.
    pub(crate) fn places(&self) -> &[(u32, u32)] {
        &self.tensors
    }

    /// The tensor of that name, ready to be read.
    pub fn input(&self, name: &str) -> Option<Input> {
        let order = |&(source, at): &(u32, u32)| named(&self.sources, source, at).cmp(name);
        let (source, at) = self.tensors[self.tensors.binary_search_by(order).ok()?];
        Some(Input::new(Arc::clone(&self.sources[source as usize]), at as usize))
    }

    /// The name of the file, within the folder, that holds the tensor of that name.
    pub fn file_of(&self, name: &str) -> Option<&str> {
        let order = |&(source, at): &(u32, u32)| named(&self.sources, source, at).cmp(name);
        let (source, _) = self.tensors[self.tensors.binary_search_by(order).ok()?];
        self.sources[source as usize].path().file_name()?.to_str()
    }

    /// The bytes of all tensors together.
    pub fn data_bytes(&self) -> u64 {
        self.tensors().map(TensorLayout::bytes).sum()
    }
}

fn named(sources: &[Arc<Source>], source: u32, at: u32) -> &str {
    &sources[source as usize].layout().tensors()[at as usize].name
}

#[cfg(test)]
mod tests;
