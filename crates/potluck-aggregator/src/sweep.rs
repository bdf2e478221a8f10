//! What nobody needs any more, removed: at the start and then once an hour.
//!
//! Cut uploads to which nobody came back, after a grace; and experts that were replaced, after another, where no
//! round took them up. An audit and a mirror ask for what rounds took up and for what is in force, and for nothing
//! else, so that whatever the ledger still rests on stays. Called by `main`; the rules of what goes are the
//! [`Catalogue`](crate::catalogue::Catalogue)'s and the quarantine's.

use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::Limits;
use crate::in_full;
use crate::server::Aggregator;

/// How often it is looked. Graces are of days, so that an hour more is nothing.
const EVERY: Duration = Duration::from_secs(3600);

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Cut uploads.
    pub uploads: usize,
    /// Experts that were replaced.
    pub experts: usize,
    /// Bytes of both.
    pub bytes: u64,
}

/// Sweeps at once and then every hour, by the limits as they are then, until the other end of `ended` is gone.
pub async fn keep_sweeping(
    aggregator: Aggregator,
    limits: watch::Receiver<Limits>,
    mut ended: watch::Receiver<()>,
) {
    let mut hour = interval(EVERY);
    hour.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // Dropped without loss: the next tick keeps its time.
            _ = hour.tick() => (),
            _ = ended.changed() => return,
        }
        let (aggregator, limits) = (aggregator.clone(), *limits.borrow());
        // Joined here, so that the end waits for it: a sweep is some hundred looks at a folder.
        let swept = spawn_blocking(move || sweep(&aggregator, &limits, SystemTime::now())).await;
        if let Err(error) = swept {
            tracing::error!(%error, "a sweep panicked");
        }
    }
}

/// Removes what is past its grace. What cannot be removed is logged, and tried again at the next sweep.
pub fn sweep(aggregator: &Aggregator, limits: &Limits, now: SystemTime) -> Swept {
    let mut swept = Swept::default();
    match aggregator.store.quarantine.sweep(limits.abandoned(), now) {
        Ok((uploads, bytes)) => (swept.uploads, swept.bytes) = (uploads, bytes),
        Err(error) => tracing::warn!(%error, "abandoned uploads could not be removed"),
    }
    if let Some(grace) = limits.replaced() {
        sweep_experts(aggregator, grace, now, &mut swept);
    }
    if swept != Swept::default() {
        tracing::info!(swept.uploads, swept.experts, swept.bytes, "swept");
    }
    swept
}

fn sweep_experts(aggregator: &Aggregator, grace: Duration, now: SystemTime, swept: &mut Swept) {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let before = now.saturating_sub(grace).as_secs();
    let unneeded = || {
        let standing = aggregator.standing();
        standing.catalogue.unneeded(&standing.federation, before)
    };
    for file in unneeded() {
        // Asked again when nobody can be handing the same bytes in: they may be an expert in force since.
        let still = || unneeded().iter().any(|other| other.blake3 == file.blake3);
        match aggregator.store.blobs.remove(file.blake3, &still) {
            Ok(true) => {
                tracing::info!(blob = %file.blake3.short(), file.size, "a replaced expert is removed");
                swept.experts += 1;
                swept.bytes = swept.bytes.saturating_add(file.size);
            }
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(error = %in_full(&error), "a replaced expert could not be removed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::*;
    use potluck_core::{Author, Blake3, Code, FileEntry};
    use potluck_net::{Offer, Service as _};

    const DAY: Duration = Duration::from_secs(86_400);

    fn has(aggregator: &Aggregator, turn: u8) -> bool {
        aggregator.store.blobs.contains(Blake3::of(&expert(turn)))
    }

    #[test]
    fn only_experts_that_nothing_rests_on_are_removed() {
        let folder = Folder::new();
        let aggregator = folder.open();
        // Experts 1 and 2 are in a round; 3 replaces 1 and is replaced by 4, both by no round taken up.
        aggregator.agree();
        aggregator.push_expert("agency", &expert(3)).unwrap();
        aggregator.push_expert("agency", &expert(4)).unwrap();
        let (limits, now) = (Limits::default(), SystemTime::now());
        assert_eq!(sweep(&aggregator, &limits, now + 29 * DAY), Swept::default());

        let never = Limits { replaced_after_hours: 0, ..limits };
        assert_eq!(sweep(&aggregator, &never, now + 99 * DAY), Swept::default());
        let swept = sweep(&aggregator, &limits, now + 31 * DAY);
        assert_eq!((swept.experts, swept.bytes), (1, expert(3).len() as u64));
        assert_eq!([1, 2, 3, 4].map(|turn| has(&aggregator, turn)), [true, true, false, true]);
        assert_eq!(sweep(&aggregator, &limits, now + 31 * DAY), Swept::default());
        let gone = aggregator.fetch(&operator().public(), &Blake3::of(&expert(3))).unwrap_err();
        assert_eq!(gone.code, Code::NotFound);
        assert!(gone.sentence.contains("replaced"), "{}", gone.sentence);

        // The same from the stored ledger, and the bytes may come again.
        drop(aggregator);
        let aggregator = folder.open();
        assert_eq!(sweep(&aggregator, &limits, now + 31 * DAY), Swept::default());
        aggregator.push_expert("agency", &expert(3)).unwrap();
        let swept = sweep(&aggregator, &limits, now + 62 * DAY);
        assert_eq!(swept.experts, 1, "now it is expert 4 that was replaced");
        assert!(has(&aggregator, 3) && !has(&aggregator, 4));
        aggregator.publication();
    }

    #[test]
    fn bytes_that_are_being_handed_in_again_stay() {
        let folder = Folder::new();
        let aggregator = folder.open();
        aggregator.say(Author::Operator, admit("agency")).unwrap();
        for turn in [1, 2] {
            aggregator.push_expert("agency", &expert(turn)).unwrap();
        }
        let body = submission(&aggregator.standing().federation, &expert(1));
        let envelope = aggregator.signed(party("agency"), body);
        let agency = party_key("agency").public();
        let Ok(Offer::Wanted(upload)) = aggregator.submit(&agency, &envelope) else { panic!() };
        let (limits, later) = (Limits::default(), SystemTime::now() + 31 * DAY);
        assert_eq!(sweep(&aggregator, &limits, later), Swept::default());
        upload.receive(&mut std::io::empty()).unwrap();
        assert!(has(&aggregator, 1));
        // In force again: what was known of it before the entry counts no more.
        let federation = aggregator.standing().federation.clone();
        let stale = |file: &FileEntry| file.blake3 == Blake3::of(&expert(1));
        let unneeded = aggregator.standing().catalogue.unneeded(&federation, u64::MAX);
        assert!(!unneeded.iter().any(stale));
        assert_eq!(sweep(&aggregator, &limits, later).experts, 1);
        assert!(has(&aggregator, 1) && !has(&aggregator, 2));
    }
}
