//! What was refused after its bytes were in: kept for the operator to look at, within limits.
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
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use potluck_core::manifest::WEIGHTS;
use potluck_core::{Envelope, Refusal};

use super::durable;

/// The most refusals that are kept, weights or none: a party can be refused as often as it likes.
const MAX_REFUSALS: usize = 1024;

/// The folder of refused experts.
#[derive(Debug)]
pub struct RefusedFolder {
    folder: PathBuf,
    capacity: AtomicU64,
    /// Held while one is kept: of two that found the same room, one would have none.
    keeping: Mutex<()>,
}

impl RefusedFolder {
    pub(super) fn open(folder: PathBuf, capacity: u64) -> io::Result<Self> {
        held(&folder)?;
        Ok(Self { folder, capacity: capacity.into(), keeping: Mutex::default() })
    }

    /// From now on so many bytes of weights are kept at most; what is there stays.
    pub fn set_capacity(&self, capacity: u64) {
        self.capacity.store(capacity, Ordering::Relaxed);
    }

    /// Keeps an envelope, the reason, and, where there is room, its weights, which are moved away from
    /// `weights`. Past 1024 of them nothing is kept, and the weights are removed.
    ///
    /// # Errors
    /// Where the folder cannot be written. The refusal stands all the same.
    pub fn keep(&self, envelope: &Envelope, refusal: &Refusal, weights: &Path) -> io::Result<()> {
        let _alone = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.folder.join(envelope.sha256().to_string());
        if !folder.is_dir()
            && fs::read_dir(&self.folder)?.take(MAX_REFUSALS).count() == MAX_REFUSALS
        {
            tracing::warn!("{MAX_REFUSALS} refused experts are kept already, and this one is not");
            return fs::remove_file(weights);
        }
        durable::make_folder(&folder)?;
        durable::write_file(&folder.join("envelope.json"), envelope.as_bytes())?;
        let reason = serde_json::to_vec_pretty(refusal).map_err(io::Error::other)?;
        durable::write_file(&folder.join("reason.json"), &reason)?;
        let size = fs::metadata(weights)?.len();
        if held(&self.folder)?.saturating_add(size) > self.capacity.load(Ordering::Relaxed) {
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
    fn so_many_refusals_are_kept_and_no_more() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let refused = RefusedFolder::open(folder.path().to_owned(), 10).unwrap();
        for earlier in 1..MAX_REFUSALS {
            fs::create_dir(folder.path().join(earlier.to_string())).unwrap();
        }
        let refusal = Refusal::new(Code::WeightsNotFinite, "a weight is NaN");
        for (payload, kept) in [(b"1", true), (b"2", false), (b"1", true)] {
            let domain = Domain { kind: Kind::Reveal, federation: None };
            let envelope =
                Envelope::sign(domain, payload.to_vec(), &PrivateKey::from_seed(&[1; 32])).unwrap();
            let weights = elsewhere.path().join("x.part");
            fs::write(&weights, [0; 1]).unwrap();
            refused.keep(&envelope, &refusal, &weights).unwrap();
            assert_eq!(folder.path().join(envelope.sha256().to_string()).exists(), kept);
            assert!(!weights.exists());
        }
    }

    #[test]
    fn weights_are_kept_while_there_is_room() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let refused = RefusedFolder::open(folder.path().to_owned(), 10).unwrap();
        let refusal = Refusal::new(Code::WeightsNotFinite, "a weight is NaN");
        for (payload, kept) in [(b"1", true), (b"2", false)] {
            let domain = Domain { kind: Kind::Reveal, federation: None };
            let key = PrivateKey::from_seed(&[1; 32]);
            let envelope = Envelope::sign(domain, payload.to_vec(), &key).unwrap();
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
