//! What the aggregator shares with others on the machine: its clock, its limits.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::process::{Resource, getrlimit};

use super::Finding;
use crate::config::Settings;

/// Files that are open beside connections: the store's, the log's, sockets.
const OWN_FILES: u64 = 64;

/// Where systemd-timesyncd, and others for its sake, say that the clock was set.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

pub(super) fn examine(settings: &Settings) -> Vec<Finding> {
    vec![clock(&settings.store.join("log/checkpoint"), SystemTime::now()), files(settings)]
}

/// The log's time never goes back: with a clock behind the last entry, every new one would bear that entry's time.
fn clock(checkpoint: &Path, now: SystemTime) -> Finding {
    let signed = fs::metadata(checkpoint).and_then(|metadata| metadata.modified());
    let behind = signed.ok().and_then(|signed| signed.duration_since(now).ok());
    if let Some(behind) = behind.filter(|behind| *behind > Duration::from_secs(1)) {
        let seen = format!("is {} s behind the latest checkpoint's file", behind.as_secs());
        let cure = "set the clock (chrony, systemd-timesyncd): deadlines of rounds go by it";
        return Finding::wrong("clock", seen, cure);
    }
    if Path::new(SYNCHRONISED).exists() {
        return Finding::well("clock", "is kept by systemd-timesyncd");
    }
    Finding::well("clock", "is not behind the ledger; nothing here says who keeps it")
}

fn files(settings: &Settings) -> Finding {
    let allowed = getrlimit(Resource::Nofile).current;
    let limits = &settings.limits;
    // A transfer has its content and the hashes beside it open; all else is one file each.
    let transfers = u64::from(limits.uploads) + u64::from(limits.downloads);
    let needed = OWN_FILES + u64::from(limits.connections) + 3 * transfers;
    match allowed {
        Some(allowed) if allowed < needed => Finding::warning(
            "open files",
            format!("{allowed} are allowed, {needed} can be needed"),
            format!(
                "raise the limit (LimitNOFILE={needed} in the unit), or lower limits.connections"
            ),
        ),
        Some(allowed) => {
            Finding::well("open files", format!("{allowed} are allowed, {needed} at most needed"))
        }
        None => Finding::well("open files", "as many as there are"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_clock_that_stands_behind_the_log_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = folder.path().join("checkpoint");
        let now = SystemTime::now();
        assert_eq!(clock(&checkpoint, now).verdict, Verdict::Well);
        fs::write(&checkpoint, "").unwrap();
        let before = now - Duration::from_secs(3600);
        let found = clock(&checkpoint, before);
        assert_eq!(found.verdict, Verdict::Wrong);
        assert!(found.seen.contains("s behind"), "{}", found.seen);
        assert_eq!(clock(&checkpoint, now + Duration::from_secs(9)).verdict, Verdict::Well);
    }
}
