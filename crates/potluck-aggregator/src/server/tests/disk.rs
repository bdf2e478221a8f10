//! Disks that are full: before the first byte, in the middle, and while others go on.

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use potluck_net::blob::GROUP;
use potluck_net::{Ranges, Wanted};

use super::*;

fn admitted(folder: &Folder) -> Aggregator {
    let aggregator = folder.open();
    for name in PARTIES {
        aggregator.say(Author::Operator, admit(name)).unwrap();
    }
    aggregator
}

fn pushed(aggregator: &Aggregator, name: &str, content: &[u8]) -> Result<Receipt, Refusal> {
    aggregator.push_expert(name, content)
}

#[test]
fn a_disk_that_fills_up_in_the_middle_keeps_what_came_and_stops_nobody() {
    let folder = Folder::new();
    let aggregator = admitted(&folder);
    let content = expert(1);
    // Every write to this device fails as on a full disk.
    let part = aggregator.store.quarantine.part(Blake3::of(&content));
    symlink("/dev/full", &part).unwrap();
    let refusal = pushed(&aggregator, "agency", &content).unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after), (Code::StorageFull, Some(600)));
    assert!(refusal.sentence.contains("is kept"), "{}", refusal.sentence);
    assert!(aggregator.fault.first().is_none(), "only the upload failed");

    pushed(&aggregator, "readers", &expert(2)).unwrap();
    fs::remove_file(&part).unwrap();
    pushed(&aggregator, "agency", &content).unwrap();
    fetched(&aggregator, &operator(), &content).unwrap();
    invariant_the_served_ledger_verifies(&aggregator);
}

#[test]
fn a_disk_that_fills_up_between_two_pieces_keeps_the_first_and_asks_for_the_rest() {
    let folder = Folder::new();
    let aggregator = admitted(&folder);
    let content = expert(1);
    let (blake3, size) = (Blake3::of(&content), content.len() as u64);
    let body = submission(&aggregator.standing().federation, &content);
    let (envelope, agency) = (aggregator.signed(party("agency"), body), party_key("agency"));
    let submit = || aggregator.submit(&agency.public(), &envelope);
    let ranges = |pair| Ranges::new(size, &[pair]).unwrap();
    let bring = |share: &dyn potluck_net::Share, ranges: &Ranges| {
        let wanted = Wanted { blake3, ranges: ranges.clone() };
        share.receive(ranges, &mut stream_of(&[wanted], &content).as_slice())
    };
    let (first, rest) = (ranges([0, 2 * GROUP]), ranges([2 * GROUP, size]));
    let Ok(Offer::Wanted(upload)) = submit() else { panic!() };
    let share = upload.share(&blake3).unwrap();
    bring(&*share, &first).unwrap();

    let part = aggregator.store.quarantine.part(blake3);
    let aside = part.with_extension("aside");
    fs::rename(&part, &aside).unwrap();
    symlink("/dev/full", &part).unwrap();
    let refusal = bring(&*share, &rest).unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after), (Code::StorageFull, Some(600)));
    assert!(refusal.sentence.contains("is kept"), "{}", refusal.sentence);
    assert!(aggregator.fault.first().is_none(), "only the upload failed");
    pushed(&aggregator, "readers", &expert(2)).unwrap();

    // There is room again: in the same upload and in the next, only the rest is asked for.
    fs::rename(&aside, &part).unwrap();
    assert_eq!(share.missing(), rest);
    drop((share, upload));
    let Ok(Offer::Wanted(upload)) = submit() else { panic!() };
    assert_eq!(upload.wanted(), [Wanted { blake3, ranges: rest.clone() }]);
    bring(&*upload.share(&blake3).unwrap(), &rest).unwrap();
    upload.receive(&mut std::io::empty()).unwrap();
    fetched(&aggregator, &operator(), &content).unwrap();
    invariant_the_served_ledger_verifies(&aggregator);
}

/// A small file system of its own; nothing where this user may not mount one.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=48m", "none"]).arg(at);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("no small file system here: this user may not mount one");
        }
        mounted.then(|| Self(at.to_owned()))
    }

    /// Fills it until only so many bytes are left.
    fn fill(&self, left: u64) -> PathBuf {
        let path = self.0.join("hog");
        let free = rustix::fs::statvfs(&self.0).unwrap();
        let bytes = free.f_bavail * free.f_frsize - left;
        let mut hog = fs::File::create(&path).unwrap();
        hog.write_all(&vec![1; usize::try_from(bytes).unwrap()]).unwrap();
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Where it fails the folder stays, for whoever looks.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_is_full_refuses_before_the_first_byte_and_goes_on_when_there_is_room() {
    let folder = Folder::new();
    let Some(small) = Small::mount(&folder.store()) else { return };
    let mut settings = folder.settings();
    settings.limits.disk_spare_bytes = 0;
    let aggregator = Aggregator::open(&settings).unwrap();
    aggregator.say(Author::Operator, admit("agency")).unwrap();
    let content = expert(1);
    let body = submission(&aggregator.standing().federation, &content);
    let envelope = aggregator.signed(party("agency"), body);
    let agency = party_key("agency");

    // Room for half of it.
    let hog = small.fill(content.len() as u64 / 2);
    assert_eq!(code(aggregator.submit(&agency.public(), &envelope)), Code::StorageFull);
    assert_eq!(files_of(&folder.store().join("quarantine")), 0);
    // And the ledger takes nothing rather than break in the middle.
    let size = aggregator.size();
    assert_eq!(code(aggregator.say(Author::Operator, admit("readers"))), Code::StorageFull);
    assert!(aggregator.fault.first().is_none());
    invariant_the_served_ledger_verifies(&aggregator);

    // With room for the ledger and this one upload, the next is refused while it is under way.
    fs::remove_file(&hog).unwrap();
    let hog = small.fill((16 << 20) + 2 * content.len() as u64 - 1);
    let Ok(Offer::Wanted(upload)) = aggregator.submit(&agency.public(), &envelope) else {
        panic!()
    };
    // Whatever else fills the rest: what was reserved is there.
    fs::remove_file(&hog).unwrap();
    let _hog = small.fill(0);
    let stream = stream_of(&upload.wanted(), &content);
    let refusal = upload.receive(&mut stream.as_slice()).unwrap_err();
    assert_eq!(
        refusal.code,
        Code::StorageFull,
        "{refusal:?}: the bytes are in, and only the entry waits"
    );
    assert!(aggregator.store.blobs.contains(Blake3::of(&content)));
    assert!(aggregator.fault.first().is_none());
    assert_eq!(aggregator.size(), size);

    fs::remove_file(small.0.join("hog")).unwrap();
    pushed(&aggregator, "agency", &content).unwrap();
    fetched(&aggregator, &operator(), &content).unwrap();
    invariant_the_served_ledger_verifies(&aggregator);
}
