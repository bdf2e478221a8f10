//! The JSON files that lie beside a model, of which no more is read than such files have.

use std::io;
use std::path::Path;

use serde_json::{Map, Value};

use crate::bad_input::BadInput;
use crate::files::read_up_to;

/// The longest tokenizer.json that is read, in bytes; those of 256 000 tokens have some 35 million.
pub(crate) const MAX_TOKENIZER: u64 = 128 << 20;

/// The longest of the other files; a tokenizer_config.json that lists its tokens has some millions.
pub(super) const MAX_OTHER: u64 = 16 << 20;

/// The bytes of `path`; `None` if there is no such file.
pub(super) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, BadInput> {
    let bytes = match read_up_to(path, most) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BadInput::file(path, &error)),
    };
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
