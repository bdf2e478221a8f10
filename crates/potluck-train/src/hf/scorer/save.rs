//! A scorer into a folder that `transformers` opens with equal scores.
//!
//! Weights are written in F32, whatever the base had: a score that is rounded to 16 bits is
//! another one, and rankings of near texts would change by it.

use std::fs;
use std::path::Path;

use potluck_soup::Dtype;
use serde_json::{Map, Value};

use crate::files::write_whole;

use super::super::folder::CONFIG;
use super::super::save::{SaveError, WEIGHTS, pass_on, write_weights};
use super::{Body, Scorer};

/// The tokenizer's own settings.
const HABITS: &str = "tokenizer_config.json";

impl Scorer {
    /// Writes it to the folder `to`, which may be there but must hold no weights. They come last: a
    /// folder without them was not finished.
    ///
    /// # Errors
    /// [`SaveError`].
    pub fn save(&self, to: &Path) -> Result<(), SaveError> {
        let failed = |path: &Path, source| SaveError::Write { path: path.to_owned(), source };
        let weights = to.join(WEIGHTS);
        if weights.exists() {
            return Err(SaveError::Exists(weights));
        }
        fs::create_dir_all(to).map_err(|error| failed(to, error))?;
        pass_on(
            &self.path,
            to,
            |name, bytes| {
                if name == HABITS { self.with_padding(bytes) } else { bytes }
            },
        )?;
        let config = to.join(CONFIG);
        write_whole(&config, &self.saved_config()).map_err(|error| failed(&config, error))?;
        let names = self.specs.iter().map(|spec| (spec.name.as_str(), Dtype::F32));
        write_weights(to, names.zip(&self.weights))
    }

    /// The configuration, with F32 as the type of the weights.
    fn saved_config(&self) -> Vec<u8> {
        let mut object: Map<String, Value> =
            serde_json::from_slice(&self.config).expect("it was read as an object before");
        let key = if object.contains_key("torch_dtype") { "torch_dtype" } else { "dtype" };
        object.remove("dtype");
        object.insert(key.to_owned(), Value::from("float32"));
        let text = serde_json::to_string_pretty(&Value::Object(object));
        (text.expect("an object of texts and numbers has a JSON form") + "\n").into_bytes()
    }

    /// A tokenizer that names no padding gets the token that the model's configuration pads with:
    /// `transformers` refuses to pad without.
    fn with_padding(&self, bytes: Vec<u8>) -> Vec<u8> {
        let Body::Decoder { pad: Some(pad), .. } = self.body else { return bytes };
        let object = serde_json::from_slice::<Map<String, Value>>(&bytes);
        let (Ok(mut object), Some(token)) = (object, self.reader.token(pad)) else { return bytes };
        if object.get("pad_token").is_some_and(|token| !token.is_null()) {
            return bytes;
        }
        object.insert("pad_token".to_owned(), Value::from(token));
        let text = serde_json::to_string_pretty(&Value::Object(object));
        text.map_or(bytes, |text| (text + "\n").into_bytes())
    }
}
