//! Pieces of work that are kept: a run that is killed loses the piece it was at.
//!
//! A piece is a folder. `inputs.json` is written before the work, `piece.json` after it. A piece whose inputs
//! are the same is not done again; one that was begun with the same inputs goes on, since the trainer itself
//! goes on from its last checkpoint; one of other inputs is done anew.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Does the work in `dir`, or returns what it came to before.
///
/// # Errors
/// Those of the work, and of the file system.
pub(crate) fn piece(
    dir: &Path,
    inputs: &Value,
    work: impl FnOnce(&Path) -> Result<Value>,
) -> Result<Value> {
    let (begun, done) = (dir.join("inputs.json"), dir.join("piece.json"));
    if read(&begun).as_ref() == Some(inputs) {
        if let Some(made) = read(&done) {
            return Ok(made);
        }
    } else if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    write(&begun, inputs)?;
    let made = work(dir)?;
    write(&done, &made)?;
    Ok(made)
}

fn read(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Whole or not at all, by a rename.
fn write(path: &Path, value: &Value) -> Result<()> {
    let part = path.with_extension("part");
    fs::write(&part, value.to_string())
        .and_then(|()| fs::rename(&part, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_piece_is_done_once_and_anew_for_other_inputs() {
        let dir = std::env::temp_dir().join(format!("potluck-pieces-{}", std::process::id()));
        let run = |input: u32, fails: bool| {
            piece(&dir, &json!(input), |dir| {
                let count = fs::read_to_string(dir.join("count")).unwrap_or_default() + "x";
                fs::write(dir.join("count"), &count)?;
                anyhow::ensure!(!fails, "killed");
                Ok(json!(count.len()))
            })
        };
        assert!(run(1, true).is_err());
        assert_eq!(run(1, false).unwrap(), 2, "what was begun stands there still");
        assert_eq!(run(1, false).unwrap(), 2, "it is not done again");
        assert_eq!(run(2, false).unwrap(), 1, "other inputs begin anew");
        fs::remove_dir_all(&dir).unwrap();
    }
}
