//! What all entries so far amount to, as readers see it.

use std::io;
use std::sync::Arc;

use potluck_core::{Code, Federation, Refusal};
use potluck_log::{
    Checkpoint, CosignerKey, Hash, InclusionProof, SignedCheckpoint, TileEdge, TileError, TileId,
    TileReader, Tiles, TlogProof,
};
use potluck_net::archive::{Files, Shelf};
use potluck_wire::Receipt;

use super::signers::Signers;
use crate::catalogue::Catalogue;
use crate::history::History;
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
    /// What led to it. It may be ahead: only what is below the checkpoint's size is of this standing.
    pub history: Arc<History>,
    /// The signed checkpoint.
    pub checkpoint: SignedCheckpoint,
    /// Who may cosign it.
    pub witnesses: Arc<Vec<CosignerKey>>,
    /// That its latest entry stands in its tree: what is asked for most, right after it was appended.
    latest: InclusionProof,
    /// The tiles that its tree has not filled.
    edge: TileEdge,
}

impl Standing {
    /// Signs what stands at `root`, of whose tree `edge` is, and whose last leaf `latest` proves.
    pub(super) fn signed(
        federation: Federation,
        (catalogue, history): (Arc<Catalogue>, Arc<History>),
        witnesses: Arc<Vec<CosignerKey>>,
        (root, latest, edge): (Hash, InclusionProof, TileEdge),
        signers: &Signers,
    ) -> Self {
        let origin = signers.verifier_key().name().clone();
        let (size, state) = (federation.size(), *federation.digest().as_bytes());
        let checkpoint = signers.sign(Checkpoint { origin, size, root, state });
        Self { federation, catalogue, history, checkpoint, witnesses, latest, edge }
    }

    /// Its tree. Of the files, only the tiles that are full are read.
    ///
    /// # Errors
    /// Where there are more entries than any log has.
    pub(super) fn tiles<'a, F: Files>(
        &'a self,
        files: &'a F,
    ) -> Result<Tiles<Grown<'a, F>>, TileError<io::Error>> {
        Tiles::new(Grown { edge: &self.edge, shelf: Shelf(files) }, self.checkpoint.size())
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
        let inclusion = if index.checked_add(1) == Some(size) {
            self.latest.clone()
        } else {
            let tiles = self.tiles(files).map_err(|error| unproved(&error))?;
            tiles.inclusion(index, size).map_err(|error| unproved(&error))?
        };
        // A proof that does not hold is worse than none.
        inclusion
            .verify(&record, index, size, &self.checkpoint.root())
            .map_err(|error| unproved(&error))?;
        let proof = TlogProof::new(index, inclusion, &self.checkpoint).to_string();
        let record = String::from_utf8(record).map_err(|error| unproved(&error))?;
        Ok(Recorded::new(Receipt { index, record, proof }))
    }
}

/// The tiles of a standing: those that grow from memory, since the folder is written behind.
#[derive(Debug)]
pub(super) struct Grown<'a, F> {
    edge: &'a TileEdge,
    shelf: Shelf<'a, F>,
}

impl<F: Files> TileReader for Grown<'_, F> {
    type Error = io::Error;

    fn read(&self, tile: TileId) -> io::Result<Option<Vec<u8>>> {
        self.edge.partial(tile).map_or_else(|| self.shelf.read(tile), |bytes| Ok(Some(bytes)))
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
