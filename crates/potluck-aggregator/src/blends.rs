//! Blends under way, for whoever watches, and what they came to. Nothing is decided by these numbers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use potluck_core::Blake3;

/// All of them.
#[derive(Debug, Default)]
pub struct Blends(Mutex<Numbered>);

#[derive(Debug, Default)]
struct Numbered {
    begun: u64,
    /// Bytes of the soups that were blended since the start.
    bytes: u64,
    under_way: BTreeMap<u64, BlendStatus>,
}

/// How one of them stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlendStatus {
    /// The digest of the recipe.
    pub recipe: Blake3,
    /// Bytes that are done, in the blend's own count.
    pub done: u64,
    /// Of how many; 0 until it is known.
    pub total: u64,
}

/// One blend, under way for as long as this lives.
#[derive(Debug)]
pub struct UnderWay {
    number: u64,
    all: Arc<Blends>,
}

impl Blends {
    /// The soup of a recipe begins to be blended.
    pub fn begin(self: &Arc<Self>, recipe: Blake3) -> UnderWay {
        let mut all = self.lock();
        let number = all.begun;
        all.begun += 1;
        all.under_way.insert(number, BlendStatus { recipe, done: 0, total: 0 });
        UnderWay { number, all: Arc::clone(self) }
    }

    /// How those under way stand.
    pub fn status(&self) -> Vec<BlendStatus> {
        self.lock().under_way.values().copied().collect()
    }

    /// Bytes of the soups that were blended since the start.
    pub fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// What is locked is whole between any two statements, so that a panic elsewhere cannot have torn it.
    fn lock(&self) -> MutexGuard<'_, Numbered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// So much of it is done.
    pub fn at(&self, done: u64, total: u64) {
        if let Some(blend) = self.all.lock().under_way.get_mut(&self.number) {
            (blend.done, blend.total) = (done, total);
        }
    }

    /// It is done, and came to a soup of so many bytes.
    pub fn done(self, bytes: u64) {
        let mut all = self.all.lock();
        all.bytes = all.bytes.saturating_add(bytes);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.all.lock().under_way.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_under_way_until_it_is_dropped() {
        let blends = Arc::new(Blends::default());
        let recipe = Blake3::of(b"x");
        let (first, second) = (blends.begin(recipe), blends.begin(recipe));
        first.at(3, 10);
        assert_eq!(blends.status()[0], BlendStatus { recipe, done: 3, total: 10 });
        first.done(10);
        drop(second);
        assert_eq!((blends.status().len(), blends.bytes()), (0, 10));
    }
}
