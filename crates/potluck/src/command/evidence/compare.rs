//! `potluck evidence compare`: whether two readers were shown one history.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use potluck_log::{ForkEvidence, MAX_NOTE_BYTES, SignedCheckpoint, VerifierKey};
use serde_json::json;

use super::{Pinned, verify};
use crate::durable::{self, Readers};
use crate::failure::{Failure, in_full};
use crate::folder::random_key;
use crate::ledger::{Leaves, Mirror, Replay, Source, Start, follow, is_fork, unseen};
use crate::output::Output;
use crate::place::Door;

/// Find out whether two readers were shown one history
///
/// A and B are what two readers remember: a member's folder, a folder that an audit or a mirror keeps, or a
/// checkpoint's file that somebody sent. Two checkpoints of one size need no more than themselves. Of two sizes, the
/// log itself or a mirror must show how it came from one to the other: --address or --mirror says where.
///
/// Example: potluck evidence compare mine theirs/checkpoint --dir mine --mirror copy
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What one reader remembers
    a: PathBuf,
    /// What another reader remembers
    b: PathBuf,
    #[command(flatten)]
    pinned: Pinned,
    /// An aggregator that shows the entries
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "mirror")]
    address: Option<String>,
    /// A mirror that shows the entries
    #[arg(long, value_name = "DIR")]
    mirror: Option<PathBuf>,
    /// Where to write the evidence, if there is a fork
    #[arg(long, value_name = "FILE", default_value = "fork.json")]
    out: PathBuf,
}

/// Compares; a fork is written down and ends with exit code 4.
pub(super) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let log = args.pinned.key()?;
    let (a, b) = (open(&args.a, &log)?, open(&args.b, &log)?);
    let evidence = if is_fork(&a, &b) {
        Some(ForkEvidence::of_one_size(&a, &b))
    } else if a.size() == b.size() {
        None
    } else {
        against_entries(args, &log, [&a, &b]).await?
    };
    if let Some(evidence) = evidence {
        return Err(forked(args, &evidence, &log, output));
    }
    let (smaller, larger) = (a.size().min(b.size()), a.size().max(b.size()));
    output.line(format!(
        "One history: the {smaller} entries that one reader saw are the first of the {larger} that the other saw."
    ));
    output.result(&json!({"fork": false, "sizes": [a.size(), b.size()]}));
    Ok(())
}

/// Keeps the evidence, once it is sure that it proves what it says.
fn forked(args: &Args, evidence: &ForkEvidence, log: &VerifierKey, output: &Output) -> Failure {
    let proof = match evidence.verify(log) {
        Ok(proof) => proof,
        Err(error) => return Failure::system(format!("no evidence came out: {}", in_full(&error))),
    };
    verify::words(&proof).into_iter().for_each(|line| output.line(line));
    let text = format!("{evidence}\n");
    if let Err(error) = durable::write(&args.out, text.as_bytes(), Readers::Anyone) {
        return Failure::system(format!("cannot write {}: {error}", args.out.display()));
    }
    output.result(&verify::as_json(&proof, log.name().as_str()));
    let message = format!("the log forked; {} proves it", args.out.display());
    Failure::unverified("fork", message)
        .hint("`potluck evidence verify` proves it to anybody; trust this log no further")
        .reported()
}

/// What a reader remembers.
fn open(path: &Path, log: &VerifierKey) -> Result<SignedCheckpoint, Failure> {
    let candidates = [path.join("state/checkpoint"), path.join("checkpoint")];
    let file = match path.is_dir() {
        true => candidates
            .into_iter()
            .find(|file| file.exists())
            .ok_or_else(|| Failure::input(format!("{} remembers no checkpoint", path.display())))?,
        false => path.to_owned(),
    };
    let mut note = String::new();
    File::open(&file)
        .and_then(|opened| opened.take(MAX_NOTE_BYTES as u64 + 1).read_to_string(&mut note))
        .map_err(|error| Failure::input(format!("cannot read {}: {error}", file.display())))?;
    SignedCheckpoint::open(&note, log)
        .map_err(|error| Failure::input(format!("{}: {}", file.display(), in_full(&error))))
}

/// Holds both against the history that the log or a mirror shows now.
async fn against_entries(
    args: &Args,
    log: &VerifierKey,
    both: [&SignedCheckpoint; 2],
) -> Result<Option<ForkEvidence>, Failure> {
    let mirrors = args.mirror.iter().chain([&args.a, &args.b]);
    let mirror = mirrors.map(PathBuf::as_path).find(|path| path.join("tile").is_dir());
    match (&args.address, mirror) {
        (Some(address), _) => {
            let door = Door::stranger(address.clone(), log.clone(), random_key()?);
            let client = door.connect().await?;
            let found = judge(&client, &door.log, both).await;
            client.close().await;
            found
        }
        (None, Some(folder)) => judge(&Mirror::open(folder)?, log, both).await,
        (None, None) => {
            let message = format!(
                "the readers saw {} and {} entries: only the entries show whether that is one history",
                both[0].size(),
                both[1].size()
            );
            Err(Failure::input(message).hint("--address or --mirror says who has the entries"))
        }
    }
}

async fn judge(
    source: &impl Source,
    log: &VerifierKey,
    both: [&SignedCheckpoint; 2],
) -> Result<Option<ForkEvidence>, Failure> {
    let start = Start::Genesis(Leaves::Kept);
    let followed = follow(source, log, start, &[], &mut unseen).await?;
    let (replay, now) = (&followed.replay, &followed.checkpoint);
    for seen in both {
        if is_fork(seen, now) {
            return Ok(Some(ForkEvidence::of_one_size(seen, now)));
        }
        match replay.root_at(seen.size()) {
            Some(root) if root == seen.root() => {}
            Some(_) => return rewritten(seen, now, replay).map(Some),
            None => {
                let message = format!(
                    "only {} entries are shown, and one reader saw {}: that is no proof, but it is no answer either",
                    now.size(),
                    seen.size()
                );
                return Err(Failure::unverified("rollback", message)
                    .hint("ask a mirror that has them: --mirror"));
            }
        }
    }
    Ok(None)
}

fn rewritten(
    seen: &SignedCheckpoint,
    now: &SignedCheckpoint,
    replay: &Replay,
) -> Result<ForkEvidence, Failure> {
    let ancestry = replay.ancestry(seen.size()).unwrap_or_default();
    ForkEvidence::rewritten(seen, now, ancestry).map_err(Failure::system)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Story, block_on};

    fn found(shown: &Story, a: &Story, b: &Story) -> Result<Option<ForkEvidence>, Failure> {
        let (a, b) = (a.checkpoint(), b.checkpoint());
        block_on(judge(shown, &Story::log_key(), [&a, &b]))
    }

    #[test]
    fn a_split_view_shows_against_whichever_history_is_shown() {
        let (short, long) = (Story::with_round(), Story::published());
        let mut other = Story::with_round();
        other.propose("readers", "agency=0.25,readers=0.75");
        assert!(found(&long, &short, &long).unwrap().is_none());
        let mut longer = other.clone();
        longer.propose("agency", "agency=0.25,readers=0.75");
        longer.publish();
        for shown in [&long, &longer] {
            let evidence = found(shown, &other, &long).unwrap().unwrap();
            evidence.verify(&Story::log_key()).unwrap();
        }
        assert_eq!(found(&short, &short, &long).unwrap_err().code(), "rollback");
    }

    #[test]
    fn two_checkpoints_of_one_size_need_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let (a, b) = (home.path().join("a"), home.path().join("b/state"));
        let (mut one, mut other) = (Story::with_round(), Story::with_round());
        one.propose("agency", "agency=0.75,readers=0.25");
        other.propose("readers", "agency=0.75,readers=0.25");
        std::fs::create_dir_all(&b).unwrap();
        std::fs::write(&a, one.checkpoint().note()).unwrap();
        std::fs::write(b.join("checkpoint"), other.checkpoint().note()).unwrap();
        let compare = |a: &Path, b: &Path| {
            let args = Args {
                a: a.to_owned(),
                b: b.to_owned(),
                pinned: Pinned { log_key: Some(Story::log_key().to_string()), dir: None },
                address: None,
                mirror: None,
                out: home.path().join("fork.json"),
            };
            block_on(run(&args, &Output::new(true)))
        };
        compare(&a, &a).unwrap();
        assert!(!home.path().join("fork.json").exists());
        assert_eq!(compare(&a, &home.path().join("b")).unwrap_err().code(), "fork");
        let text = std::fs::read_to_string(home.path().join("fork.json")).unwrap();
        let evidence: ForkEvidence = text.trim_end().parse().unwrap();
        evidence.verify(&Story::log_key()).unwrap();
        std::fs::write(&a, Story::published().checkpoint().note()).unwrap();
        let failure = compare(&a, &home.path().join("b")).unwrap_err();
        assert!(failure.cure().unwrap().contains("--mirror"), "{failure}");
    }
}
