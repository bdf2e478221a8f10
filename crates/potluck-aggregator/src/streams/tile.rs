//! Tiles that are being made: one for all who wait for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use bytes::Bytes;
use potluck_core::Blake3;
use tokio::sync::Notify;

use super::Failure;

/// A tile of a content, made or not yet.
#[derive(Debug, Default)]
pub(super) struct Tile {
    made: OnceLock<Result<Bytes, Failure>>,
    is_made: Notify,
}

impl Tile {
    /// Says what came of it, once.
    pub(super) fn put(&self, made: Result<Bytes, Failure>) {
        // Whoever came first is heard: both made the same.
        let _ = self.made.set(made);
        self.is_made.notify_waiters();
    }

    /// What came of it, as soon as it is there.
    pub(super) async fn made(&self) -> Result<Bytes, Failure> {
        loop {
            // From here on it hears of it, so that nothing is missed between the look and the wait.
            let heard = self.is_made.notified();
            if let Some(made) = self.made.get() {
                return made.clone();
            }
            heard.await;
        }
    }
}

/// A tile's place: of which content, and which.
pub(super) type Place = (Blake3, u64);

/// The tiles that somebody waits for or still sends, by their place.
#[derive(Debug, Default)]
pub(super) struct Tiles(Mutex<HashMap<Place, Weak<Tile>>>);

/// After so many entries those that nobody holds are removed.
const SWEPT: usize = 4096;

impl Tiles {
    /// The tile at a place, and whether it is new, so that the caller has it made.
    pub(super) fn at(&self, place: Place) -> (Arc<Tile>, bool) {
        let mut tiles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tile) = tiles.get(&place).and_then(Weak::upgrade) {
            // One that failed is tried again: an expert may have been pushed again since.
            if !matches!(tile.made.get(), Some(Err(_))) {
                return (tile, false);
            }
        }
        if tiles.len() >= SWEPT {
            tiles.retain(|_, tile| tile.strong_count() > 0);
        }
        let tile = Arc::new(Tile::default());
        tiles.insert(place, Arc::downgrade(&tile));
        (tile, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_who_wait_for_a_place_get_one_tile() {
        let tiles = Tiles::default();
        let place = (Blake3::of(b"a"), 3);
        let ((first, is_new), (second, is_newer)) = (tiles.at(place), tiles.at(place));
        assert!(is_new && !is_newer && tiles.at((place.0, 4)).0.made.get().is_none());
        let waiting = tokio::spawn(async move { second.made().await });
        first.put(Ok(Bytes::from_static(b"x")));
        assert_eq!(waiting.await.unwrap().unwrap(), b"x"[..]);
        drop(first);
        assert!(tiles.at(place).1, "nobody holds it any more");
    }

    #[tokio::test]
    async fn what_failed_is_tried_again() {
        let tiles = Tiles::default();
        let place = (Blake3::of(b"a"), 0);
        let (held, _) = tiles.at(place);
        held.put(Err(Failure::of(std::io::Error::other("gone"))));
        assert!(held.made().await.is_err() && tiles.at(place).1);
    }
}
