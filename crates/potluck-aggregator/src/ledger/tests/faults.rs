//! Whatever a failing disk or a kill stops: every receipt that was ever handed out holds, and the ledger opens.

use super::*;
use crate::store::ledger::disk::{Disk, open_on};

/// What the operator says, in order.
const NAMES: [&str; 2] = ["agency", "readers"];

fn open_over(disk: &Disk, files: &Shelves) -> Option<Ledger> {
    let store = Box::new(open_on(disk.clone()).ok()?);
    let files = Arc::new(files.clone());
    Ledger::open(store, files, &genesis(0), LogKeys::of([log_key()]), Arc::default()).ok()
}

/// Appends until something fails; the receipts that were handed out, and whether something did.
fn say_all(disk: &Disk, files: &Shelves) -> (Vec<Receipt>, bool) {
    let Some(ledger) = open_over(disk, files) else { return (Vec::new(), true) };
    let bodies = NAMES.map(admit);
    let said = bodies.into_iter().map_while(|body| {
        let receipt = say(&ledger, body);
        let is_fault = receipt.as_ref().is_err_and(|refusal| refusal.code == Code::Internal);
        // The folder, which is written after the receipt, makes it known to the next who asks.
        assert!(!is_fault || ledger.fault.first().is_some());
        ledger.settle();
        receipt.ok().map(Recorded::into_receipt)
    });
    (said.collect(), ledger.fault.first().is_some())
}

fn invariant_receipts_hold(image: Vec<u8>, files: &Shelves, receipts: &[Receipt]) {
    let ledger = open_over(&Disk::of(image), files).expect("the ledger opens");
    invariant_the_folder_is_the_ledger(&ledger);
    let key: VerifierKey = ledger.verifier_key().parse().unwrap();
    let reader = ArchiveReader::over(Arc::clone(ledger.files())).unwrap();
    let entries = ledger.page(0).unwrap().entries;
    for receipt in receipts {
        assert_eq!(receipt.record.as_bytes(), entries[receipt.index as usize].record());
        let proof: TlogProof = receipt.proof.parse().unwrap();
        let logged = proof.verify(receipt.record.as_bytes(), &key).unwrap();
        let shown = logged.checkpoint();
        assert_eq!(reader.tiles().unwrap().root_at(shown.size()).unwrap(), shown.root());
    }
    // And it goes on from there.
    for name in NAMES.iter().skip(entries.len() - 1) {
        say(&ledger, admit(name)).unwrap();
    }
    invariant_the_folder_is_the_ledger(&ledger);
}

#[test]
fn a_disk_that_dies_at_any_operation_takes_no_receipt_with_it() {
    let healthy = Disk::empty();
    let (receipts, failed) = say_all(&healthy, &Shelves::default());
    assert_eq!((receipts.len(), failed), (NAMES.len(), false));
    for dies_at in 0..healthy.operations() {
        let (disk, files) = (Disk::empty().dying_at(dies_at), Shelves::default());
        let (receipts, _) = say_all(&disk, &files);
        let (written, synced) = disk.image();
        // After a kill all that was written is there; after a power cut what was synced, and perhaps no folder.
        invariant_receipts_hold(written, &files, &receipts);
        invariant_receipts_hold(synced, &Shelves::default(), &receipts);
    }
}

#[test]
fn a_folder_that_cannot_be_written_at_any_change_takes_no_receipt_with_it() {
    let healthy = Shelves::default();
    say_all(&Disk::empty(), &healthy);
    assert!(healthy.changes() > 9, "{}", healthy.changes());
    for dies_at in 0..healthy.changes() {
        let (disk, files) = (Disk::empty(), Shelves::default().dying_at(dies_at));
        let (receipts, failed) = say_all(&disk, &files);
        assert!(failed, "the folder's change {dies_at} failed, and nobody was told");
        let (written, synced) = disk.image();
        invariant_receipts_hold(written, &files.revived(), &receipts);
        // Of the folder nothing is synced: it may have any part of what was written.
        invariant_receipts_hold(synced, &halved(&files), &receipts);
    }
}

/// The folder with every other file cut short.
fn halved(files: &Shelves) -> Shelves {
    let cut = Shelves::default();
    for (number, (name, bytes)) in files.files().into_iter().enumerate() {
        let length = if number % 2 == 0 { bytes.len() } else { bytes.len() / 2 };
        cut.put(&name, &bytes[..length]).unwrap();
    }
    cut
}
