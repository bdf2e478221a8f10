//! How many connections one key and one address may hold.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use potluck_core::PublicKey;

use super::Limits;

type KeyBytes = [u8; 32];

/// Counts those who are in.
pub(super) struct Doors {
    per_key: usize,
    per_address: usize,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Default)]
struct Counts {
    keys: BTreeMap<KeyBytes, usize>,
    addresses: BTreeMap<IpAddr, usize>,
}

/// Somebody is in, for as long as this lives.
pub(super) struct Inside {
    key: KeyBytes,
    address: IpAddr,
    counts: Arc<Mutex<Counts>>,
}

impl Doors {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { per_key: limits.per_key, per_address: limits.per_address, counts: Arc::default() }
    }

    /// Lets a key from an address in, unless one of them holds as many connections as it may.
    pub(super) fn enter(&self, key: &PublicKey, address: IpAddr) -> Option<Inside> {
        let key = *key.as_bytes();
        let mut counts = lock(&self.counts);
        let of_key = counts.keys.get(&key).copied().unwrap_or(0);
        let of_address = counts.addresses.get(&address).copied().unwrap_or(0);
        if of_key >= self.per_key || of_address >= self.per_address {
            return None;
        }
        counts.keys.insert(key, of_key + 1);
        counts.addresses.insert(address, of_address + 1);
        Some(Inside { key, address, counts: Arc::clone(&self.counts) })
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        leave(&mut counts.keys, &self.key);
        leave(&mut counts.addresses, &self.address);
    }
}

fn leave<K: Ord>(counts: &mut BTreeMap<K, usize>, of: &K) {
    match counts.get_mut(of) {
        Some(count) if *count > 1 => *count -= 1,
        _ => drop(counts.remove(of)),
    }
}

/// The counts are whole between any two statements, so that a panic elsewhere cannot have torn them.
fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_core::PrivateKey;

    #[test]
    fn a_key_or_address_that_is_full_stays_out_until_one_leaves() {
        let doors = Doors::new(&Limits { per_key: 1, per_address: 2, ..Limits::default() });
        let key = |seed| PrivateKey::from_seed(&[seed; 32]).public();
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let first = doors.enter(&key(1), here).unwrap();
        assert!(doors.enter(&key(1), there).is_none());
        let second = doors.enter(&key(2), here).unwrap();
        assert!(doors.enter(&key(3), here).is_none());
        drop(first);
        assert!(doors.enter(&key(1), here).is_some());
        drop(second);
        let counts = lock(&doors.counts);
        assert!(counts.keys.is_empty() && counts.addresses.is_empty());
    }
}
