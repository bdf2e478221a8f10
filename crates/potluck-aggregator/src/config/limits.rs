//! `[limits]`: what bounds the server's hunger, all of it, and what each party can make it hold.
//!
//! The defaults' reasons stand beside them in `configs/aggregator.toml`. A party has one key on the network, so what
//! is counted by key there is counted by party. A party's share that is larger than the whole bounds nothing.

use std::num::NonZeroU64;
use std::time::Duration;

use serde::Deserialize;

use crate::store::quarantine::Bounds;

/// Threads that uploads and downloads may take together: the runtime has 512, and other work needs some.
const MAX_TRANSFERS: u64 = 400;

/// A party's streams share its rate, and each must still make progress.
const MIN_RATE: u64 = 100_000;

/// Bounds on what strangers and parties can make the server hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The most connections at one time.
    pub connections: u32,
    /// Of one party.
    pub connections_per_party: u32,
    /// Of one address, or of one IPv6 network of 64 bits.
    pub connections_per_address: u32,
    /// The most requests at one time on one connection.
    pub streams_per_connection: u32,
    /// Of one party, over all its connections.
    pub streams_per_party: u32,
    /// The most uploads at one time.
    pub uploads: u32,
    /// Of one party.
    pub uploads_per_party: u32,
    /// The most downloads at one time.
    pub downloads: u32,
    /// Of one party.
    pub downloads_per_party: u32,
    /// Bytes of content a second of one party, both ways together; nothing for as many as come.
    pub bytes_per_second_per_party: Option<NonZeroU64>,
    /// How long a peer that is waited for may go without progress.
    pub idle_seconds: u32,
    /// Bytes of content that are progress.
    pub progress_bytes: u64,
    /// The most bytes of unfinished uploads on disk.
    pub quarantine_bytes: u64,
    /// Of one party, with what its cut uploads left.
    pub quarantine_bytes_per_party: u64,
    /// After how many hours a cut upload to which nobody came back is removed.
    pub abandoned_after_hours: u32,
    /// After how many hours an expert that was replaced, and that no round took up, is removed; 0 for never.
    pub replaced_after_hours: u32,
    /// The most bytes of refused experts kept for the operator.
    pub refused_bytes: u64,
    /// Bytes of the disk that are not given to uploads and soups.
    pub disk_spare_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_per_party: 8,
            connections_per_address: 64,
            streams_per_connection: 8,
            streams_per_party: 32,
            uploads: 16,
            uploads_per_party: 4,
            downloads: 64,
            downloads_per_party: 16,
            bytes_per_second_per_party: None,
            idle_seconds: 30,
            progress_bytes: 64 << 10,
            quarantine_bytes: 640_000_000_000,
            quarantine_bytes_per_party: 160_000_000_000,
            abandoned_after_hours: 7 * 24,
            replaced_after_hours: 30 * 24,
            refused_bytes: 160_000_000_000,
            disk_spare_bytes: 1_000_000_000,
        }
    }
}

impl Limits {
    /// What of them is the network's.
    pub fn network(&self) -> potluck_net::Limits {
        let count = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        potluck_net::Limits {
            connections: count(self.connections),
            per_key: count(self.connections_per_party),
            per_address: count(self.connections_per_address),
            streams: self.streams_per_connection,
            streams_of_key: count(self.streams_per_party),
            uploads: count(self.uploads),
            uploads_of_key: count(self.uploads_per_party),
            downloads: count(self.downloads),
            downloads_of_key: count(self.downloads_per_party),
            rate: self.bytes_per_second_per_party,
            idle: Duration::from_secs(self.idle_seconds.into()),
            floor: self.progress_bytes,
            ..potluck_net::Limits::default()
        }
    }

    /// What of them is the quarantine's.
    pub fn quarantine(&self) -> Bounds {
        Bounds { total: self.quarantine_bytes, party: self.quarantine_bytes_per_party }
    }

    /// How long a cut upload is kept.
    pub fn abandoned(&self) -> Duration {
        Duration::from_secs(u64::from(self.abandoned_after_hours) * 3600)
    }

    /// How long a replaced expert is kept that nothing rests on; nothing for ever.
    pub fn replaced(&self) -> Option<Duration> {
        let hours = u64::from(self.replaced_after_hours);
        (hours > 0).then(|| Duration::from_secs(hours * 3600))
    }

    /// The first value that cannot be: its key, and what is wrong with it.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        self.zero().or_else(|| self.beyond()).or_else(|| self.no_progress())
    }

    fn zero(&self) -> Option<(&'static str, String)> {
        let all: [(&str, u64); 14] = [
            ("connections", self.connections.into()),
            ("connections_per_party", self.connections_per_party.into()),
            ("connections_per_address", self.connections_per_address.into()),
            ("streams_per_connection", self.streams_per_connection.into()),
            ("streams_per_party", self.streams_per_party.into()),
            ("uploads", self.uploads.into()),
            ("uploads_per_party", self.uploads_per_party.into()),
            ("downloads", self.downloads.into()),
            ("downloads_per_party", self.downloads_per_party.into()),
            ("idle_seconds", self.idle_seconds.into()),
            ("progress_bytes", self.progress_bytes),
            ("quarantine_bytes", self.quarantine_bytes),
            ("quarantine_bytes_per_party", self.quarantine_bytes_per_party),
            ("abandoned_after_hours", self.abandoned_after_hours.into()),
        ];
        let zero = all.into_iter().find(|(_, value)| *value == 0);
        zero.map(|(key, _)| (key, "is 0, which would refuse everything".to_owned()))
    }

    fn beyond(&self) -> Option<(&'static str, String)> {
        let transfers = u64::from(self.uploads) + u64::from(self.downloads);
        let sentence = format!(
            "makes {transfers} transfers at once with the uploads; there are threads for {MAX_TRANSFERS}"
        );
        (transfers > MAX_TRANSFERS).then_some(("downloads", sentence))
    }

    fn no_progress(&self) -> Option<(&'static str, String)> {
        let rate = self.bytes_per_second_per_party.map_or(u64::MAX, u64::from);
        let floor = self.progress_bytes.checked_div(self.idle_seconds.into()).unwrap_or(u64::MAX);
        let needed = floor.saturating_mul(self.streams_per_party.into()).max(MIN_RATE);
        (rate < needed).then(|| {
            let sentence = format!(
                "is {rate}; {needed} at least, or a party's streams could not all make the progress \
                 that is asked of them"
            );
            ("bytes_per_second_per_party", sentence)
        })
    }
}
