//! A ledger is believed exactly where everything in it leads to what the log signed, and to what was seen.

use std::fs;

use super::*;
use crate::failure::Kind;
use crate::samples::Story;

/// Holds the story of `told` against the notes of `signed`.
fn seal(told: &Story, signed: &Story) -> Result<Ledger, Failure> {
    let replay = Replay::of(told.entries.clone())?;
    Ok(replay.seal(signed.checkpoint(), &Story::log_key())?)
}

#[test]
fn an_honest_ledger_is_believed_and_gives_receipts() {
    let story = Story::published();
    let ledger = seal(&story, &story).unwrap();
    assert_eq!(ledger.lines().len(), 9);
    assert_eq!(ledger.submitted().len(), 2);
    for (index, line) in ledger.lines().iter().enumerate() {
        let receipt = ledger.receipt(index as u64).unwrap();
        receipt.verify(line.entry.envelope(), &Story::log_key()).unwrap();
    }
    assert!(ledger.receipt(9).is_none());
}

#[test]
fn replaced_experts_are_still_known() {
    let mut story = Story::with_round();
    let agency: PartyId = "agency".parse().unwrap();
    let first = story.federation().experts()[&agency].manifest.digest();
    story.submit("agency", "another");
    let ledger = story.ledger();
    assert_eq!(ledger.expert(&agency, &first).unwrap().index, 3);
    assert_eq!(ledger.submitted().len(), 3);
}

#[test]
fn each_lie_has_its_code() {
    let (story, shorter) = (Story::published(), Story::with_round());
    assert_eq!(seal(&shorter, &story).unwrap_err().code(), "protocol-error");

    // The same number of entries with another end.
    let mut other = Story::with_round();
    other.propose("readers", "agency=0.25,readers=0.75");
    other.propose("agency", "agency=0.75,readers=0.25");
    other.publish();
    assert_eq!(seal(&other, &story).unwrap_err().code(), "checkpoint-mismatch");

    // The right root, signed with another state.
    let lie = story.checkpoint_with(story.entries.len(), [7; 32]);
    let replay = Replay::of(story.entries.clone()).unwrap();
    assert_eq!(replay.seal(lie, &Story::log_key()).unwrap_err().code(), "state-mismatch");

    let mut swapped = story.clone();
    swapped.entries.swap(3, 4);
    // The records are in another order, which no signature forbids: the root does.
    assert_eq!(seal(&swapped, &story).unwrap_err().code(), "checkpoint-mismatch");
    swapped.entries.swap(1, 3);
    let failure = seal(&swapped, &story).unwrap_err();
    assert_eq!((failure.kind(), failure.code()), (Kind::Refused, "key-unknown"));
    assert!(failure.message().starts_with("entry 1 is refused"), "{failure}");

    assert_eq!(Failure::from(Replay::of(Vec::new()).unwrap_err()).code(), "protocol-error");
}

#[test]
fn a_log_of_another_name_is_another_log() {
    let story = Story::founded();
    let federation = story.federation();
    let name = "potluck/olds".parse().unwrap();
    let other = VerifierKey::new(name, *Story::log_key().public_key()).unwrap();
    assert_eq!(is_of_log(federation, &other).unwrap_err().code(), "log-mismatch");
    assert!(is_of_log(federation, &Story::log_key()).is_ok());
}

/// Reads the story's ledger as a command would, with a memory in `folder`.
fn read(story: &Story, folder: &std::path::Path) -> Result<(), Failure> {
    let memory = Memory::at(folder.to_owned());
    let held = hold(Some(&memory))?;
    confirm(held, &story.ledger(), &Story::log_key())
}

#[test]
fn a_longer_history_is_remembered() {
    let home = tempfile::tempdir().unwrap();
    let (short, long) = (Story::with_round(), Story::published());
    for story in [&short, &short, &long, &long] {
        read(story, home.path()).unwrap();
        let kept = fs::read_to_string(home.path().join("checkpoint")).unwrap();
        assert_eq!(kept, story.checkpoint().note());
    }
    assert!(!home.path().join("evidence").exists());
}

#[test]
fn a_rollback_is_refused_and_kept_as_evidence() {
    let home = tempfile::tempdir().unwrap();
    let (short, long) = (Story::with_round(), Story::published());
    read(&long, home.path()).unwrap();
    let failure = read(&short, home.path()).unwrap_err();
    assert_eq!((failure.kind(), failure.code()), (Kind::Refused, "rollback"));
    let evidence = home.path().join("evidence/9-6");
    let note = |name: &str| fs::read_to_string(evidence.join(name)).unwrap();
    assert_eq!(note("before"), long.checkpoint().note());
    assert_eq!(note("now"), short.checkpoint().note());
    // What was seen stays seen.
    assert_eq!(read(&short, home.path()).unwrap_err().code(), "rollback");
    read(&long, home.path()).unwrap();
}

#[test]
fn a_fork_is_refused_and_kept_as_evidence() {
    let home = tempfile::tempdir().unwrap();
    let mut seen = Story::with_round();
    seen.propose("agency", "agency=0.75,readers=0.25");
    let mut other = Story::with_round();
    other.propose("readers", "agency=0.75,readers=0.25");
    other.propose("agency", "agency=0.75,readers=0.25");
    read(&seen, home.path()).unwrap();
    let failure = read(&other, home.path()).unwrap_err();
    assert_eq!((failure.kind(), failure.code()), (Kind::Refused, "fork"));
    assert!(home.path().join("evidence/7-8/now").exists());
    assert_eq!(
        fs::read_to_string(home.path().join("checkpoint")).unwrap(),
        seen.checkpoint().note()
    );
}

#[test]
fn a_memory_of_another_log_is_bad_input() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("checkpoint"), "nonsense").unwrap();
    let failure = read(&Story::founded(), home.path()).unwrap_err();
    assert_eq!(failure.kind(), Kind::Input);
    assert!(failure.message().contains("is no checkpoint of the pinned log"), "{failure}");
}
