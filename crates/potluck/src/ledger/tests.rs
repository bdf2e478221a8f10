//! A ledger is believed exactly where everything in it leads to what the log signed, and to what was seen.

use std::fs;
use std::path::Path;

use potluck_core::Signer;
use potluck_log::ForkEvidence;
use potluck_net::LedgerPage;

use super::*;
use crate::failure::Kind;
use crate::samples::{Story, block_on, witness_key};

/// Serves the entries of one story under the checkpoint of another.
struct Liar<'a> {
    told: &'a Story,
    signed: &'a Story,
}

impl Source for Liar<'_> {
    async fn page(&self, from: u64) -> Result<LedgerPage, Failure> {
        let mut page = self.told.page(from).await?;
        page.checkpoint = self.signed.checkpoint().note().to_owned();
        Ok(page)
    }
}

fn read(source: &impl Source, folder: &Path) -> Result<Ledger, Failure> {
    let memory = Memory::at(folder.to_owned());
    block_on(Ledger::read(source, &Story::log_key(), Some(&memory)))
}

fn lie(told: &Story, signed: &Story) -> Failure {
    block_on(Ledger::read(&Liar { told, signed }, &Story::log_key(), None)).unwrap_err()
}

/// Eight entries of which the last two are another's than in [`Story::published`].
fn other() -> Story {
    let mut other = Story::with_round();
    other.propose("readers", "agency=0.75,readers=0.25");
    other.propose("agency", "agency=0.75,readers=0.25");
    other
}

#[test]
fn each_lie_has_its_code() {
    let (story, shorter) = (Story::published(), Story::with_round());
    assert_eq!(lie(&shorter, &story).code(), "protocol-error");
    let mut forged = other();
    forged.publish();
    assert_eq!(lie(&forged, &story).code(), "checkpoint-mismatch");

    let mut swapped = story.clone();
    swapped.entries.swap(3, 4);
    // The records are in another order, which no signature forbids: the root does.
    assert_eq!(lie(&swapped, &story).code(), "checkpoint-mismatch");
    swapped.entries.swap(1, 3);
    let failure = lie(&swapped, &story);
    assert_eq!((failure.kind(), failure.code()), (Kind::Refused, "key-unknown"));
    assert!(failure.message().starts_with("entry 1 is refused"), "{failure}");

    let mut nothing = Story::founded();
    nothing.entries.clear();
    assert_eq!(lie(&nothing, &story).code(), "protocol-error");

    // The right root, signed with another state.
    let stated = story.followed().replay;
    let checkpoint = story.checkpoint_with(story.entries.len(), [7; 32]);
    assert_eq!(stated.agrees(&checkpoint).unwrap_err().code(), "state-mismatch");
}

#[test]
fn what_a_log_appends_meanwhile_is_for_the_next_time() {
    let (long, short) = (Story::published(), Story::with_round());
    // Every page holds more than the first checkpoint speaks of.
    let liar = Liar { told: &long, signed: &short };
    let ledger = block_on(Ledger::read(&liar, &Story::log_key(), None)).unwrap();
    assert_eq!(ledger.checkpoint().size(), 6);
}

#[test]
fn a_log_of_another_name_is_another_log() {
    let story = Story::founded();
    let federation = story.federation();
    let name = "potluck/olds".parse().unwrap();
    let other = VerifierKey::new(name, *Story::log_key().public_key()).unwrap();
    assert_eq!(
        check_log_key(federation, &other, &story.checkpoint()).unwrap_err().code(),
        "log-mismatch"
    );
    assert!(check_log_key(federation, &Story::log_key(), &story.checkpoint()).is_ok());
}

/// Counts what is asked of a story.
struct Counted<'a>(&'a Story, std::cell::RefCell<Vec<u64>>);

impl Source for Counted<'_> {
    async fn page(&self, from: u64) -> Result<LedgerPage, Failure> {
        self.1.borrow_mut().push(from);
        self.0.page(from).await
    }
}

#[test]
fn only_what_is_new_is_downloaded() {
    let home = tempfile::tempdir().unwrap();
    let asked = |story: &Story| {
        let counted = Counted(story, Vec::new().into());
        let ledger = read(&counted, home.path()).unwrap();
        assert_eq!(ledger.federation(), story.federation());
        let kept = fs::read_to_string(home.path().join("checkpoint")).unwrap();
        assert_eq!(kept, story.checkpoint().note());
        counted.1.into_inner()
    };
    let (short, long) = (Story::with_round(), Story::published());
    assert_eq!(asked(&short), [0, 3]);
    assert_eq!(asked(&short), [6]);
    assert_eq!(asked(&long), [6]);
    assert_eq!(asked(&long), [9]);
    assert!(!home.path().join("evidence").exists());

    // A snapshot that lies, is cut short or is none is thrown away, and written anew.
    let path = home.path().join("snapshot");
    let honest = fs::read_to_string(&path).unwrap();
    let readers = honest.find("readers").unwrap();
    let mut broken = vec![
        honest.replacen(r#""weight":1"#, r#""weight":9"#, 1),
        honest.replacen(r#""time":17"#, r#""time":18"#, 1),
        honest.replacen("potluck-snapshot/1", "potluck-snapshot/2", 1),
        honest[..readers].to_owned(),
        String::new(),
    ];
    let frontier = honest.find(r#""frontier":"potluck-frontier/1\n9\n"#).unwrap() + 36;
    let flipped = if honest[frontier..].starts_with('A') { "B" } else { "A" };
    broken.push([&honest[..frontier], flipped, &honest[frontier + 1..]].concat());
    for broken in broken {
        assert_ne!(broken, honest);
        fs::write(&path, broken).unwrap();
        assert_eq!(asked(&long), [0, 3, 6]);
        assert_eq!(fs::read_to_string(&path).unwrap(), honest);
    }
    // The snapshot of another, shorter history of the same log helps only as far as it goes.
    let elsewhere = tempfile::tempdir().unwrap();
    read(&short, elsewhere.path()).unwrap();
    fs::copy(elsewhere.path().join("snapshot"), &path).unwrap();
    assert_eq!(asked(&long), [6]);
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

/// What the evidence in `folder` proves.
fn proved(folder: &Path) -> potluck_log::ForkKind {
    let text = fs::read_to_string(folder.join("fork.json")).unwrap();
    let evidence: ForkEvidence = text.trim_end().parse().unwrap();
    evidence.verify(&Story::log_key()).unwrap().kind()
}

#[test]
fn a_fork_is_refused_and_proved_to_anybody() {
    let mut seen = Story::with_round();
    seen.propose("agency", "agency=0.75,readers=0.25");
    for has_snapshot in [true, false] {
        let home = tempfile::tempdir().unwrap();
        read(&seen, home.path()).unwrap();
        if !has_snapshot {
            fs::remove_file(home.path().join("snapshot")).unwrap();
        }
        let failure = read(&other(), home.path()).unwrap_err();
        assert_eq!((failure.kind(), failure.code()), (Kind::Refused, "fork"));
        let kind = proved(&home.path().join("evidence/7-8"));
        assert!(matches!(kind, potluck_log::ForkKind::Rewritten { .. }), "{kind:?}");
        let kept = fs::read_to_string(home.path().join("checkpoint")).unwrap();
        assert_eq!(kept, seen.checkpoint().note());
    }
}

#[test]
fn two_stories_of_one_length_are_a_fork() {
    let home = tempfile::tempdir().unwrap();
    let mut other = other();
    other.publish();
    read(&Story::published(), home.path()).unwrap();
    let failure = read(&other, home.path()).unwrap_err();
    assert_eq!(failure.code(), "fork");
    assert_eq!(proved(&home.path().join("evidence/9-9")), potluck_log::ForkKind::TwoRoots);
}

#[test]
fn a_liar_without_a_second_history_leaves_no_evidence() {
    let home = tempfile::tempdir().unwrap();
    let (seen, long) = (Story::with_round(), Story::published());
    read(&seen, home.path()).unwrap();
    // Entries that do not lead to what the log signed: the log itself has told one story only.
    let mut told = other();
    told.publish();
    let failure = read(&Liar { told: &told, signed: &long }, home.path()).unwrap_err();
    assert_eq!(failure.code(), "checkpoint-mismatch");
    assert!(!home.path().join("evidence").exists());
    read(&long, home.path()).unwrap();
}

#[test]
fn a_memory_of_another_log_is_bad_input() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("checkpoint"), "nonsense").unwrap();
    let failure = read(&Story::founded(), home.path()).unwrap_err();
    assert_eq!(failure.kind(), Kind::Input);
    assert!(failure.message().contains("is no checkpoint of the pinned log"), "{failure}");
}

/// The story's checkpoint, cosigned.
fn cosigned(story: &Story, by: &[&str]) -> SignedCheckpoint {
    let mut checkpoint = story.checkpoint();
    for name in by {
        let signer: &dyn Signer = &witness_key(name);
        let line = cosign_line(story.federation(), &checkpoint, signer, 1_700_000_000);
        let (key, line) = line.unwrap().unwrap();
        checkpoint.add_cosignatures(&line, &[key]).unwrap();
    }
    checkpoint
}

#[test]
fn a_soup_counts_as_published_once_enough_witnesses_vouch_for_it() {
    let mut story = Story::published_with(crate::samples::WITNESSED);
    let standing = |story: &Story| {
        let ledger = block_on(Ledger::read(story, &Story::log_key(), None)).unwrap();
        Standing::of(&ledger)
    };
    let refused = standing(&story).demand(8, "the soup of round 1").unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (Kind::Refused, "not-witnessed"));
    for (by, covers) in
        [(&["agency"][..], false), (&["agency", "agency"], false), (&["agency", "readers"], true)]
    {
        story.cosigned = Some(cosigned(&story, by).note().to_owned());
        assert_eq!(standing(&story).covers(8), covers, "{by:?}");
    }
    // A witness's word for a shorter tree is no word for the soup.
    let whole = cosigned(&story, &["agency", "readers"]);
    let mut longer = story.clone();
    longer.submit("agency", "another");
    longer.cosigned = Some(whole.note().to_owned());
    assert!(standing(&longer).covers(8));
    assert!(!standing(&longer).covers(9));
    // Lines of strangers, and of a witness over another text, are nobody's word.
    let elsewhere = cosigned(&longer, &["agency", "readers"]);
    let lines: Vec<_> = elsewhere.note().lines().skip(6).collect();
    let moved = format!("{}{}\n", story.checkpoint().note(), lines.join("\n"));
    story.cosigned = Some(moved);
    assert!(!standing(&story).covers(8));
}

#[test]
fn who_is_no_witness_cosigns_nothing() {
    let story = Story::published();
    let stranger: &dyn Signer = &witness_key("stranger");
    let line = cosign_line(story.federation(), &story.checkpoint(), stranger, 1).unwrap();
    assert!(line.is_none());
}

#[test]
fn a_cosigned_checkpoint_of_another_history_is_a_fork() {
    let mut story = Story::published();
    story.cosigned = Some(cosigned(&other(), &["agency"]).note().to_owned());
    let failure = block_on(Ledger::read(&story, &Story::log_key(), None)).unwrap_err();
    assert_eq!(failure.code(), "fork");
}

#[test]
fn a_cosigned_checkpoint_from_before_the_snapshot_is_placed_by_a_whole_reading() {
    let home = tempfile::tempdir().unwrap();
    let mut story = Story::published();
    read(&story, home.path()).unwrap();
    story.cosigned = Some(cosigned(&Story::with_round(), &["agency"]).note().to_owned());
    let ledger = read(&story, home.path()).unwrap();
    assert!(ledger.is_cosigned_unplaced() && ledger.cosigned().is_none());
    let memory = Memory::at(home.path().to_owned());
    let (log, visit) = (Story::log_key(), &mut unseen);
    let whole = block_on(Ledger::read_whole(&story, &log, Some(&memory), visit)).unwrap();
    assert_eq!(whole.cosigned().unwrap().size(), 6);
    // What was placed once is known from then on.
    let ledger = read(&story, home.path()).unwrap();
    assert!(!ledger.is_cosigned_unplaced());
    assert_eq!(ledger.cosigned().unwrap().size(), 6);
}

#[test]
fn the_checkpoint_is_that_of_the_key_in_force() {
    let mut story = Story::published();
    story.hand_over("log 2");
    let read = |story: &Story, log: &VerifierKey| {
        block_on(Ledger::read_whole(story, log, None, &mut unseen)).map(|it| it.replay.len())
    };
    let (old, new) = (Story::log_key(), Story::log_key_of("log 2"));
    // Signed by the new key alone: whoever pinned the old one must be told of it; whoever pins the new one may.
    assert_eq!(read(&story, &new).unwrap(), 10);
    assert_eq!(read(&story, &old).unwrap_err().code(), "checkpoint-mismatch");
    // By both, either is good.
    story.log = vec!["log 2", "log"];
    assert_eq!((read(&story, &old).unwrap(), read(&story, &new).unwrap()), (10, 10));
    // By the old one, which a thief may hold, neither is.
    story.log = vec!["log"];
    let thief = read(&story, &old).unwrap_err();
    assert!(thief.message().contains("since entry 9"), "{thief}");
    assert_eq!(read(&story, &new).unwrap_err().code(), "checkpoint-mismatch");
    // A key that the log never had.
    story.log = vec!["log 2", "another"];
    let other = read(&story, &Story::log_key_of("another")).unwrap_err();
    assert_eq!(other.code(), "log-mismatch");
}
