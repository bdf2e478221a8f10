//! A model folder, opened: its configuration and the headers of its weights agree.
//!
//! Opening reads `config.json` and headers, checks every name, shape and type, and allocates
//! nothing for weights. Loading then reads one tensor after the other into F32.

use std::io;
use std::path::{Path, PathBuf};

use potluck_soup::blend::{BlendError, Input};
use potluck_soup::checkpoint::Kind as CheckpointKind;
use potluck_soup::{Checkpoint, CheckpointError, Dtype};
use tch::{Kind, Tensor};

use crate::files::read_up_to;
use crate::model::TensorSpec;

use super::architecture::Architecture;
use super::decoder::Decoder;
use super::families;
use super::plan::{self, Plan};
use super::settings::{ConfigError, MAX_CONFIG};

/// The file that says what a model is.
pub(super) const CONFIG: &str = "config.json";

/// What may say otherwise than the configuration where a text ends.
const GENERATION: &str = "generation_config.json";

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration could not be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The configuration asks for what we do not compute.
    #[error("{} cannot be used", path.display())]
    Config {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: ConfigError,
    },
    /// The weights' files.
    #[error(transparent)]
    Checkpoint(Box<CheckpointError>),
    /// An adapter has no weights of its own.
    #[error("{} holds an adapter, not a model", .0.display())]
    Adapter(PathBuf),
    /// A tensor without which nothing can be computed.
    #[error("the tensor {0} is missing")]
    Missing(String),
    /// A tensor that this architecture has not.
    #[error("the tensor {0} is none of this model's")]
    Unknown(String),
    /// One tensor under two names.
    #[error("the tensors {0} and {1} are one and the same in this model")]
    Twice(String, String),
    /// A tensor of another shape than the configuration says.
    #[error("the tensor {name} has shape {found:?}; the configuration asks for {expected:?}")]
    Shape {
        /// Which tensor.
        name: String,
        /// In the file.
        found: Vec<u64>,
        /// By the configuration.
        expected: Vec<i64>,
    },
    /// A tensor of a type that is not computed with.
    #[error("the tensor {name} is of type {found}; F32, BF16 and F16 can be used")]
    Type {
        /// Which tensor.
        name: String,
        /// In the file.
        found: &'static str,
    },
    /// A tensor whose bytes could not be read.
    #[error("the tensor {name} cannot be read")]
    Tensor {
        /// Which tensor.
        name: String,
        /// Why.
        source: Box<BlendError>,
    },
    /// libtorch would not take it.
    #[error("there is no memory for the tensor {name}: {reason}")]
    Memory {
        /// Which tensor.
        name: String,
        /// In libtorch's words.
        reason: String,
    },
    /// The tokenizer, without which a text has no tokens.
    #[error("{} cannot be used: {reason}", path.display())]
    Tokenizer {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// An infinity, or what is no number.
    #[error("the tensor {0} has a value that is not finite")]
    NotFinite(String),
}

/// A folder whose configuration and headers agree.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// As read: it is passed on unchanged.
    config: Vec<u8>,
    architecture: Architecture,
    plan: Plan,
    ends: Vec<i64>,
    /// For each tensor of the plan, where it lies.
    inputs: Vec<Input>,
}

impl Folder {
    /// Opens the folder at `path`; memory for headers alone.
    ///
    /// # Errors
    /// [`OpenError`], which names the key or the tensor.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let config = read_text(&path.join(CONFIG))?;
        let architecture = Architecture::parse(&config).map_err(refusal(path, CONFIG))?;
        let ends = read_ends(path, &architecture)?;
        let plan = Plan::of(&architecture);
        let checkpoint =
            Checkpoint::open(path).map_err(|it| OpenError::Checkpoint(Box::new(it)))?;
        if checkpoint.kind() == CheckpointKind::Adapter {
            return Err(OpenError::Adapter(path.to_owned()));
        }
        let inputs: Vec<Input> =
            plan.tensors().iter().map(|spec| find(&checkpoint, spec)).collect::<Result<_, _>>()?;
        let mut taken: Vec<&str> = inputs.iter().map(|it| it.tensor().name.as_str()).collect();
        taken.sort_unstable();
        let stray = checkpoint.tensors().map(|tensor| tensor.name.as_str()).find(|name| {
            taken.binary_search(name).is_err() && !plan::is_ignored(&architecture, name)
        });
        match stray {
            Some(name) => Err(OpenError::Unknown(name.to_owned())),
            None => Ok(Self { path: path.to_owned(), config, architecture, plan, ends, inputs }),
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of its `config.json`.
    pub fn config(&self) -> &[u8] {
        &self.config
    }

    /// What it is.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Names and shapes of its weights.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The tokens that end a text; none if the folder names none.
    pub fn ends(&self) -> &[i64] {
        &self.ends
    }

    /// The name and type that each tensor of the plan has in the files.
    pub(super) fn kept(&self) -> impl Iterator<Item = (&str, Dtype)> {
        self.inputs.iter().map(|input| (input.tensor().name.as_str(), input.dtype()))
    }

    /// Reads the weights; four bytes each, and the bytes of one tensor more.
    ///
    /// # Errors
    /// [`OpenError`], which names the tensor.
    pub fn load(&self) -> Result<Decoder, OpenError> {
        let specs = self.plan.tensors().iter().zip(&self.inputs);
        let weights = specs.map(|(spec, input)| read(spec, input)).collect::<Result<_, _>>()?;
        Ok(Decoder::new(self.architecture.clone(), self.plan.clone(), weights))
    }
}

/// The bytes of a text, of which no more is read than a configuration may have, and one byte.
pub(super) fn read_text(path: &Path) -> Result<Vec<u8>, OpenError> {
    read_up_to(path, MAX_CONFIG).map_err(|source| OpenError::Read { path: path.to_owned(), source })
}

pub(super) fn refusal(folder: &Path, name: &str) -> impl Fn(ConfigError) -> OpenError {
    let path = folder.join(name);
    move |source| OpenError::Config { path: path.clone(), source }
}

/// As `transformers` does: the generation's own file goes before the configuration.
fn read_ends(folder: &Path, model: &Architecture) -> Result<Vec<i64>, OpenError> {
    let path = folder.join(GENERATION);
    if !path.exists() {
        return Ok(model.ends.clone());
    }
    let bytes = read_text(&path)?;
    families::ends_of(&bytes, model.vocabulary).map_err(refusal(folder, GENERATION))
}

/// The tensor of the plan in the files, by whichever of its names, with the right shape and type.
fn find(checkpoint: &Checkpoint, spec: &TensorSpec) -> Result<Input, OpenError> {
    let other = plan::other_name(&spec.name).and_then(|name| checkpoint.input(name));
    let input = match (checkpoint.input(&spec.name), other) {
        (Some(one), Some(other)) => {
            return Err(OpenError::Twice(one.tensor().name.clone(), other.tensor().name.clone()));
        }
        (one, other) => one.or(other).ok_or_else(|| OpenError::Missing(spec.name.clone()))?,
    };
    fitting(input, spec)
}

/// `input`, if its shape is that of the plan and its type can be computed with.
pub(super) fn fitting(input: Input, spec: &TensorSpec) -> Result<Input, OpenError> {
    let tensor = input.tensor();
    if !tensor.shape.iter().copied().eq(spec.shape.iter().map(|&side| side as u64)) {
        return Err(OpenError::Shape {
            name: tensor.name.clone(),
            found: tensor.shape.clone(),
            expected: spec.shape.clone(),
        });
    }
    match tensor.dtype {
        Dtype::F32 | Dtype::Bf16 | Dtype::F16 => Ok(input),
        other => Err(OpenError::Type { name: tensor.name.clone(), found: other.name() }),
    }
}

pub(super) fn read(spec: &TensorSpec, input: &Input) -> Result<Tensor, OpenError> {
    let name = || input.tensor().name.clone();
    let memory = |reason: String| OpenError::Memory { name: name(), reason };
    let length = usize::try_from(input.tensor().bytes()).map_err(|it| memory(it.to_string()))?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|error| memory(error.to_string()))?;
    bytes.resize(length, 0);
    input
        .read(0, &mut bytes)
        .map_err(|source| OpenError::Tensor { name: name(), source: Box::new(source) })?;
    let kind = match input.dtype() {
        Dtype::Bf16 => Kind::BFloat16,
        Dtype::F16 => Kind::Half,
        _ => Kind::Float,
    };
    let made = Tensor::f_from_data_size(&bytes, &spec.shape, kind)
        .and_then(|tensor| tensor.f_to_kind(Kind::Float));
    let tensor = made.map_err(|error| memory(first_line(&error)))?;
    if tensor.isfinite().all().int64_value(&[]) == 0 {
        return Err(OpenError::NotFinite(name()));
    }
    Ok(tensor)
}

/// libtorch appends a back-trace of some kilobytes to its messages.
fn first_line(error: &tch::TchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
