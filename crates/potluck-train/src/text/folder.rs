//! The JSON files that lie beside a model, of which no more is read than such files have.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde_json::{Map, Value};

use crate::bad_input::BadInput;

/// The longest tokenizer.json that is read, in bytes; those of 256 000 tokens have some 35 million.
pub(super) const MAX_TOKENIZER: u64 = 128 << 20;

/// The longest of the other files; a tokenizer_config.json that lists its tokens has some millions.
pub(super) const MAX_OTHER: u64 = 16 << 20;

/// The bytes of `path`; `None` if there is no such file.
pub(super) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, BadInput> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BadInput::file(path, &error)),
    };
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| BadInput::file(path, &error))?;
    if bytes.len() as u64 > most {
        return Err(BadInput::file(path, &format!("it has more than {most} bytes")));
    }
    Ok(Some(bytes))
}

/// The object in `path`; an empty one if there is no such file.
pub(super) fn object(path: &Path) -> Result<Map<String, Value>, BadInput> {
    let Some(bytes) = read(path, MAX_OTHER)? else { return Ok(Map::new()) };
    serde_json::from_slice(&bytes).map_err(|error| BadInput::file(path, &error))
}
