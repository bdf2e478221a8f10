//! A model as a Hugging Face folder: what `transformers` opens and what we open again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tch::Tensor;

use crate::bad_input::BadInput;
use crate::files::write_whole;
use crate::tokenizer::{Tokenizer, TokenizerError};

use super::decoder::Decoder;
use super::shape::Shape;
use super::weights::read_weights;

/// A model folder that was read and fits together.
#[derive(Debug)]
pub struct ModelFolder {
    /// Where it lies.
    pub path: PathBuf,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Its shape.
    pub shape: Shape,
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
        let config_path = path.join("config.json");
        let text = fs::read_to_string(&config_path).map_err(|error| {
            let cure = "give the folder that `potluck-train base` wrote";
            BadInput::new(format!("{}: {error}; {cure}", config_path.display()))
        })?;
        let config: Value =
            serde_json::from_str(&text).map_err(|e| BadInput::file(&config_path, &e))?;
        let shape = Shape::from_config(&config).map_err(|e| BadInput::file(&config_path, &e))?;
        let tokenizer_path = path.join("tokenizer.json");
        let tokenizer = Tokenizer::read(&tokenizer_path)?;
        if tokenizer.vocabulary() as i64 != shape.vocabulary {
            let (tokens, rows) = (tokenizer.vocabulary(), shape.vocabulary);
            let fault = format!("it has {tokens} tokens, but the model has {rows}");
            return Err(BadInput::file(&tokenizer_path, &fault));
        }
        let (weights, blake3) = Self::weights_at(&path.join("model.safetensors"), &shape)?;
        let decoder = Decoder::new(shape.clone(), weights);
        Ok(Self { path: path.to_owned(), tokenizer, shape, blake3, decoder })
    }

    /// Weights of `shape` from a safetensors file, and the file's BLAKE3.
    ///
    /// # Errors
    /// [`BadInput`] that names the file and the fault.
    pub fn weights_at(path: &Path, shape: &Shape) -> Result<(Vec<Tensor>, blake3::Hash), BadInput> {
        let bytes = fs::read(path).map_err(|error| BadInput::file(path, &error))?;
        let weights =
            read_weights(&bytes, &shape.tensors()).map_err(|fault| BadInput::file(path, &fault))?;
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
            "model_max_length": decoder.shape().positions,
        });
        let generation = json!({
            "bos_token_id": special.bos,
            "eos_token_id": special.eos,
            "pad_token_id": special.pad,
            "do_sample": true,
            "temperature": 1.0,
            "top_k": 0,
        });
        let weights =
            decoder.shape().model_bytes(decoder.weights()).map_err(WriteModelError::Weights)?;
        let files = [
            ("config.json", pretty(&decoder.shape().to_config(special))),
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
