//! Uploads under way, as the operator sees them: in the log, and in the answer to `potluck status`.
//!
//! One line when an upload begins, one every ten seconds while bytes come, one when it ends. Nothing is decided by
//! these numbers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use potluck_core::{Blake3, FileEntry};
use potluck_wire::UploadStatus;

/// How often a line is written while bytes come.
const LINE: Duration = Duration::from_secs(10);

/// Over how long, at least, a rate is measured.
const SAMPLE: Duration = Duration::from_secs(5);

/// All of them.
#[derive(Debug, Default)]
pub struct Uploads(Mutex<Numbered>);

#[derive(Debug, Default)]
struct Numbered {
    begun: u64,
    /// Bytes that were verified and written since the start.
    received: u64,
    under_way: BTreeMap<u64, Upload>,
}

#[derive(Debug)]
struct Upload {
    party: String,
    blake3: Blake3,
    size: u64,
    resumed_from: u64,
    verified: u64,
    /// Where the rate is measured from: two moments, of which the earlier counts, and the later takes its place.
    samples: [(Instant, u64); 2],
    told: Instant,
}

/// One upload, under way for as long as this lives.
#[derive(Debug)]
pub struct UnderWay {
    number: u64,
    all: Arc<Uploads>,
}

impl Uploads {
    /// An upload of `party` begins, of which so many bytes are there.
    pub fn begin(self: &Arc<Self>, party: String, file: &FileEntry, verified: u64) -> UnderWay {
        let now = Instant::now();
        let (blake3, size) = (file.blake3, file.size);
        tracing::info!(party, blob = %blake3.short(), bytes = size, verified, "an upload begins");
        let samples = [(now, verified); 2];
        let resumed_from = verified;
        let upload = Upload { party, blake3, size, resumed_from, verified, samples, told: now };
        let mut all = self.lock();
        let number = all.begun;
        all.begun += 1;
        all.under_way.insert(number, upload);
        UnderWay { number, all: Arc::clone(self) }
    }

    /// How all of them stand.
    pub fn status(&self) -> Vec<UploadStatus> {
        let now = Instant::now();
        self.lock().under_way.values().map(|upload| upload.status(now)).collect()
    }

    /// How many began since the start, and how many bytes were verified.
    pub fn totals(&self) -> (u64, u64) {
        let all = self.lock();
        (all.begun, all.received)
    }

    /// What is locked is whole between any two statements, so that a panic elsewhere cannot have torn it.
    fn lock(&self) -> MutexGuard<'_, Numbered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// So many more bytes are verified and written.
    pub fn verified(&self, bytes: u64) {
        let now = Instant::now();
        let mut all = self.all.lock();
        all.received = all.received.saturating_add(bytes);
        if let Some(upload) = all.under_way.get_mut(&self.number) {
            upload.take(bytes, now);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(upload) = self.all.lock().under_way.remove(&self.number) {
            upload.tell("an upload ends", Instant::now());
        }
    }
}

impl Upload {
    fn take(&mut self, bytes: u64, now: Instant) {
        self.verified = self.verified.saturating_add(bytes);
        if now.duration_since(self.samples[1].0) >= SAMPLE {
            self.samples = [self.samples[1], (now, self.verified)];
        }
        if now.duration_since(self.told) >= LINE {
            self.told = now;
            self.tell("an upload goes on", now);
        }
    }

    fn tell(&self, what: &'static str, now: Instant) {
        let UploadStatus { party, blake3, size, verified, rate, seconds_left, .. } =
            self.status(now);
        tracing::info!(party, blob = %blake3.short(), bytes = size, verified, rate, seconds_left, "{what}");
    }

    fn status(&self, now: Instant) -> UploadStatus {
        let (since, before) = self.samples[0];
        let moved = u128::from(self.verified.saturating_sub(before)).saturating_mul(1000);
        let rate = moved / now.duration_since(since).as_millis().max(1);
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        let left = self.size.saturating_sub(self.verified);
        UploadStatus {
            party: self.party.clone(),
            blake3: self.blake3,
            size: self.size,
            verified: self.verified,
            resumed_from: self.resumed_from,
            rate,
            seconds_left: if left == 0 { Some(0) } else { left.checked_div(rate) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_core::Sha256;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut upload = Upload {
            party: "agency".into(),
            blake3: Blake3::of(b"x"),
            size: 100_000,
            resumed_from: 10_000,
            verified: 10_000,
            samples: [(begun, 10_000); 2],
            told: begun,
        };
        assert_eq!(upload.status(at(1)).seconds_left, None, "nothing came yet");
        for second in 1..=20 {
            upload.take(1000, at(second));
        }
        let status = upload.status(at(20));
        assert_eq!((status.verified, status.rate, status.seconds_left), (30_000, 1000, Some(70)));
        for second in 21..=31 {
            upload.take(3000, at(second));
        }
        assert_eq!(upload.status(at(31)).rate, 3000, "what was long ago does not count");
        upload.take(100_000, at(32));
        assert_eq!(upload.status(at(32)).seconds_left, Some(0));
    }

    #[test]
    fn it_is_under_way_until_it_is_dropped() {
        let uploads = Arc::new(Uploads::default());
        let file = FileEntry {
            path: "x".into(),
            size: 10,
            blake3: Blake3::of(b"x"),
            sha256: Sha256::of(b"x"),
        };
        let first = uploads.begin("agency".into(), &file, 3);
        let second = uploads.begin("readers".into(), &file, 0);
        first.verified(4);
        let seen = uploads.status();
        let seen: Vec<_> = seen.iter().map(|it| (it.party.as_str(), it.verified)).collect();
        assert_eq!(seen, [("agency", 7), ("readers", 0)]);
        drop(first);
        assert_eq!(uploads.status().len(), 1);
        drop(second);
        assert!(uploads.status().is_empty());
    }
}
