//! Uploads whose content comes in pieces, by several connections of one key.
//!
//! The stream of the submission says what is lacking, and waits; meanwhile any stream of the same key may ask for a piece and
//! bring it. Which piece, the server says, so that no byte is asked for twice.
//!
//! ```text
//! submit ─► wanted ───────────────────────────────────────────────► progress* ─► receipt
//!             └─ Sharing: bring ─► wanted (a piece) ─► content ─► brought        └─ once all pieces came
//! ```

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use potluck_core::{Blake3, Code, PublicKey, Refusal, Sha256};
use potluck_wire::{Ranges, Wanted};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::pieces::{Piece, Pieces};
use crate::service::{Share, Upload};

type Key = ([u8; 32], Sha256);

type Map = Arc<Mutex<BTreeMap<Key, Arc<Sharing>>>>;

/// Uploads in pieces that are under way, by key and envelope.
#[derive(Default)]
pub(super) struct Sharings(Map);

/// One of them.
pub(super) struct Sharing {
    files: Vec<(Blake3, u64, Box<dyn Share>)>,
    pieces: Arc<Pieces>,
    closed: watch::Sender<bool>,
}

/// An upload's entry; dropped, nobody brings it any more pieces, and those under way break off.
pub(super) struct Open {
    pub(super) sharing: Arc<Sharing>,
    key: Key,
    map: Map,
}

impl Sharings {
    /// Opens an upload for pieces, if all that it lacks can come so.
    pub(super) fn open(
        &self,
        peer: &PublicKey,
        envelope: Sha256,
        upload: &dyn Upload,
        wanted: &[Wanted],
    ) -> Option<Open> {
        let file = |it: &Wanted| Some((it.blake3, it.ranges.size(), upload.share(&it.blake3)?));
        let files = wanted.iter().map(file).collect::<Option<Vec<_>>>()?;
        let pieces = Pieces::of(wanted.iter().map(|wanted| &wanted.ranges));
        let sharing = Arc::new(Sharing { files, pieces, closed: watch::Sender::new(false) });
        let key = (*peer.as_bytes(), envelope);
        // One upload of an envelope is under way at a time: see `turns`.
        lock(&self.0).insert(key, Arc::clone(&sharing));
        Some(Open { sharing, key, map: Arc::clone(&self.0) })
    }

    /// The upload of this key, if one is under way.
    pub(super) fn find(&self, peer: &PublicKey, envelope: Sha256) -> Option<Arc<Sharing>> {
        lock(&self.0).get(&(*peer.as_bytes(), envelope)).cloned()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.sharing.closed.send_replace(true);
        let mut map = lock(&self.map);
        if map.get(&self.key).is_some_and(|it| Arc::ptr_eq(it, &self.sharing)) {
            map.remove(&self.key);
        }
    }
}

impl Sharing {
    /// The next piece to be brought, as it is asked for; nothing once all came.
    pub(super) async fn next(&self) -> Option<(Piece, Wanted)> {
        let piece = self.pieces.next().await?;
        let (blake3, size, _) = self.files.get(piece.file)?;
        let span = [piece.span.start, piece.span.end];
        let ranges = Ranges::new(*size, &[span]).expect("a piece is of whole groups of its file");
        Some((piece, Wanted { blake3: *blake3, ranges }))
    }

    /// Takes a piece in. Blocking.
    pub(super) fn receive(
        &self,
        piece: Piece,
        wanted: &Wanted,
        content: &mut dyn Read,
    ) -> Result<(), Refusal> {
        let Some((.., share)) = self.files.get(piece.file) else { return Ok(()) };
        let received = share.receive(&wanted.ranges, content);
        piece.end(&share.missing());
        received
    }

    /// Completes once all came, or nobody has brought anything for so long.
    pub(super) async fn complete(&self, idle: Duration) -> Result<(), Refusal> {
        while !self.pieces.is_done() {
            // Who brings a piece is held to its own pace; without anybody the time runs.
            let is_over = timeout(idle, self.pieces.change()).await.is_err();
            if is_over && self.pieces.out() == 0 && !self.pieces.is_done() {
                let sentence = "nobody brings the content; send the rest again, what came is kept";
                return Err(Refusal::new(Code::TooSlow, sentence));
            }
        }
        Ok(())
    }

    /// Completes once pieces are of no use any more.
    pub(super) async fn closed(&self) {
        // The sender is ours, and lives as long.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Bytes that are lacking.
    pub(super) fn lacking(&self) -> u64 {
        let missing = self.files.iter().map(|(.., share)| share.missing().byte_count());
        missing.fold(0, u64::saturating_add)
    }
}

/// The map is whole between any two statements, so that a panic elsewhere cannot have torn it.
fn lock(map: &Mutex<BTreeMap<Key, Arc<Sharing>>>) -> MutexGuard<'_, BTreeMap<Key, Arc<Sharing>>> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}
