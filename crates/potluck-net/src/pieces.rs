//! What is missing of some files, handed out in pieces to several connections: by the server of an upload, by the client of a
//! download.
//!
//! Pieces become smaller towards the end, so that all connections are through at about the same time, however fast each is.
//! What a connection could not bring goes to whoever asks next. Public for the simulation (`tests/sim`), in which programs wait
//! by polling.

use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use potluck_wire::Ranges;
use potluck_wire::ranges::GROUP;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// A piece is this part of what is left: with up to eight connections none waits long for another in the end.
const PART: u64 = 8;

/// No smaller, or a round trip a piece would cost more than it brings.
const LEAST: u64 = 1 << 20;

/// No larger: so much may be asked for again where a connection breaks before any of it was kept.
const MOST: u64 = 64 << 20;

/// What is left, and what is out.
#[derive(Debug)]
pub struct Pieces {
    sizes: RangeInclusive<u64>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// By the number of the file: what is missing and nobody brings.
    left: Vec<Vec<Range<u64>>>,
    /// How many pieces somebody brings.
    out: usize,
}

/// A piece of a file, which somebody is to bring. Dropped, it is missing again.
#[derive(Debug)]
pub struct Piece {
    /// The file's number.
    pub file: usize,
    /// What is meant of it, in bytes, at bounds of groups.
    pub span: Range<u64>,
    came: bool,
    pieces: Arc<Pieces>,
}

impl Pieces {
    /// Of files of which this is missing.
    pub fn of<'a>(missing: impl IntoIterator<Item = &'a Ranges>) -> Arc<Self> {
        Self::sized(missing, LEAST..=MOST)
    }

    /// As [`Self::of`], in pieces of such sizes, whole groups each.
    pub fn sized<'a>(
        missing: impl IntoIterator<Item = &'a Ranges>,
        sizes: RangeInclusive<u64>,
    ) -> Arc<Self> {
        let left = missing.into_iter().map(|ranges| ranges.spans().to_vec()).collect();
        let state = Mutex::new(State { left, out: 0 });
        Arc::new(Self { sizes, state, changed: Notify::new() })
    }

    /// The next piece; waits while none is left and some are out, and says nothing once all came. Dropped without loss.
    pub async fn next(self: &Arc<Self>) -> Option<Piece> {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.lock();
                if let Some((file, span)) = state.cut(&self.sizes) {
                    state.out += 1;
                    return Some(Piece { file, span, came: false, pieces: Arc::clone(self) });
                }
                if state.out == 0 {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// Whether all came.
    pub fn is_done(&self) -> bool {
        let state = self.lock();
        state.out == 0 && state.left.iter().all(Vec::is_empty)
    }

    /// How many are out.
    pub fn out(&self) -> usize {
        self.lock().out
    }

    /// Completes once a piece comes or fails after this call, whenever it is awaited: to be called before the state is looked at.
    pub fn change(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Completes once none is out.
    pub async fn idle(&self) {
        loop {
            let changed = self.change();
            if self.out() == 0 {
                return;
            }
            changed.await;
        }
    }

    /// The state is whole between any two statements, so that a panic elsewhere cannot have torn it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn cut(&mut self, sizes: &RangeInclusive<u64>) -> Option<(usize, Range<u64>)> {
        // Parts of files whose sizes are bounded far below what would overflow.
        let left: u64 = self.left.iter().flatten().map(|span| span.end - span.start).sum();
        let most = (left / PART).clamp(*sizes.start(), *sizes.end()) / GROUP * GROUP;
        let (file, spans) = self.left.iter_mut().enumerate().find(|(_, it)| !it.is_empty())?;
        let first = spans.first_mut()?;
        let end = first.end.min(first.start + most);
        let span = first.start..end;
        if end == first.end {
            spans.remove(0);
        } else {
            first.start = end;
        }
        Some((file, span))
    }
}

impl Piece {
    /// What of it came is what is not missing of its file; the rest is somebody's to bring again.
    pub fn end(mut self, missing: &Ranges) {
        self.came = true;
        let rest = missing
            .spans()
            .iter()
            .map(|span| span.start.max(self.span.start)..span.end.min(self.span.end));
        let rest: Vec<_> = rest.filter(|span| span.start < span.end).collect();
        self.pieces.lock().left[self.file].extend(rest);
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut state = self.pieces.lock();
        state.out -= 1;
        if !self.came {
            state.left[self.file].push(self.span.clone());
        }
        drop(state);
        self.pieces.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_fails_is_handed_out_again_and_all_comes_once() {
        let size = 300 << 20;
        let pieces = Pieces::of([&Ranges::all(size).unwrap(), &Ranges::all(5).unwrap()]);
        let (mut came, mut count) = (Vec::new(), 0);
        while let Some(piece) = pieces.next().await {
            assert!(piece.span.end - piece.span.start <= MOST);
            count += 1;
            match count % 3 {
                0 => drop(piece),
                1 if piece.file == 0 => {
                    // The first group came, and the rest did not.
                    let Range { start, end } = piece.span.clone();
                    let middle = end.min(start + GROUP);
                    came.push((0, start..middle));
                    let missing = [[middle, size]];
                    let missing = if middle < size { &missing[..] } else { &[] };
                    piece.end(&Ranges::new(size, missing).unwrap());
                }
                _ => {
                    came.push((piece.file, piece.span.clone()));
                    piece.end(&Ranges::new(size, &[]).unwrap());
                }
            }
        }
        assert!(pieces.is_done() && pieces.out() == 0);
        came.sort_by_key(|(file, span)| (*file, span.start));
        let last = came.pop().unwrap();
        assert_eq!(last, (1, 0..5));
        let end = came.iter().fold(0, |end, (_, span)| {
            assert_eq!(span.start, end);
            span.end
        });
        assert_eq!(end, size);
    }

    #[tokio::test]
    async fn nobody_is_done_while_another_may_fail() {
        let pieces = Pieces::of([&Ranges::all(GROUP).unwrap()]);
        let piece = pieces.next().await.unwrap();
        let waiting = tokio::spawn({
            let pieces = Arc::clone(&pieces);
            async move { pieces.next().await.map(|piece| piece.span.clone()) }
        });
        tokio::task::yield_now().await;
        assert!(!pieces.is_done());
        drop(piece);
        assert_eq!(waiting.await.unwrap(), Some(0..GROUP));
    }
}
