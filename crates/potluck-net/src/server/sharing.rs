//! Uploads whose content comes in pieces, by several connections of one key.
//!
//! The stream of the submission says what is lacking, and waits; meanwhile any stream of the same key may ask for a piece and
//! bring it. Which piece, the server says, so that no byte is asked for twice.
//!
//! ```text
//! submit ─► wanted ───────────────────────────────────────────────► progress* ─► receipt
//!             └─ Sharing: bring ─► wanted (a piece) ─► content ─► brought        └─ once all pieces came
//! ```
//!
//! The upload itself, which holds its files, is kept here for as long as anybody brings pieces of it: whoever takes it next, a newer
//! upload of the same envelope or a sweep of what is abandoned, finds files that nobody writes any more.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use potluck_core::{Blake3, Code, PublicKey, Refusal, Sha256};
use potluck_wire::{Ranges, Wanted};
use tokio::sync::watch;
use tokio::time::timeout;

use super::pool::Place;
use crate::pieces::{Piece, Pieces};
use crate::service::{Share, Upload};

type Key = ([u8; 32], Sha256);

type Map = Arc<Mutex<BTreeMap<Key, Arc<Sharing>>>>;

/// Uploads in pieces that are under way, by key and envelope.
#[derive(Default)]
pub(super) struct Sharings(Map);

/// An upload, with its place.
pub(super) type Placed = (Box<dyn Upload>, Place);

/// One of them.
pub(super) struct Sharing {
    files: Vec<(Blake3, u64, Box<dyn Share>)>,
    pieces: Arc<Pieces>,
    closed: watch::Sender<bool>,
    /// Until it is taken back ([`Open::end`]), or the last who brings to it is gone.
    upload: Mutex<Option<Placed>>,
}

/// An upload's entry; dropped, nobody brings it any more pieces, and those under way break off.
pub(super) struct Open {
    sharing: Arc<Sharing>,
    key: Key,
    map: Map,
}

impl Sharings {
    /// Opens an upload for pieces, if all that it lacks can come so.
    pub(super) fn open(
        &self,
        peer: &PublicKey,
        envelope: Sha256,
        upload: Placed,
        wanted: &[Wanted],
    ) -> Option<Open> {
        let file = |it: &Wanted| Some((it.blake3, it.ranges.size(), upload.0.share(&it.blake3)?));
        let files = wanted.iter().map(file).collect::<Option<Vec<_>>>()?;
        let pieces = Pieces::of(wanted.iter().map(|wanted| &wanted.ranges));
        let (closed, upload) = (watch::Sender::new(false), Mutex::new(Some(upload)));
        let sharing = Arc::new(Sharing { files, pieces, closed, upload });
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

impl Open {
    /// As [`Sharing::complete`].
    pub(super) async fn complete(&self, idle: Duration) -> Result<(), Refusal> {
        self.sharing.complete(idle).await
    }

    /// As [`Sharing::lacking`].
    pub(super) fn lacking(&self) -> u64 {
        self.sharing.lacking()
    }

    /// Breaks off what is still brought, and gives the upload back once nobody writes its files any more.
    pub(super) async fn end(self) -> Option<Placed> {
        self.close();
        self.sharing.pieces.idle().await;
        lock(&self.sharing.upload).take()
    }

    fn close(&self) {
        self.sharing.closed.send_replace(true);
        let mut map = lock(&self.map);
        if map.get(&self.key).is_some_and(|it| Arc::ptr_eq(it, &self.sharing)) {
            map.remove(&self.key);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.close();
    }
}

impl Sharing {
    /// The next piece to be brought, as it is asked for; nothing once all came, or the upload is over.
    pub(super) async fn next(&self) -> Option<(Piece, Wanted)> {
        let piece = self.pieces.next().await?;
        // It counts as out already: either this sees that the upload is over, or its end waits for this piece.
        if *self.closed.borrow() {
            return None;
        }
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
    async fn complete(&self, idle: Duration) -> Result<(), Refusal> {
        loop {
            // Before it is looked at, or the last piece might come in between and nobody be told.
            let change = self.pieces.change();
            if self.pieces.is_done() {
                return Ok(());
            }
            // Who brings a piece is held to its own pace; without anybody the time runs.
            let is_over = timeout(idle, change).await.is_err();
            if is_over && self.pieces.out() == 0 && !self.pieces.is_done() {
                let sentence = "nobody brings the content; send the rest again, what came is kept";
                return Err(Refusal::new(Code::TooSlow, sentence));
            }
        }
    }

    /// Completes once pieces are of no use any more.
    pub(super) async fn closed(&self) {
        // The sender is ours, and lives as long.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// Bytes that are lacking.
    fn lacking(&self) -> u64 {
        let missing = self.files.iter().map(|(.., share)| share.missing().byte_count());
        missing.fold(0, u64::saturating_add)
    }
}

/// What is locked here is whole between any two statements, so that a panic elsewhere cannot have torn it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use potluck_core::PrivateKey;
    use potluck_wire::Receipt;
    use potluck_wire::ranges::GROUP;

    use super::super::Limits;
    use super::super::pool::{Lane, Pool};
    use super::*;

    /// Bytes that go nowhere.
    struct Nowhere(Ranges);

    impl Upload for Nowhere {
        fn wanted(&self) -> Vec<Wanted> {
            vec![Wanted { blake3: Blake3::of(b""), ranges: self.0.clone() }]
        }

        fn share(&self, _blob: &Blake3) -> Option<Box<dyn Share>> {
            Some(Box::new(Self(self.0.clone())))
        }

        fn receive(self: Box<Self>, _content: &mut dyn Read) -> Result<Receipt, Refusal> {
            Err(Refusal::new(Code::Busy, "nothing is kept"))
        }
    }

    impl Share for Nowhere {
        fn missing(&self) -> Ranges {
            self.0.clone()
        }

        fn receive(&self, _ranges: &Ranges, _content: &mut dyn Read) -> Result<(), Refusal> {
            Ok(())
        }
    }

    fn poll<T>(future: &mut Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn an_upload_is_given_back_once_nobody_writes_its_files() {
        let peer = PrivateKey::from_seed(&[1; 32]).public();
        let pool = Pool::new(&Limits::default());
        let place = pool.enter(Lane::Upload, &peer).await.unwrap();
        let (sharings, envelope) = (Sharings::default(), Sha256::of(b"envelope"));
        let upload = Box::new(Nowhere(Ranges::all(100 * GROUP).unwrap()));
        let wanted = upload.wanted();
        let open = sharings.open(&peer, envelope, (upload, place), &wanted).unwrap();

        let sharing = sharings.find(&peer, envelope).unwrap();
        let (piece, _) = sharing.next().await.unwrap();
        let mut ending = pin!(open.end());
        assert!(poll(&mut ending).is_pending(), "somebody brings a piece");
        assert!(sharings.find(&peer, envelope).is_none());
        sharing.closed().await;
        assert!(sharing.next().await.is_none(), "no more is handed out");
        assert!(poll(&mut ending).is_pending());
        drop(piece);
        let Poll::Ready(Some(_)) = poll(&mut ending) else { panic!("nobody brings any more") };
    }
}
