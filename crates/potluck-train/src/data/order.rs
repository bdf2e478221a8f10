//! Which item is number n of a run: a function of seed and n, so that a resumed run needs no state.

use std::sync::{Mutex, PoisonError};

use crate::stream::Stream;

/// The order of `count` items over all epochs: each epoch has every item once.
#[derive(Debug)]
pub struct Order {
    seed: u64,
    count: usize,
    /// The epoch that was asked for last, as its shuffle takes longer than a look into it.
    known: Mutex<Option<(u64, Vec<usize>)>>,
}

impl Order {
    /// The order of at least one item.
    pub fn new(seed: u64, count: usize) -> Self {
        assert!(count > 0, "an order needs items");
        Self { seed, count, known: Mutex::new(None) }
    }

    /// Which item comes `n`-th, from 0, over all epochs.
    pub fn at(&self, n: u64) -> usize {
        let (epoch, place) = (self.epoch(n), (n % self.count as u64) as usize);
        // A panic elsewhere cannot have left it half written: it is replaced whole.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((known, places)) if *known == epoch => places[place],
            _ => {
                let mut places: Vec<usize> = (0..self.count).collect();
                Stream::of("data order", &[self.seed, epoch]).shuffle(&mut places);
                let item = places[place];
                *known = Some((epoch, places));
                item
            }
        }
    }

    /// In which epoch, from 0, the `n`-th item comes.
    pub fn epoch(&self, n: u64) -> u64 {
        n / self.count as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_has_every_item_once_in_another_order() {
        let order = Order::new(7, 50);
        let epoch = |e: u64| (0..50).map(|i| order.at(e * 50 + i)).collect::<Vec<_>>();
        let (first, second) = (epoch(0), epoch(1));
        assert_ne!(first, second);
        for mut items in [first.clone(), second] {
            items.sort_unstable();
            assert_eq!(items, (0..50).collect::<Vec<_>>());
        }
        assert_eq!(epoch(0), first, "looking back changes nothing");
        assert_eq!(Order::new(7, 50).at(63), order.at(63), "and no state is needed");
        assert_ne!((0..50).map(|i| Order::new(8, 50).at(i)).collect::<Vec<_>>(), first);
    }
}
