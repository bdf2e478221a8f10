//! A model as a Hugging Face folder: what `transformers` opens and what we open again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tch::Tensor;

use crate::bad_input::BadInput;
use crate::files::write_whole;
use crate::hf::{Decoder, Folder, OpenError, Plan};
use crate::tokenizer::{Tokenizer, TokenizerError};

use super::config::POSITIONS;
use super::weights::read_weights;

/// A model folder that was read and fits together.
#[derive(Debug)]
pub struct ModelFolder {
    /// Where it lies.
    pub path: PathBuf,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// BLAKE3 of `model.safetensors`.
    pub blake3: blake3::Hash,
    decoder: Decoder,
}

/// A model folder could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteModelError {
    /// The file system refused.
    #[error("cannot write the model into {}", .0.display())]
    Disk(PathBuf, #[source] io::Error),
    /// The weights have no file form.
    #[error("{0}")]
    Weights(String),
    /// The tokenizer has no file form.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

impl ModelFolder {
    /// Reads a folder.
    ///
    /// # Errors
    /// [`BadInput`] that names the file and the fault: missing, malformed, another architecture,
    /// or a tokenizer of another size than the model's vocabulary.
    pub fn read(path: &Path) -> Result<Self, BadInput> {
        let unusable = |error: OpenError| {
            let cure = "give the folder that `potluck-train base` wrote";
            let error = anyhow::Error::new(error);
            BadInput::new(format!("{}: {error:#}; {cure}", path.display()))
        };
        let folder = Folder::open(path).map_err(unusable)?;
        let tokenizer_path = path.join("tokenizer.json");
        let tokenizer = Tokenizer::read(&tokenizer_path)?;
        let rows = folder.architecture().vocabulary;
        if tokenizer.vocabulary() as i64 != rows {
            let tokens = tokenizer.vocabulary();
            let fault = format!("it has {tokens} tokens, but the model has {rows}");
            return Err(BadInput::file(&tokenizer_path, &fault));
        }
        let file = path.join("model.safetensors");
        let (weights, blake3) = Self::weights_at(&file, folder.plan())?;
        let decoder = Decoder::of(folder.architecture().clone(), weights);
        Ok(Self { path: path.to_owned(), tokenizer, blake3, decoder })
    }

    /// The weights of a plan from a safetensors file, and the file's BLAKE3.
    ///
    /// # Errors
    /// [`BadInput`] that names the file and the fault.
    pub fn weights_at(path: &Path, plan: &Plan) -> Result<(Vec<Tensor>, blake3::Hash), BadInput> {
        let bytes = fs::read(path).map_err(|error| BadInput::file(path, &error))?;
        let weights =
            read_weights(&bytes, plan.tensors()).map_err(|fault| BadInput::file(path, &fault))?;
        Ok((weights, blake3::hash(&bytes)))
    }

    /// The model.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Writes a folder; `model.safetensors` comes last, so that a folder with one is whole.
    /// Returns that file's BLAKE3.
    ///
    /// # Errors
    /// [`WriteModelError`].
    pub fn write(
        path: &Path,
        config: &Value,
        decoder: &Decoder,
        tokenizer: &Tokenizer,
    ) -> Result<blake3::Hash, WriteModelError> {
        let special = tokenizer.special();
        let tokenizer_config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<|bos|>",
            "eos_token": "<|eos|>",
            "pad_token": "<|pad|>",
            "clean_up_tokenization_spaces": false,
            "model_max_length": POSITIONS,
        });
        let generation = json!({
            "bos_token_id": special.bos,
            "eos_token_id": special.eos,
            "pad_token_id": special.pad,
            "do_sample": true,
            "temperature": 1.0,
            "top_k": 0,
        });
        let weights = decoder.model_bytes(decoder.weights()).map_err(WriteModelError::Weights)?;
        let files = [
            ("config.json", pretty(config)),
            ("tokenizer.json", tokenizer.to_json()?.into_bytes()),
            ("tokenizer_config.json", pretty(&tokenizer_config)),
            ("generation_config.json", pretty(&generation)),
            ("model.safetensors", weights),
        ];
        for (name, bytes) in &files {
            let file = path.join(name);
            write_whole(&file, bytes).map_err(|error| WriteModelError::Disk(file, error))?;
        }
        let [.., (_, weights)] = files;
        Ok(blake3::hash(&weights))
    }
}

fn pretty(value: &Value) -> Vec<u8> {
    let mut text = serde_json::to_string_pretty(value).expect("JSON values have a text form");
    text.push('\n');
    text.into_bytes()
}
