//! What an audit found: step by step for people, as one object for scripts, as a page for a committee.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use potluck_core::entry::Role;
use potluck_core::federation::LogKey;
use potluck_core::{Blake3, Federation, PartyId};
use potluck_log::{SignedCheckpoint, VerifierKey};
use serde::Serialize;
use serde_json::{Value, json};

use super::book::{Book, Submitted};
use crate::failure::{Failure, Kind};
use crate::ledger::{Ledger, Standing};
use crate::output::Output;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mark {
    /// It holds.
    Passed,
    /// It holds, and something should be known.
    Warned,
    /// It could not be checked here.
    Skipped,
    /// It differs.
    Failed,
}

/// One thing that was checked.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Step {
    pub(super) step: &'static str,
    pub(super) mark: Mark,
    pub(super) what: String,
}

/// An expert that came as it was signed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct AuditedExpert {
    pub(super) party: PartyId,
    pub(super) index: u64,
    pub(super) blake3: Blake3,
    pub(super) size: u64,
}

/// A soup that was made again.
#[derive(Debug, Clone, Serialize)]
pub(super) struct AuditedSoup {
    pub(super) round: u64,
    pub(super) blake3: Blake3,
    pub(super) recomputed_blake3: Blake3,
}

/// The first step that differs.
#[derive(Debug, Clone)]
pub(super) struct Difference {
    pub(super) step: &'static str,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// What was expected, and what was found.
    pub(super) compared: Option<(String, String)>,
    pub(super) hint: Option<String>,
}

/// All that an audit found.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict {
    pub(super) steps: Vec<Step>,
    pub(super) difference: Option<Difference>,
    /// The state that was replayed, with the checkpoint that it agrees with.
    pub(super) federation: Option<(Box<Federation>, Box<SignedCheckpoint>)>,
    pub(super) experts: Vec<AuditedExpert>,
    pub(super) soups: Vec<AuditedSoup>,
    /// Rounds whose soup could not be made again here.
    pub(super) skipped_rounds: Vec<u64>,
    /// The witnesses' names, and how many entries they vouch for.
    pub(super) witnesses: (Vec<String>, u64),
    /// How to repeat it: where, and the log key.
    pub(super) repeat: Option<(String, String)>,
    /// When it was made, in seconds since 1970-01-01 UTC.
    pub(super) time: u64,
}

/// The steps so far, and what they found.
#[derive(Debug)]
pub(super) struct Trail<'a> {
    output: &'a Output,
    step: &'static str,
    paths: BTreeMap<u64, PathBuf>,
    verdict: Verdict,
}

impl<'a> Trail<'a> {
    /// Before the first step.
    pub(super) fn new(output: &'a Output) -> Self {
        let verdict = Verdict { time: crate::clock::now().unwrap_or(0), ..Verdict::default() };
        Self { output, step: "source", paths: BTreeMap::new(), verdict }
    }

    /// Where to draw progress.
    pub(super) fn output(&self) -> &'a Output {
        self.output
    }

    /// What follows belongs to this step.
    pub(super) fn begin(&mut self, step: &'static str) {
        self.step = step;
    }

    /// The step holds, or one thing in it.
    pub(super) fn passed(&mut self, what: impl std::fmt::Display) {
        self.mark(Mark::Passed, what);
    }

    /// The step holds, and something should be known.
    pub(super) fn warned(&mut self, what: impl std::fmt::Display) {
        self.mark(Mark::Warned, what);
    }

    /// The step, or one thing in it, could not be checked here.
    pub(super) fn skipped(&mut self, what: impl std::fmt::Display) {
        self.mark(Mark::Skipped, what);
    }

    fn mark(&mut self, mark: Mark, what: impl std::fmt::Display) {
        let (step, what) = (self.step, what.to_string());
        let sign = match mark {
            Mark::Passed => '✓',
            Mark::Warned => '!',
            Mark::Skipped => '–',
            Mark::Failed => '✗',
        };
        self.output.line(format!("{sign} {step:<10}  {what}"));
        self.verdict.steps.push(Step { step, mark, what });
    }

    /// How this audit is repeated.
    pub(super) fn repeats(&mut self, place: &str, log: &VerifierKey) {
        self.verdict.repeat = Some((place.to_owned(), log.to_string()));
    }

    /// The ledger is verified.
    pub(super) fn found(&mut self, ledger: &Ledger) {
        let (federation, checkpoint) = (ledger.federation().clone(), ledger.checkpoint().clone());
        self.verdict.federation = Some((Box::new(federation), Box::new(checkpoint)));
    }

    /// The life of the keys, which replay has followed.
    pub(super) fn keys(&mut self, ledger: &Ledger, book: &Book) {
        self.begin("keys");
        let members = ledger.federation().members();
        let in_force = members.iter().flat_map(|(_, member)| {
            [Role::Sign, Role::Transport, Role::Witness].map(|role| member.key(role))
        });
        let (in_force, void) = (in_force.flatten().count(), members.all_retired().count());
        self.passed(format!(
            "{in_force} in force, {void} void; none of the {} entries is signed by a void one",
            book.count()
        ));
        if let Some(LogKey { since, key }) = ledger.federation().log_keys().nth(1) {
            let now = ledger.federation().log();
            self.passed(format!(
                "the log's first key handed over at entry {since}{}; {now} is in force, and signed the checkpoint",
                if *now == key { "" } else { ", and others after it" }
            ));
        }
        let suspended: Vec<_> = members
            .iter()
            .filter(|(_, member)| member.suspended.is_some())
            .map(|(author, _)| author.to_string())
            .collect();
        if !suspended.is_empty() {
            self.warned(format!("suspended: {}", suspended.join(", ")));
        }
    }

    /// How the witnesses stand.
    pub(super) fn witnessed(&mut self, standing: &Standing) {
        let names = standing.by.iter().map(|by| by.witness().to_string());
        self.verdict.witnesses = (names.collect(), standing.size);
    }

    /// An expert came as it was signed, and lies there.
    pub(super) fn expert(&mut self, expert: &Submitted, path: PathBuf) {
        let Submitted { party, index, weights } = expert;
        let (party, index, blake3, size) = (party.clone(), *index, weights.blake3, weights.size);
        self.verdict.experts.push(AuditedExpert { party, index, blake3, size });
        self.paths.insert(index, path);
    }

    /// Where the expert of an entry lies.
    pub(super) fn path_of(&self, index: u64) -> Option<&Path> {
        self.paths.get(&index).map(PathBuf::as_path)
    }

    /// A soup was made again.
    pub(super) fn soup(&mut self, soup: AuditedSoup) {
        self.verdict.soups.push(soup);
    }

    /// A soup cannot be made again here.
    pub(super) fn skip_round(&mut self, round: u64) {
        if !self.verdict.skipped_rounds.contains(&round) {
            self.verdict.skipped_rounds.push(round);
        }
    }

    /// The whole; says in one line how it ended.
    pub(super) fn finish(&mut self, failed: Option<&Failure>) -> Verdict {
        if let Some(failure) = failed {
            self.step = step_of(failure, self.step);
            self.mark(Mark::Failed, failure.message());
            self.verdict.difference = Some(Difference {
                step: self.step,
                code: failure.code(),
                message: failure.message().to_owned(),
                compared: failure.difference().map(|(a, b)| (a.to_owned(), b.to_owned())),
                hint: failure.cure().map(str::to_owned),
            });
        }
        self.output.line(self.verdict.in_words());
        self.verdict.clone()
    }

    /// The failure with its step, as the line that ends the command.
    pub(super) fn blame(&self, failure: &Failure) -> Failure {
        let step = step_of(failure, self.step);
        let message = format!("the audit failed at step {step}: {}", failure.message());
        let kind = match failure.code() {
            "fork" | "rollback" => Kind::Forked,
            "not-witnessed" => Kind::Unwitnessed,
            _ => Kind::Refused,
        };
        let blame = Failure::new(kind, failure.code(), message);
        match (failure.code(), failure.cure()) {
            ("not-permitted", _) => {
                blame.hint("the charter keeps this to the parties; audit with --dir of a party")
            }
            (_, Some(cure)) => blame.hint(cure),
            (_, None) => blame,
        }
    }
}

/// Entries, root, state and memory are held against each other by one function; the code tells what differs.
fn step_of(failure: &Failure, step: &'static str) -> &'static str {
    if step != "ledger" {
        return step;
    }
    match failure.code() {
        "state-mismatch" | "state-too-large" => "state",
        "checkpoint-mismatch" => "checkpoint",
        "fork" | "rollback" => "memory",
        "tile-differs" => "tiles",
        "protocol-error" | "snapshot-refused" | "mirror-damaged" => "ledger",
        _ => "replay",
    }
}

impl Verdict {
    /// In plain words.
    pub(super) fn in_words(&self) -> String {
        let warned = self.steps.iter().any(|step| step.mark == Mark::Warned);
        match &self.difference {
            Some(difference) => {
                format!("Something is not as the ledger says: {}.", difference.message)
            }
            None if !self.skipped_rounds.is_empty() => {
                let rounds: Vec<_> = self.skipped_rounds.iter().map(u64::to_string).collect();
                format!(
                    "Everything that was checked is as the ledger says; not made again: the soup of round {}.",
                    rounds.join(", ")
                )
            }
            None if warned => "Everything is as the ledger says; see the remarks.".to_owned(),
            None => "Everything is as the ledger says.".to_owned(),
        }
    }

    /// As one object.
    pub(super) fn as_json(&self) -> Value {
        let federation = self.federation.as_ref().map(
            |(federation, _)| json!({"id": federation.id(), "name": federation.charter().name()}),
        );
        let checkpoint = self.federation.as_ref().map(|(_, checkpoint)| {
            json!({
                "size": checkpoint.size(), "root": checkpoint.root(),
                "state": Blake3::from_bytes(checkpoint.state()),
            })
        });
        let failed = self.difference.as_ref().map(|it| {
            let compared = it.compared.as_ref();
            json!({
                "step": it.step, "code": it.code, "message": it.message,
                "expected": compared.map(|(expected, _)| expected),
                "found": compared.map(|(_, found)| found),
            })
        });
        let entries = self.federation.as_ref().map_or(0, |(federation, _)| federation.size());
        json!({
            "ok": failed.is_none(), "entries": entries, "federation": federation,
            "checkpoint": checkpoint, "experts": self.experts, "soups": self.soups,
            "skipped_rounds": self.skipped_rounds, "steps": self.steps,
            "witnesses": {"names": self.witnesses.0, "size": self.witnesses.1},
            "failed": failed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_says_which_step_failed() {
        let output = Output::new(true);
        let mut trail = Trail::new(&output);
        assert_eq!(trail.finish(None).as_json()["ok"], true);
        trail.begin("experts");
        let failure = Failure::unverified("stored-content-corrupt", "the bytes differ");
        let failure = failure.differs("aa", "bb");
        let verdict = trail.finish(Some(&failure)).as_json();
        assert_eq!(verdict["failed"]["step"], "experts");
        assert_eq!(verdict["failed"]["code"], "stored-content-corrupt");
        assert_eq!(verdict["failed"]["found"], "bb");
        assert_eq!(verdict["ok"], false);
        let blame = trail.blame(&failure).to_string();
        assert_eq!(
            blame,
            "the audit failed at step experts: the bytes differ [stored-content-corrupt]"
        );
    }

    #[test]
    fn each_kind_of_difference_has_its_exit_code() {
        let output = Output::new(true);
        for (code, kind) in [
            ("fork", Kind::Forked),
            ("rollback", Kind::Forked),
            ("not-witnessed", Kind::Unwitnessed),
            ("soup-mismatch", Kind::Refused),
        ] {
            let mut trail = Trail::new(&output);
            trail.begin("ledger");
            assert_eq!(trail.blame(&Failure::unverified(code, "x")).kind(), kind, "{code}");
        }
    }
}
