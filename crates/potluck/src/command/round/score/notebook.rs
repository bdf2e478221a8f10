//! What a party's evaluator said of the models that it was shown: `rounds/<federation>-scores.json` of the party's folder, its
//! owner's alone.
//!
//! Raw scores stand here and nowhere else. A model is known by its recipe, so what was scored in an earlier round is not
//! scored again while evaluator and draws are the same: when a party joins, the others score what is new; when one
//! leaves, nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use potluck_core::federation::bargain::Batch;
use potluck_core::{Blake3, FederationId};
use serde::{Deserialize, Serialize};

use crate::durable::{self, Readers};
use crate::failure::Failure;
use crate::folder::Folder;

/// What was said of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Evaluation {
    /// The model: its recipe's digest, or that of a file of weights.
    pub(super) model: Blake3,
    /// Who said it: [`judge_id`].
    pub(super) judge: Blake3,
    /// The seed of its draws.
    pub(super) seed: u64,
    /// What it said.
    pub(super) verdict: Verdict,
}

/// What an evaluator says, in its own units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Verdict {
    /// The mean score over prompts.
    pub(super) mean: f64,
    /// Its standard error.
    pub(super) error: f64,
    /// How many prompts.
    pub(super) prompts: u32,
    /// Each prompt's score, where the evaluator gave them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) scores: Vec<f64>,
    /// What the model wrote, to be looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) samples: Vec<String>,
}

/// All that was said, and how it becomes a ballot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::command::round) struct Pages {
    /// The command of the evaluator that was used last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) command: Option<String>,
    /// On how many prompts it was asked; finalists are scored on more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) prompts: Option<u32>,
    /// Below which score the party would rather have no deal, where the charter lets it choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reserve: Option<f64>,
    /// What a million is in each round, in the evaluator's units: fixed with the first batch, kept for the others.
    #[serde(default)]
    pub(super) units: BTreeMap<u64, f64>,
    /// In the order in which it was said.
    #[serde(default)]
    pub(super) evaluations: Vec<Evaluation>,
}

impl Pages {
    /// Who judges this batch.
    pub(super) fn judge(&self, batch: &Batch) -> Option<Blake3> {
        Some(judge_id(self.command.as_deref()?, batch.prompts(self.prompts?)))
    }

    /// What was said of a model by this evaluator on these draws.
    pub(super) fn find(&self, model: Blake3, judge: Blake3, seed: u64) -> Option<&Verdict> {
        let is_it = |it: &&Evaluation| (it.model, it.judge, it.seed) == (model, judge, seed);
        self.evaluations.iter().rev().find(is_it).map(|it| &it.verdict)
    }
}

/// By what an evaluator is known: BLAKE3 of its command and of how many prompts it is given.
pub(super) fn judge_id(command: &str, prompts: u32) -> Blake3 {
    Blake3::of(format!("{prompts} {command}").as_bytes())
}

/// Where the pages are kept.
#[derive(Debug)]
pub(in crate::command::round) struct Notebook {
    path: PathBuf,
}

impl Notebook {
    /// That of a party's folder.
    pub(in crate::command::round) fn of(folder: &Folder, federation: FederationId) -> Self {
        Self { path: folder.rounds().join(format!("{}-scores.json", federation.short())) }
    }

    /// What is in it; nothing yet where it is not there.
    pub(in crate::command::round) fn read(&self) -> Result<Pages, Failure> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Pages::default());
            }
            Err(error) => {
                let message = format!("cannot read {}: {error}", self.path.display());
                return Err(Failure::system(message));
            }
        };
        serde_json::from_slice(&text).map_err(|error| {
            Failure::input(format!("{} holds no scores: {error}", self.path.display()))
                .hint("move it away, and score again")
        })
    }

    /// Keeps the pages.
    pub(in crate::command::round) fn write(&self, pages: &Pages) -> Result<(), Failure> {
        let text = serde_json::to_vec(pages).map_err(Failure::system)?;
        durable::write(&self.path, &text, Readers::Owner).map_err(|error| {
            Failure::system(format!("cannot keep {}: {error}", self.path.display()))
        })
    }

    /// Where it is, to be told.
    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }
}
