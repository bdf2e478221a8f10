//! What all entries so far amount to, as readers see it.

use std::sync::Arc;

use potluck_core::{Code, Federation, Refusal};
use potluck_log::{Checkpoint, CosignerKey, Hash, NoteSigner, SignedCheckpoint, Tiles, TlogProof};
use potluck_net::archive::{Files, Shelf};
use potluck_wire::Receipt;

use crate::catalogue::Catalogue;
use crate::in_full;
use crate::submission::record::Recorded;

/// What all entries so far amount to, under the checkpoint that the log signed over them. It never changes:
/// the writer puts another in its place.
#[derive(Debug)]
pub struct Standing {
    /// The state.
    pub federation: Federation,
    /// Which bytes it speaks of.
    pub catalogue: Arc<Catalogue>,
    /// The signed checkpoint.
    pub checkpoint: SignedCheckpoint,
    /// Who may cosign it.
    pub witnesses: Arc<Vec<CosignerKey>>,
}

impl Standing {
    /// Signs what stands at `root`.
    pub(super) fn signed(
        federation: Federation,
        catalogue: Arc<Catalogue>,
        witnesses: Arc<Vec<CosignerKey>>,
        root: Hash,
        signer: &NoteSigner,
    ) -> Self {
        let origin = signer.verifier_key().name().clone();
        let (size, state) = (federation.size(), *federation.digest().as_bytes());
        let note = Checkpoint { origin, size, root, state }.sign(signer);
        let checkpoint = SignedCheckpoint::open(&note, signer.verifier_key())
            .expect("a checkpoint that we signed under our own name opens");
        Self { federation, catalogue, checkpoint, witnesses }
    }

    /// The receipt of the record at `index`, which this standing covers, with its proof from the log's tiles.
    ///
    /// # Errors
    /// `internal` where the tiles are damaged; the next start makes them anew.
    pub(super) fn receipt(
        &self,
        index: u64,
        record: Vec<u8>,
        files: &impl Files,
    ) -> Result<Recorded, Refusal> {
        let size = self.checkpoint.size();
        let tiles = Tiles::new(Shelf(files), size).map_err(|error| unproved(&error))?;
        let inclusion = tiles.inclusion(index, size).map_err(|error| unproved(&error))?;
        // A proof that does not hold is worse than none.
        inclusion
            .verify(&record, index, size, &self.checkpoint.root())
            .map_err(|error| unproved(&error))?;
        let proof = TlogProof::new(index, inclusion, &self.checkpoint).to_string();
        let record = String::from_utf8(record).map_err(|error| unproved(&error))?;
        Ok(Recorded::new(Receipt { index, record, proof }))
    }
}

fn unproved(error: &dyn std::error::Error) -> Refusal {
    tracing::error!(error = %in_full(error), "the log's tiles give no proof");
    Refusal::new(Code::Internal, "the entry is recorded, but the aggregator cannot prove it now")
}

/// The keys of those who may cosign, by their names in notes.
pub(super) fn witnesses(federation: &Federation) -> Vec<CosignerKey> {
    let key = |(name, key): (String, potluck_core::PublicKey)| {
        let named = name.parse().ok().map(|name| CosignerKey::new(name, *key.as_dalek()));
        if !matches!(named, Some(Ok(_))) {
            tracing::warn!(witness = name, "a witness whose key no note can carry is not counted");
        }
        named.and_then(Result::ok)
    };
    federation.witnesses().into_iter().filter_map(key).collect()
}
