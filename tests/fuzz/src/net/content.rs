//! The promises of the readers of verified streams and of trees of hashes.

use potluck_net::blob::{Partial, ReceiveError};
use potluck_wire::Ranges;
use potluck_wire::ranges::GROUP;

use super::disk::Memory;
use super::played::{Played, Steps};

/// Where the file comes together.
const STEM: &str = "coming";

fn open(played: &Played) -> Partial<Memory> {
    let (disk, size) = (played.disk.clone(), played.size());
    Partial::on(disk, STEM.as_ref(), &played.blake3, size).unwrap()
}

/// What is said to be there is there, now and when it is looked at again.
fn check(played: &Played, partial: &Partial<Memory>) {
    let missing = partial.missing();
    let data = played.disk.bytes("coming.part");
    for start in (0..played.size()).step_by(GROUP as usize) {
        let end = (start + GROUP).min(played.size());
        let is_missing = missing.spans().iter().any(|span| span.contains(&start));
        let place = start as usize..end as usize;
        assert!(is_missing || data.get(place.clone()) == Some(&played.bytes[place]), "at {start}");
    }
}

fn reopened(played: &Played, partial: Partial<Memory>) -> Ranges {
    let missing = partial.missing();
    drop(partial);
    let again = open(played).missing();
    assert_eq!(missing, again, "what is there is found again, and nothing else");
    missing
}

/// A verified stream: 4 bytes for the file's length, 2 for the groups that are asked for, then what is done to the stream.
pub fn content(bytes: &[u8]) {
    let mut steps = Steps(bytes);
    let played = Played::of(&mut steps);
    let asked = played.groups(steps.word());
    let honest = played.stream(&asked);
    let arrives = steps.spoil(honest.clone());
    let mut partial = open(&played);
    let (mut left, mut told) = (arrives.as_slice(), 0);
    let received = partial.receive(&asked, &mut left, &mut |group| told += group);
    let is_whole = arrives.starts_with(&honest);
    assert_eq!(received.is_ok(), is_whole, "{received:?}");
    if is_whole {
        assert_eq!(left.len(), arrives.len() - honest.len(), "no byte more is read");
        assert_eq!(told, asked.byte_count());
    }
    if let Err(ReceiveError::Cut(_)) = &received {
        assert!(arrives.len() < honest.len(), "what is wrong is refused where it is");
    }
    check(&played, &partial);
    let missing = reopened(&played, partial);
    // A file of no bytes misses none.
    assert!(missing.byte_count() <= played.size() - told);
    if missing.is_empty() {
        let partial = open(&played);
        partial.finish("data".as_ref(), "tree".as_ref()).unwrap();
        assert_eq!(played.disk.bytes("data"), played.bytes);
        assert_eq!(played.disk.bytes("tree"), played.tree());
    }
}

/// A tree of hashes: 4 bytes for the file's length, 2 for the groups that are there already, then what is done to the tree.
pub fn tree(bytes: &[u8]) {
    let mut steps = Steps(bytes);
    let played = Played::of(&mut steps);
    let there = played.groups(steps.word());
    let mut partial = open(&played);
    let stream = played.stream(&there);
    partial.receive(&there, &mut stream.as_slice(), &mut |_| ()).unwrap();
    let missing = partial.missing();

    let honest = played.tree();
    let arrives = steps.spoil(honest.clone());
    let mut left = arrives.as_slice();
    let taken = partial.take_hashes(&mut left);
    let is_whole = arrives.starts_with(&honest);
    assert_eq!(taken.is_ok(), is_whole, "{taken:?}");
    if is_whole {
        assert_eq!(left.len(), arrives.len() - honest.len(), "no byte more is read");
        assert!(partial.has_hashes().unwrap());
        assert_eq!(played.disk.bytes("coming.obao").get(..honest.len()), Some(&*honest));
    }
    match &taken {
        Err(ReceiveError::Cut(_)) => assert!(arrives.len() < honest.len()),
        Err(ReceiveError::Corrupt { offset }) => assert!(*offset < played.size()),
        _ => (),
    }
    check(&played, &partial);
    assert_eq!(reopened(&played, partial), missing, "hashes make no content, and lose none");

    // Of another file with the same tree nothing is missing; it is believed no more than anybody.
    if is_whole {
        let mut partial = open(&played);
        played.disk.place("other.obao", &honest);
        let mut other = played.bytes.clone();
        let at = usize::from(steps.word()).min(other.len().saturating_sub(1));
        if let Some(byte) = other.get_mut(at) {
            *byte ^= 1;
        }
        played.disk.place("other", &other);
        partial.copy_equal("other".as_ref(), "other.obao".as_ref(), &mut |_| ()).unwrap();
        check(&played, &partial);
        reopened(&played, partial);
    }
}
