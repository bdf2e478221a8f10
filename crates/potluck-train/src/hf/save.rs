//! A model back into a folder that `transformers` opens: the same configuration, the same names and
//! types, other weights.
//!
//! Weights become one `model.safetensors`, tensor by tensor, so that no second copy of the model is
//! in memory. What is no weight (masks, frequencies, a second copy of a tied embedding) is left out;
//! `transformers` makes it anew.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use potluck_soup::Dtype;
use safetensors::tensor::View;
use tch::{Kind, Tensor};

use crate::files::{sync_folder, write_whole};
use crate::text::TEMPLATES;

use super::decoder::Decoder;
use super::folder::{CONFIG, Folder};

/// The file of weights.
pub(super) const WEIGHTS: &str = "model.safetensors";

/// What else belongs to a model and is passed on, where it is there, beside its named chat templates.
const COMPANIONS: [&str; 10] = [
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
];

/// Why a model could not be saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Something stands there already.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// A file could not be written.
    #[error("{} cannot be written", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The weights could not be written.
    #[error("{} cannot be written", path.display())]
    Weights {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: safetensors::SafeTensorError,
    },
}

impl Folder {
    /// Writes `decoder`, which was loaded from this folder, to the new folder `to`. The weights come
    /// last: a folder without them was not finished.
    ///
    /// # Errors
    /// [`SaveError`].
    pub fn save(&self, decoder: &Decoder, to: &Path) -> Result<(), SaveError> {
        self.save_weights(decoder.weights(), to)
    }

    /// The same with weights in the order of the plan.
    ///
    /// # Errors
    /// [`SaveError`].
    pub fn save_weights(&self, weights: &[Tensor], to: &Path) -> Result<(), SaveError> {
        let failed = |path: &Path, source| SaveError::Write { path: path.to_owned(), source };
        if to.exists() {
            return Err(SaveError::Exists(to.to_owned()));
        }
        fs::create_dir_all(to).map_err(|error| failed(to, error))?;
        let config = to.join(CONFIG);
        write_whole(&config, self.config()).map_err(|error| failed(&config, error))?;
        pass_on(self.path(), to, |_, bytes| bytes)?;
        write_weights(to, self.kept().zip(weights))
    }
}

/// Copies from folder to folder what else belongs to a model; `changed` may make something else of a file.
pub(super) fn pass_on(
    from: &Path,
    to: &Path,
    changed: impl Fn(&str, Vec<u8>) -> Vec<u8>,
) -> Result<(), SaveError> {
    let failed = |path: &Path, source| SaveError::Write { path: path.to_owned(), source };
    let copy = |from: PathBuf, to: PathBuf, name: &str| {
        let copied = fs::read(from).and_then(|bytes| write_whole(&to, &changed(name, bytes)));
        copied.map_err(|error| failed(&to, error))
    };
    for name in COMPANIONS.iter().filter(|name| from.join(name).is_file()) {
        copy(from.join(name), to.join(name), name)?;
    }
    let templates = from.join(TEMPLATES);
    let Ok(entries) = fs::read_dir(&templates) else { return Ok(()) };
    let folder = to.join(TEMPLATES);
    fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
    for entry in entries {
        let name = entry.map_err(|error| failed(&templates, error))?.file_name();
        if Path::new(&name).extension().is_some_and(|it| it == "jinja") {
            copy(templates.join(&name), folder.join(&name), TEMPLATES)?;
        }
    }
    Ok(())
}

/// Writes named tensors, each of its type, as the one file of weights of the folder `to`.
pub(super) fn write_weights<'a>(
    to: &Path,
    weights: impl Iterator<Item = ((&'a str, Dtype), &'a Tensor)>,
) -> Result<(), SaveError> {
    // Without it, older versions of `transformers` refuse the file.
    write_tensors(&to.join(WEIGHTS), ("format", "pt"), weights)
}

/// Puts named tensors and one entry of metadata at `path` by one rename, tensor by tensor.
pub(crate) fn write_tensors<'a>(
    path: &Path,
    (key, value): (&str, &str),
    tensors: impl Iterator<Item = ((impl AsRef<str> + Ord + std::fmt::Display, Dtype), &'a Tensor)>,
) -> Result<(), SaveError> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let views = tensors.map(|((name, dtype), tensor)| (name, Kept::new(tensor, dtype)));
    let metadata = HashMap::from([(key.to_owned(), value.to_owned())]);
    safetensors::serialize_to_file(views, Some(metadata), &part)
        .map_err(|source| SaveError::Weights { path: part.clone(), source })?;
    let finished = File::open(&part)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&part, path))
        .and_then(|()| sync_folder(path.parent().unwrap_or(Path::new("."))));
    finished.map_err(|source| SaveError::Write { path: path.to_owned(), source })
}

/// A tensor that becomes bytes only when it is written.
struct Kept {
    tensor: Tensor,
    dtype: Dtype,
    shape: Vec<usize>,
}

impl Kept {
    fn new(tensor: &Tensor, dtype: Dtype) -> Self {
        let shape = tensor.size().iter().map(|&side| side as usize).collect();
        Self { tensor: tensor.detach(), dtype, shape }
    }
}

impl View for Kept {
    fn dtype(&self) -> safetensors::Dtype {
        match self.dtype {
            Dtype::Bf16 => safetensors::Dtype::BF16,
            Dtype::F16 => safetensors::Dtype::F16,
            _ => safetensors::Dtype::F32,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let flat = self.tensor.to_kind(Kind::Float).contiguous().view([-1]);
        let mut values = vec![0f32; flat.numel()];
        flat.copy_data(&mut values, flat.numel());
        let values = values.into_iter();
        Cow::Owned(match self.dtype {
            Dtype::Bf16 => values.flat_map(|x| bf16::from_f32(x).to_le_bytes()).collect(),
            Dtype::F16 => values.flat_map(|x| f16::from_f32(x).to_le_bytes()).collect(),
            _ => values.flat_map(f32::to_le_bytes).collect(),
        })
    }

    fn data_len(&self) -> usize {
        self.tensor.numel() * self.dtype.size()
    }
}
