//! What cut uploads left: whose it is, and in which order it gives way.
//!
//! Beside the bytes of an upload lies `<blob>.party`, the name of who began it. It is bookkeeping, not evidence:
//! where it is lost, the leftover is nobody's, and gives way all the same.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use potluck_core::Blake3;

use super::disk;

/// The endings of an upload's files. The bytes last: it is by them that a leftover is found.
const ENDINGS: [&str; 3] = ["party", "obao", "part"];

/// What a cut upload left.
#[derive(Debug)]
pub(super) struct Leftover {
    pub(super) blob: Blake3,
    /// Who began it; nothing where that is lost.
    pub(super) party: String,
    pub(super) bytes: u64,
    touched: SystemTime,
}

/// Writes down whose an upload is.
pub(super) fn sign(folder: &Path, blob: Blake3, party: &str) -> io::Result<()> {
    fs::write(folder.join(format!("{blob}.party")), party)
}

/// Who began an upload, if that is known.
pub(super) fn owner(folder: &Path, blob: Blake3) -> Option<String> {
    let owner = fs::read_to_string(folder.join(format!("{blob}.party"))).ok();
    owner.filter(|owner| !owner.is_empty())
}

/// Removes all that is left of an upload.
pub(super) fn remove(folder: &Path, blob: Blake3) -> io::Result<()> {
    for ending in ENDINGS {
        match fs::remove_file(folder.join(format!("{blob}.{ending}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// What lies in `folder` of uploads that are not under way.
pub(super) fn find(
    folder: &Path,
    is_under_way: &dyn Fn(Blake3) -> bool,
) -> io::Result<Vec<Leftover>> {
    let mut leftovers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(blob) = name.strip_suffix(".part").and_then(|blob| blob.parse::<Blake3>().ok())
        else {
            continue;
        };
        if is_under_way(blob) {
            continue;
        }
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            // Its upload ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let touched = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        // A name that cannot be read is a name that is lost.
        let party = fs::read_to_string(folder.join(format!("{blob}.party"))).unwrap_or_default();
        leftovers.push(Leftover { blob, party, bytes: disk::held(&metadata), touched });
    }
    Ok(leftovers)
}

/// Takes out the next that gives way: the oldest of whoever left most, in bytes or in number. So nobody loses a
/// beginning because another leaves many.
pub(super) fn next_to_go(leftovers: &mut Vec<Leftover>, weigh: Weigh) -> Option<Leftover> {
    let mut weights: BTreeMap<&str, u64> = BTreeMap::new();
    for left in leftovers.iter() {
        let weight = match weigh {
            Weigh::Bytes => left.bytes,
            Weigh::Number => 1,
        };
        let sum = weights.entry(&left.party).or_default();
        *sum = sum.saturating_add(weight);
    }
    let (party, _) = weights.into_iter().max_by_key(|(_, weight)| *weight)?;
    let party = party.to_owned();
    oldest(leftovers, |left| left.party == party)
}

/// By what it is judged who left most.
#[derive(Debug, Clone, Copy)]
pub(super) enum Weigh {
    Bytes,
    Number,
}

/// Takes out the oldest of those that are meant.
pub(super) fn oldest(
    leftovers: &mut Vec<Leftover>,
    meant: impl Fn(&Leftover) -> bool,
) -> Option<Leftover> {
    let all = leftovers.iter().enumerate().filter(|(_, left)| meant(left));
    let (place, _) = all.min_by_key(|(_, left)| left.touched)?;
    Some(leftovers.swap_remove(place))
}

impl Leftover {
    /// Whether nobody wrote to it for so long. A clock that went backwards ages nothing.
    pub(super) fn is_older_than(&self, grace: Duration, now: SystemTime) -> bool {
        now.duration_since(self.touched).is_ok_and(|age| age >= grace)
    }
}

/// The bytes of all.
pub(super) fn sum<'a>(leftovers: impl IntoIterator<Item = &'a Leftover>) -> u64 {
    leftovers.into_iter().fold(0, |sum, left| sum.saturating_add(left.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(party: &str, bytes: u64, touched: u64) -> Leftover {
        let touched = SystemTime::UNIX_EPOCH + Duration::from_secs(touched);
        let blob = Blake3::of(format!("{party} {touched:?}").as_bytes());
        Leftover { blob, party: party.to_owned(), bytes, touched }
    }

    #[test]
    fn whoever_left_most_loses_the_oldest_first() {
        let all = || vec![left("a", 10, 1), left("b", 9, 3), left("b", 9, 2), left("c", 15, 9)];
        let order = |weigh| {
            let mut leftovers = all();
            let mut order = Vec::new();
            while let Some(next) = next_to_go(&mut leftovers, weigh) {
                order.push((next.party, next.bytes, next.touched.elapsed().is_ok()));
            }
            order.into_iter().map(|(party, ..)| party).collect::<String>()
        };
        assert_eq!(order(Weigh::Bytes), "bcab");
        assert_eq!(order(Weigh::Number).chars().next(), Some('b'));
        let mut leftovers = all();
        let first = next_to_go(&mut leftovers, Weigh::Bytes).unwrap();
        assert_eq!(first.touched, SystemTime::UNIX_EPOCH + Duration::from_secs(2));
    }

    #[test]
    fn age_counts_from_the_last_write() {
        let (old, now) = (left("a", 1, 100), SystemTime::UNIX_EPOCH + Duration::from_secs(200));
        assert!(old.is_older_than(Duration::from_secs(100), now));
        assert!(!old.is_older_than(Duration::from_secs(101), now));
        assert!(!old.is_older_than(Duration::ZERO, SystemTime::UNIX_EPOCH));
    }
}
