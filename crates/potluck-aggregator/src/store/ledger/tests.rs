//! Every acknowledged entry survives, wherever the disk or the process stops.

use potluck_core::envelope::Domain;
use potluck_core::{Envelope, Kind, PrivateKey};

use super::disk::{Disk, open_on};
use super::*;

const WHOLE: Window = Window { entries: 1000, bytes: usize::MAX };

fn entry(number: u64) -> Entry {
    let domain = Domain { kind: Kind::Genesis, federation: None };
    let key = PrivateKey::from_seed(&[1; 32]);
    // Long enough that the file has to grow on the way.
    let payload = [number as u8; 30_000];
    let envelope = Envelope::sign(domain, payload.to_vec(), &key).unwrap();
    Entry::parse(format!("record {number}").as_bytes(), envelope.as_bytes()).unwrap()
}

fn checkpoint(size: u64) -> String {
    format!("checkpoint {size}")
}

/// Appends until the disk dies; how many entries were acknowledged.
fn append_all(ledger: &RedbLedger, entries: u64) -> u64 {
    let from = ledger.page(0, WHOLE).unwrap().len() as u64;
    let appended =
        |&index: &u64| ledger.append(index, &[entry(index)], &checkpoint(index + 1)).is_ok();
    from + (from..entries).take_while(appended).count() as u64
}

fn invariant_acknowledged_entries_are_there(image: Vec<u8>, acknowledged: u64) {
    let ledger = open_on(Disk::of(image)).unwrap();
    let page = ledger.page(0, WHOLE).unwrap();
    let size = page.len() as u64;
    // The one that was under way may be there or not, but not by halves.
    assert!(size == acknowledged || size == acknowledged + 1, "{size} of {acknowledged}");
    for (index, stored) in page.iter().enumerate() {
        assert_eq!(*stored, entry(index as u64));
        assert_eq!(ledger.index_of(stored.envelope().sha256()).unwrap(), Some(index as u64));
    }
    assert_eq!(ledger.checkpoint().unwrap(), (size > 0).then(|| checkpoint(size)));
    // And it goes on from there.
    assert_eq!(append_all(&ledger, size + 1), size + 1);
}

#[test]
fn a_disk_that_dies_at_any_operation_keeps_what_was_acknowledged() {
    const ENTRIES: u64 = 12;
    let healthy = Disk::empty();
    append_all(&open_on(healthy.clone()).unwrap(), ENTRIES);
    let operations = healthy.operations();
    assert!(operations > 3 * ENTRIES, "{operations}");
    for dies_at in 0..operations {
        let disk = Disk::empty().dying_at(dies_at);
        let acknowledged = match open_on(disk.clone()) {
            Ok(ledger) => append_all(&ledger, ENTRIES),
            Err(_) => 0,
        };
        // After a kill the system still has all that was written; after a power cut only what was synced.
        let (written, synced) = disk.image();
        invariant_acknowledged_entries_are_there(written, acknowledged);
        invariant_acknowledged_entries_are_there(synced, acknowledged);
    }
}

#[test]
fn a_window_returns_the_first_entry_and_then_what_fits() {
    let ledger = open_on(Disk::empty()).unwrap();
    assert!(ledger.page(0, WHOLE).unwrap().is_empty());
    assert_eq!(ledger.checkpoint().unwrap(), None);
    assert_eq!(append_all(&ledger, 3), 3);
    let length = |from, entries, bytes| ledger.page(from, Window { entries, bytes }).unwrap().len();
    assert_eq!((length(0, 9, 0), length(1, 2, usize::MAX), length(3, 9, 9)), (1, 2, 0));
    assert_eq!(ledger.entry(2).unwrap(), Some(entry(2)));
    assert_eq!(ledger.entry(3).unwrap(), None);
}

#[test]
fn a_ledger_that_was_never_finished_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    fs::write(path.with_extension("unfinished"), b"half a file").unwrap();
    assert_eq!(append_all(&RedbLedger::open(&path).unwrap(), 1), 1);
    assert_eq!(append_all(&RedbLedger::open(&path).unwrap(), 2), 2);
    fs::write(&path, b"something else").unwrap();
    let error = RedbLedger::open(&path).unwrap_err().to_string();
    assert!(error.contains("ledger.redb"), "{error}");
}
