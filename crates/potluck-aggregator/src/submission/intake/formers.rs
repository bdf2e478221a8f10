//! With what a new expert may be compared: the base, and the expert of the same author that is in force.
//!
//! And with nothing else. What is copied tells the author that it stands here, so that it must be what the author may read
//! by itself: the ledger lets every party read the base, and the other is its own.

use std::ops::Range;
use std::path::PathBuf;

use potluck_core::federation::Authentic;
use potluck_core::{Author, FileEntry};
use potluck_net::blob::{Partial, ReceiveError};

use crate::server::Aggregator;
use crate::store::blobs::Hold;

/// Files of the size of the one that comes, which stay as long as this lives.
#[derive(Default)]
pub(super) struct Formers(Vec<Former>);

struct Former {
    data: PathBuf,
    outboard: PathBuf,
    _hold: Hold,
}

impl Formers {
    /// What is here of them, the author's own first: it is the nearest.
    pub(super) fn of(aggregator: &Aggregator, file: &FileEntry, authentic: &Authentic) -> Self {
        let standing = aggregator.ledger.standing();
        let federation = &standing.federation;
        let own = match &authentic.statement().author {
            Author::Party(party) => federation.experts().get(party),
            Author::Operator => None,
        };
        let own = own.and_then(|expert| expert.manifest.expert());
        let is_like = |it: &&FileEntry| it.size == file.size && it.blake3 != file.blake3;
        let blobs = &aggregator.store.blobs;
        let former = |it: &FileEntry| {
            let hold = blobs.hold(it.blake3);
            let (data, outboard) = (blobs.data(it.blake3), blobs.outboard(it.blake3));
            blobs.contains(it.blake3).then_some(Former { data, outboard, _hold: hold })
        };
        let both = own.into_iter().chain([federation.base_weights()]);
        Self(both.filter(is_like).filter_map(former).collect())
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Copies from each what the ones before it had not.
    pub(super) fn copy_into(
        &self,
        partial: &mut Partial,
        on_group: &mut dyn FnMut(Range<u64>),
    ) -> Result<(), ReceiveError> {
        for Former { data, outboard, .. } in &self.0 {
            partial.copy_equal(data, outboard, on_group)?;
        }
        Ok(())
    }
}
