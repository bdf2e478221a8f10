//! `potluck evidence verify`: what a file proves to somebody who trusts neither the log nor the accuser.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use potluck_log::{ForkEvidence, ForkKind, ForkProof, MAX_EVIDENCE_BYTES};
use serde_json::json;

use super::Pinned;
use crate::failure::{Failure, in_full};
use crate::ledger::FORK_FILE;
use crate::output::Output;

/// Say what evidence proves; exit code 4 where it proves nothing
///
/// Two checkpoints that one log signed and that contradict each other are proof by themselves: no network is needed,
/// and nobody's word.
///
/// Example: potluck evidence verify mine/state/evidence/7-8 --log-key potluck/news+…
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The evidence: fork.json, or the folder that it is in
    file: PathBuf,
    #[command(flatten)]
    pinned: Pinned,
}

/// Reads it and says what it proves.
pub(super) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let log = args.pinned.key()?;
    let evidence = read(&args.file)?;
    let proof = evidence.verify(&log).map_err(|error| {
        let message = format!("{} proves no fork: {}", args.file.display(), in_full(&error));
        Failure::unverified("proves-nothing", message)
    })?;
    for line in words(&proof) {
        output.line(line);
    }
    output.result(&as_json(&proof, log.name().as_str()));
    Ok(())
}

fn read(path: &Path) -> Result<ForkEvidence, Failure> {
    let is_folder = path.is_dir();
    let path = if is_folder { path.join(FORK_FILE) } else { path.to_owned() };
    let failed = |error: std::io::Error| {
        if is_folder && error.kind() == std::io::ErrorKind::NotFound {
            // What a log that took something back leaves: two checkpoints that do not contradict each other yet.
            let message = format!("{} is not there, so nothing is proved", path.display());
            return Failure::unverified("proves-nothing", message)
                .hint("`potluck evidence compare` finds out whether the log signed two stories");
        }
        Failure::input(format!("cannot read {}: {error}", path.display()))
    };
    let mut text = String::new();
    let file = File::open(&path).map_err(failed)?;
    file.take(MAX_EVIDENCE_BYTES as u64 + 1).read_to_string(&mut text).map_err(failed)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    text.parse().map_err(|error: potluck_log::ParseEvidenceError| {
        let message = format!("{} is no evidence: {}", path.display(), in_full(&error));
        Failure::unverified("proves-nothing", message)
    })
}

/// What a fork is, for people.
pub(super) fn words(proof: &ForkProof) -> Vec<String> {
    let (older, newer) = (proof.older(), proof.newer());
    let told = match proof.kind() {
        ForkKind::TwoRoots => format!(
            "It signed two different histories of {} entries: one with the root {}, one with {}.",
            older.size(),
            older.root(),
            newer.root()
        ),
        ForkKind::TwoStates => format!(
            "For the same {} entries it signed two different states of the federation.",
            older.size()
        ),
        ForkKind::Rewritten { root } => format!(
            "It signed {} entries with the root {}. In its later history of {} entries, the first {} have the root {root}: they are other entries.",
            older.size(),
            older.root(),
            newer.size(),
            older.size()
        ),
    };
    vec![
        format!("The log {} told two stories, and signed both.", older.origin()),
        told,
        "Whoever knows the log's key can check this; it does not say which story is the true one."
            .to_owned(),
    ]
}

/// The same for scripts.
pub(super) fn as_json(proof: &ForkProof, log: &str) -> serde_json::Value {
    let kind = match proof.kind() {
        ForkKind::TwoRoots => "two-roots",
        ForkKind::TwoStates => "two-states",
        ForkKind::Rewritten { .. } => "rewritten",
    };
    let side = |checkpoint: &potluck_log::SignedCheckpoint| json!({"size": checkpoint.size(), "root": checkpoint.root()});
    json!({
        "fork": true, "log": log, "kind": kind,
        "older": side(proof.older()), "newer": side(proof.newer()),
    })
}

#[cfg(test)]
mod tests {
    use potluck_log::SignedCheckpoint;
    use potluck_net::LedgerPage;

    use super::*;
    use crate::failure::Kind;
    use crate::ledger::{Ledger, Memory, Source};
    use crate::samples::{Story, block_on};

    fn verify(text: &str) -> Result<(), Failure> {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("fork.json");
        std::fs::write(&file, text).unwrap();
        let key = Some(Story::log_key().to_string());
        let args = Args { file, pinned: Pinned { log_key: key, dir: None } };
        run(&args, &Output::new(true))
    }

    fn histories() -> (Story, Story) {
        let (mut one, mut other) = (Story::with_round(), Story::with_round());
        one.propose("agency", "agency=0.75,readers=0.25");
        other.propose("readers", "agency=0.75,readers=0.25");
        (one, other)
    }

    #[test]
    fn a_fork_is_proved_and_a_false_accusation_is_not() {
        let (one, other) = histories();
        let fork = ForkEvidence::of_one_size(&one.checkpoint(), &other.checkpoint()).to_string();
        verify(&fork).unwrap();
        verify(&format!("{fork}\n")).unwrap();

        let same = ForkEvidence::of_one_size(&one.checkpoint(), &one.checkpoint()).to_string();
        let accused = one.checkpoint().root();
        let false_accusations = [
            same,
            // A signature that does not hold, whatever the text says.
            fork.replacen("\\n7\\n", "\\n6\\n", 1),
            fork.replacen("potluck-fork/1", "potluck-fork/2", 1),
            fork.replacen("\"ancestry\":[]", &format!("\"ancestry\":[\"{accused}\"]"), 1),
            fork[..fork.len() / 2].to_owned(),
            String::new(),
        ];
        for text in false_accusations {
            assert_ne!(text, fork);
            let failure = verify(&text).unwrap_err();
            assert_eq!((failure.kind(), failure.code()), (Kind::Refused, "proves-nothing"));
        }
    }

    #[test]
    fn what_a_rollback_leaves_proves_nothing_by_itself() {
        let home = tempfile::tempdir().unwrap();
        let key = Some(Story::log_key().to_string());
        let pinned = Pinned { log_key: key, dir: None };
        let args = Args { file: home.path().to_owned(), pinned };
        let failure = run(&args, &Output::new(true)).unwrap_err();
        assert_eq!((failure.kind(), failure.code()), (Kind::Refused, "proves-nothing"));
        let args = Args { file: home.path().join("nowhere"), ..args };
        assert_eq!(run(&args, &Output::new(true)).unwrap_err().kind(), Kind::Input);
    }

    /// A log that signs another state over the entries of a story: as its checkpoint, or as the one that it calls
    /// cosigned.
    struct Restated<'a> {
        story: &'a Story,
        checkpoint: SignedCheckpoint,
        is_cosigned: bool,
    }

    impl Source for Restated<'_> {
        async fn page(&self, from: u64) -> Result<LedgerPage, Failure> {
            let mut page = self.story.page(from).await?;
            let note = self.checkpoint.note().to_owned();
            match self.is_cosigned {
                true => page.cosigned = Some(note),
                false => page.checkpoint = note,
            }
            Ok(page)
        }
    }

    #[test]
    fn two_states_of_one_history_are_kept_by_a_client_and_proved_to_anybody() {
        let story = Story::published();
        let key = Story::log_key();
        for is_cosigned in [false, true] {
            let home = tempfile::tempdir().unwrap();
            let memory = Memory::at(home.path().to_owned());
            block_on(Ledger::read(&story, &key, Some(&memory))).unwrap();
            let checkpoint = story.checkpoint_with(story.entries.len(), [7; 32]);
            let liar = Restated { story: &story, checkpoint, is_cosigned };
            let failure = block_on(Ledger::read(&liar, &key, Some(&memory))).unwrap_err();
            assert_eq!((failure.kind(), failure.code()), (Kind::Refused, "fork"));

            let file = home.path().join("evidence/9-9");
            let proof = read(&file).unwrap().verify(&key).unwrap();
            assert_eq!(as_json(&proof, "log")["kind"], "two-states");
            assert!(words(&proof)[1].contains("9 entries it signed two different states"));
            let pinned = Pinned { log_key: Some(key.to_string()), dir: None };
            run(&Args { file, pinned }, &Output::new(true)).unwrap();
            // The honest state stays the one that is remembered.
            block_on(Ledger::read(&story, &key, Some(&memory))).unwrap();
        }
        // Whoever remembers nothing has nothing to hold it against but the entries: their state is another.
        for (is_cosigned, code) in [(false, "state-mismatch"), (true, "fork")] {
            let checkpoint = story.checkpoint_with(story.entries.len(), [7; 32]);
            let liar = Restated { story: &story, checkpoint, is_cosigned };
            let failure = block_on(Ledger::read(&liar, &key, None)).unwrap_err();
            assert_eq!((failure.kind(), failure.code()), (Kind::Refused, code));
        }
    }
}
