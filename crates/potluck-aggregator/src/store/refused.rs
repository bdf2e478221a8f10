//! What was refused after its bytes were in: kept for the operator to look at, within a limit.
//!
//! ```text
//! refused/<SHA-256 of the envelope>/
//!   envelope.json  reason.json  model.safetensors (where there is room)
//! ```
//!
//! Nothing here is read by the server again; the operator may remove any of it at any time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use potluck_core::manifest::WEIGHTS;
use potluck_core::{Envelope, Refusal};

use super::durable;

/// The folder of refused experts.
#[derive(Debug)]
pub struct RefusedFolder {
    folder: PathBuf,
    capacity: u64,
}

impl RefusedFolder {
    pub(super) fn open(folder: PathBuf, capacity: u64) -> io::Result<Self> {
        held(&folder)?;
        Ok(Self { folder, capacity })
    }

    /// Keeps an envelope, the reason, and, where there is room, its weights, which are moved away from
    /// `weights`.
    ///
    /// # Errors
    /// Where the folder cannot be written. The refusal stands all the same.
    pub fn keep(&self, envelope: &Envelope, refusal: &Refusal, weights: &Path) -> io::Result<()> {
        let folder = self.folder.join(envelope.sha256().to_string());
        durable::make_folder(&folder)?;
        durable::write_file(&folder.join("envelope.json"), envelope.as_bytes())?;
        let reason = serde_json::to_vec_pretty(refusal).map_err(io::Error::other)?;
        durable::write_file(&folder.join("reason.json"), &reason)?;
        let size = fs::metadata(weights)?.len();
        if held(&self.folder)?.saturating_add(size) > self.capacity {
            return fs::remove_file(weights);
        }
        durable::move_file(weights, &folder.join(WEIGHTS))
    }
}

/// Bytes of weights in the folder.
fn held(folder: &Path) -> io::Result<u64> {
    let mut held = 0u64;
    for entry in fs::read_dir(folder)? {
        match fs::metadata(entry?.path().join(WEIGHTS)) {
            Ok(metadata) => held = held.saturating_add(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_core::envelope::Domain;
    use potluck_core::{Code, Kind, PrivateKey};

    #[test]
    fn weights_are_kept_while_there_is_room() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let refused = RefusedFolder::open(folder.path().to_owned(), 10).unwrap();
        let refusal = Refusal::new(Code::WeightsNotFinite, "a weight is NaN");
        for (payload, kept) in [(b"1", true), (b"2", false)] {
            let domain = Domain { kind: Kind::Submit, federation: None };
            let key = PrivateKey::from_seed(&[1; 32]);
            let envelope = Envelope::sign(domain, payload.to_vec(), &key);
            let weights = elsewhere.path().join("x.part");
            fs::write(&weights, [0; 6]).unwrap();
            refused.keep(&envelope, &refusal, &weights).unwrap();
            let own = folder.path().join(envelope.sha256().to_string());
            assert_eq!(own.join(WEIGHTS).exists(), kept);
            assert!(!weights.exists());
            let reason = fs::read(own.join("reason.json")).unwrap();
            assert_eq!(serde_json::from_slice::<Refusal>(&reason).unwrap(), refusal);
        }
    }
}
