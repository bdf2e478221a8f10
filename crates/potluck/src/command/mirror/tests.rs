//! A copy is the log, or it says that it is not.

use std::fs;

use super::*;
use crate::failure::Kind;
use crate::ledger::{Mirror, unseen};
use crate::samples::{Story, block_on};

fn copied(story: &Story, out: &Path) -> u64 {
    block_on(copy(story, &Story::log_key(), out, From::TheEnd)).unwrap().1.count()
}

fn read(out: &Path) -> Result<Ledger, Failure> {
    let mirror = Mirror::open(out)?;
    block_on(Ledger::read_whole(&mirror, &Story::log_key(), None, &mut unseen))
}

#[test]
fn a_copy_goes_on_where_it_was_and_can_be_read() {
    let home = tempfile::tempdir().unwrap();
    let (short, long) = (Story::with_round(), Story::published());
    assert_eq!(copied(&short, home.path()), 6);
    assert_eq!(read(home.path()).unwrap().federation(), short.federation());
    assert_eq!(copied(&long, home.path()), 3);
    assert_eq!(copied(&long, home.path()), 0);
    assert_eq!(read(home.path()).unwrap().federation(), long.federation());
    // Without a snapshot it begins again, over what is there.
    fs::remove_file(home.path().join("state/snapshot")).unwrap();
    assert_eq!(copied(&long, home.path()), 9);
    assert_eq!(read(home.path()).unwrap().federation(), long.federation());
}

#[test]
fn a_log_that_forked_is_not_copied_over() {
    let home = tempfile::tempdir().unwrap();
    let mut seen = Story::with_round();
    seen.propose("agency", "agency=0.75,readers=0.25");
    let mut other = Story::with_round();
    other.propose("readers", "agency=0.75,readers=0.25");
    other.propose("agency", "agency=0.75,readers=0.25");
    copied(&seen, home.path());
    let failure = block_on(copy(&other, &Story::log_key(), home.path(), From::TheEnd)).map(|_| ());
    assert_eq!(failure.unwrap_err().code(), "fork");
    assert!(home.path().join("state/evidence/7-8/fork.json").exists());
    assert_eq!(read(home.path()).unwrap().federation(), seen.federation());
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn no_damage_goes_unseen() {
    let home = tempfile::tempdir().unwrap();
    let (out, story) = (home.path().join("copy"), Story::published());
    copied(&story, &out);
    let log: Vec<_> =
        files(&out).into_iter().filter(|path| !path.starts_with(out.join("state"))).collect();
    assert!(log.len() > 11, "{log:?}");
    for path in log {
        let honest = fs::read(&path).unwrap();
        let is_hash_tile = path.strip_prefix(&out).unwrap().starts_with("tile/0");
        let mut flipped = honest.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        for damaged in [Some(flipped), Some(honest[..honest.len() - 1].to_vec()), None] {
            match &damaged {
                Some(bytes) => fs::write(&path, bytes).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            // Tiles of hashes are not needed to replay: the audit compares them one by one.
            if !is_hash_tile {
                let kind = read(&out).map(|_| ()).unwrap_err().kind();
                assert!(matches!(kind, Kind::Refused | Kind::Input), "{}", path.display());
            }
            // Read again, the copy is whole again.
            block_on(copy(&story, &Story::log_key(), &out, From::TheGenesis)).unwrap();
            assert_eq!(fs::read(&path).unwrap(), honest, "{}", path.display());
        }
    }
}
