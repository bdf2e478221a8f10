//! What an audit found: step by step for people, as one object for scripts.

use potluck_core::{Blake3, FileEntry, PartyId};
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::{Failure, Kind};
use crate::ledger::{Ledger, Submitted};
use crate::output::Output;

/// An expert that came as it was signed.
#[derive(Debug, Serialize)]
pub(super) struct AuditedExpert {
    party: PartyId,
    index: u64,
    blake3: Blake3,
    size: u64,
}

impl AuditedExpert {
    /// An expert whose weights were fetched and verified.
    pub(super) fn of(expert: &Submitted, weights: &FileEntry) -> Self {
        let party = expert.party.clone();
        Self { party, index: expert.index, blake3: weights.blake3, size: weights.size }
    }
}

/// A soup that was made again.
#[derive(Debug, Serialize)]
pub(super) struct AuditedSoup {
    pub(super) round: u64,
    pub(super) blake3: Blake3,
    pub(super) recomputed_blake3: Blake3,
}

/// The steps so far, and what they found.
#[derive(Debug)]
pub(super) struct Trail<'a> {
    output: &'a Output,
    step: &'static str,
    entries: u64,
    federation: Value,
    checkpoint: Value,
    experts: Vec<AuditedExpert>,
    soups: Vec<AuditedSoup>,
}

impl<'a> Trail<'a> {
    /// Before the first step.
    pub(super) fn new(output: &'a Output) -> Self {
        Self {
            output,
            step: "connect",
            entries: 0,
            federation: Value::Null,
            checkpoint: Value::Null,
            experts: Vec::new(),
            soups: Vec::new(),
        }
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
    pub(super) fn passed(&self, what: impl std::fmt::Display) {
        self.output.line(format!("✓ {:<10}  {what}", self.step));
    }

    /// A line beside the steps.
    pub(super) fn line(&self, text: &str) {
        self.output.line(text);
    }

    /// The ledger is verified.
    pub(super) fn found(&mut self, ledger: &Ledger) {
        let (federation, checkpoint) = (ledger.federation(), ledger.checkpoint());
        self.entries = federation.size();
        self.federation = json!({"id": federation.id(), "name": federation.charter().name()});
        self.checkpoint = json!({"size": checkpoint.size(), "root": checkpoint.root()});
    }

    /// An expert came as it was signed.
    pub(super) fn expert(&mut self, expert: AuditedExpert) {
        self.experts.push(expert);
    }

    /// A soup was made again.
    pub(super) fn soup(&mut self, soup: AuditedSoup) {
        self.soups.push(soup);
    }

    /// The whole as one object.
    pub(super) fn verdict(&self, failed: Option<&Failure>) -> Value {
        let failed = failed.map(|failure| {
            json!({
                "step": self.step_of(failure), "code": failure.code(), "message": failure.message(),
            })
        });
        json!({
            "ok": failed.is_none(), "entries": self.entries, "federation": self.federation,
            "checkpoint": self.checkpoint, "experts": self.experts, "soups": self.soups,
            "failed": failed,
        })
    }

    /// The failure with its step, as the line that ends the command.
    pub(super) fn blame(&self, failure: &Failure) -> Failure {
        let step = self.step_of(failure);
        let message = format!("the audit failed at step {step}: {}", failure.message());
        let blame = Failure::new(Kind::Refused, failure.code(), message);
        match (failure.code(), failure.cure()) {
            ("not-permitted", _) => {
                blame.hint("the charter keeps this to the parties; audit with --dir of a party")
            }
            (_, Some(cure)) => blame.hint(cure),
            (_, None) => blame,
        }
    }

    /// Root and state are compared by one function; the code tells which of them differs.
    fn step_of(&self, failure: &Failure) -> &'static str {
        if failure.code() == "state-mismatch" { "state" } else { self.step }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_says_which_step_failed() {
        let output = Output::new(true);
        let mut trail = Trail::new(&output);
        assert_eq!(trail.verdict(None)["ok"], true);
        trail.begin("experts");
        let failure = Failure::unverified("stored-content-corrupt", "the bytes differ");
        let verdict = trail.verdict(Some(&failure));
        assert_eq!(verdict["failed"]["step"], "experts");
        assert_eq!(verdict["failed"]["code"], "stored-content-corrupt");
        assert_eq!(verdict["ok"], false);
        let blame = trail.blame(&failure).to_string();
        assert_eq!(
            blame,
            "the audit failed at step experts: the bytes differ [stored-content-corrupt]"
        );
    }
}
