//! How many connections one key and one address may hold. Of IPv6, a network of 64 bits counts as one address: it
//! is the least that anybody gets, and holds as many addresses as somebody wants to have.
//!
//! An address that is full stays out. A key that is full gets in, and its oldest connection is ended: the key
//! is proved, so that nobody else can do that to its owner, and a program that was killed, or whose goodbye
//! was lost, must not lock its successor out until its silence has grown long.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use potluck_core::PublicKey;
use tokio::sync::oneshot;

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
    /// Numbers connections, in the order in which they came.
    came: u64,
    /// The connections of each key, the oldest first. A sender that is dropped ends its connection.
    keys: BTreeMap<KeyBytes, VecDeque<(u64, oneshot::Sender<()>)>>,
    addresses: BTreeMap<IpAddr, usize>,
}

/// Somebody is in, for as long as this lives.
pub(super) struct Inside {
    key: KeyBytes,
    address: IpAddr,
    number: u64,
    replaced: oneshot::Receiver<()>,
    counts: Arc<Mutex<Counts>>,
}

impl Doors {
    pub(super) fn new(limits: &Limits) -> Self {
        let (per_key, per_address) = (limits.per_key.max(1), limits.per_address);
        Self { per_key, per_address, counts: Arc::default() }
    }

    /// Lets a key from an address in, unless the address holds as many connections as it may.
    pub(super) fn enter(&self, key: &PublicKey, address: IpAddr) -> Option<Inside> {
        let (key, address) = (*key.as_bytes(), holder(address));
        let mut counts = lock(&self.counts);
        let of_address = counts.addresses.get(&address).copied().unwrap_or(0);
        if of_address >= self.per_address {
            return None;
        }
        counts.addresses.insert(address, of_address + 1);
        let number = counts.came;
        counts.came = number.wrapping_add(1);
        let (replace, replaced) = oneshot::channel();
        let of_key = counts.keys.entry(key).or_default();
        if of_key.len() >= self.per_key {
            of_key.pop_front();
        }
        of_key.push_back((number, replace));
        Some(Inside { key, address, number, replaced, counts: Arc::clone(&self.counts) })
    }
}

impl Doors {
    /// How many connections each key has.
    pub(super) fn connections(&self) -> Vec<(PublicKey, usize)> {
        let counts = lock(&self.counts);
        let keys = counts.keys.iter();
        // Each was a key when it came.
        keys.filter_map(|(key, of_key)| Some((PublicKey::from_bytes(key).ok()?, of_key.len())))
            .collect()
    }
}

/// The address, or network, whose owner is one somebody.
fn holder(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

impl Inside {
    /// Completes once a newer connection of the key has taken this one's place.
    pub(super) async fn replaced(&mut self) {
        // The sender says nothing: it is dropped.
        let _ = (&mut self.replaced).await;
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        if let Some(of_key) = counts.keys.get_mut(&self.key) {
            of_key.retain(|(number, _)| *number != self.number);
            if of_key.is_empty() {
                counts.keys.remove(&self.key);
            }
        }
        match counts.addresses.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.addresses.remove(&self.address)),
        }
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

    fn key(seed: u8) -> PublicKey {
        PrivateKey::from_seed(&[seed; 32]).public()
    }

    #[test]
    fn an_address_that_is_full_stays_out_until_one_leaves() {
        let doors = Doors::new(&Limits { per_address: 2, ..Limits::default() });
        let here = IpAddr::from([127, 0, 0, 1]);
        let first = doors.enter(&key(1), here).unwrap();
        let second = doors.enter(&key(2), here).unwrap();
        assert!(doors.enter(&key(3), here).is_none());
        assert!(doors.enter(&key(3), IpAddr::from([127, 0, 0, 2])).is_some());
        drop(first);
        drop(doors.enter(&key(3), here).unwrap());
        drop(second);
        let counts = lock(&doors.counts);
        assert!(counts.keys.is_empty() && counts.addresses.is_empty());
    }

    #[test]
    fn a_network_of_many_addresses_counts_as_one() {
        let doors = Doors::new(&Limits { per_address: 1, ..Limits::default() });
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let _first = doors.enter(&key(1), address("2001:db8:0:1::1")).unwrap();
        assert!(doors.enter(&key(2), address("2001:db8:0:1:ffff::2")).is_none());
        assert!(doors.enter(&key(2), address("2001:db8:0:2::1")).is_some());
        let _second = doors.enter(&key(1), address("192.0.2.1")).unwrap();
        assert!(doors.enter(&key(2), address("::ffff:192.0.2.1")).is_none());
        assert!(doors.enter(&key(2), address("192.0.2.2")).is_some());
    }

    #[tokio::test]
    async fn the_oldest_of_a_key_that_is_full_makes_room() {
        let doors = Doors::new(&Limits { per_key: 2, ..Limits::default() });
        let here = IpAddr::from([127, 0, 0, 1]);
        let mut first = doors.enter(&key(1), here).unwrap();
        let mut second = doors.enter(&key(1), here).unwrap();
        let other = doors.enter(&key(2), here).unwrap();
        assert!(
            first
                .replaced
                .try_recv()
                .is_err_and(|error| error == oneshot::error::TryRecvError::Empty)
        );
        let third = doors.enter(&key(1), here).unwrap();
        first.replaced().await;
        drop(first);
        drop(third);
        let _fourth = doors.enter(&key(1), here).unwrap();
        assert!(
            second
                .replaced
                .try_recv()
                .is_err_and(|error| error == oneshot::error::TryRecvError::Empty)
        );
        let _fifth = doors.enter(&key(1), here).unwrap();
        second.replaced().await;
        drop(other);
    }
}
