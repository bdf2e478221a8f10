//! What a study is, and what one seed of it comes to: candidates with every score that was measured.
//!
//! A study trains and scores; it judges nothing. [`super::shapes`], [`super::fairness`], [`super::plot`] and
//! [`super::page`] work from [`Seen`] alone, so that text and locomotion are judged by one measure.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::toolchain::Toolchain;

/// What a study is run with.
pub(crate) struct Bench<'a> {
    /// Builds what a study needs beside the product's programs.
    pub(crate) toolchain: &'a Toolchain,
    /// The folder of the product's programs.
    pub(crate) programs: PathBuf,
    /// The study's own folder, where pieces are kept from one run to the next.
    pub(crate) dir: PathBuf,
    /// Everything smaller.
    pub(crate) quick: bool,
}

/// A study of one task.
pub(crate) trait Study {
    /// Its name, which is that of its folder in `docs/results`.
    fn name(&self) -> &'static str;

    /// What its page says of it.
    fn about(&self) -> About;

    /// What one seed costs: trainings and evaluations with their processor seconds, roughly.
    fn budget(&self, quick: bool) -> Vec<(&'static str, f64)>;

    /// Trains and scores one seed; what an earlier run finished is not done again.
    ///
    /// # Errors
    /// When a program fails; then the same call goes on from there.
    fn run(&self, bench: &Bench, seed: u64) -> Result<Seen>;

    /// Draws into the page's folder what only this study has to show, and returns what the page says of it.
    ///
    /// # Errors
    /// When a program fails.
    fn pictures(&self, _bench: &Bench, _seeds: &[Seen], _folder: &Path) -> Result<String> {
        Ok(String::new())
    }
}

/// The words of a page.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct About {
    /// The page's title.
    pub(crate) title: &'static str,
    /// The task, in a few sentences.
    pub(crate) task: &'static str,
    /// What a score is over, after its number, and how candidates act.
    pub(crate) scored: &'static str,
    /// What prediction averaging does.
    pub(crate) averaging: &'static str,
    /// What each of the two rewards of the plane wants, for the axes and the text.
    pub(crate) rewards: [&'static str; 2],
    /// What the paper did for this task, and on what.
    pub(crate) paper: &'static str,
    /// The paper's own figures, where it released data.
    pub(crate) figures: &'static str,
    /// The measure that should fall with λ, where the task has one.
    pub(crate) falls: Option<&'static str>,
    /// What is known not to hold, and why.
    pub(crate) limits: &'static str,
}

/// What a candidate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// The shared base.
    Base,
    /// A soup of the two parties of the plane; with all weight on one it is that party's expert.
    Soup,
    /// A soup of all parties, where there are more than two; with all weight on one, that party's expert.
    Simplex,
    /// One model trained on both rewards, weighted by λ.
    Morl,
    /// Prediction averaging of the experts.
    Ensemble,
    /// A mixture with an expert of an independently trained base, which stands in the second's place.
    Control,
    /// A mixture by weights outside [0, 1].
    Beyond,
    /// A soup of experts that were trained three times as long.
    Long,
    /// A soup of LoRA experts, exact.
    LoraExact,
    /// A soup of LoRA experts whose factors were averaged.
    LoraFactors,
    /// One model trained on a reward model of everybody's labels.
    Pooled,
    /// A policy of the first party whose reward model was optimised on a shorter or longer leash; the first number of λ is
    /// what a nat of divergence cost.
    Leash,
}

/// One candidate, and its scores on every prompt or episode.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Candidate {
    /// What it is.
    pub(crate) role: Role,
    /// Its weights, in the order of the parties.
    pub(crate) lambda: Vec<f64>,
    /// For each reward, in the order of the parties, the score of each prompt.
    pub(crate) scores: Vec<Vec<f64>>,
    /// For each measure, the value of each prompt.
    pub(crate) measures: Vec<Vec<f64>>,
    /// For each prompt whether its answer was empty, unreadable or cut off: 1, else 0.
    pub(crate) collapsed: Vec<f64>,
}

/// One seed of a study.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// The seed.
    pub(crate) seed: u64,
    /// The parties; the first two span the plane.
    pub(crate) parties: Vec<String>,
    /// What is measured beside the rewards.
    pub(crate) measures: Vec<String>,
    /// Everything that was scored.
    pub(crate) candidates: Vec<Candidate>,
    /// Wall time and processor time by piece, in seconds.
    pub(crate) seconds: std::collections::BTreeMap<String, f64>,
    /// What else the page tells: audit, digests, sizes, agreement of labellers.
    pub(crate) facts: Value,
}

impl Seen {
    /// Where candidates of a role stand.
    pub(crate) fn of(&self, role: Role) -> impl Iterator<Item = usize> + '_ {
        (0..self.candidates.len()).filter(move |&place| self.candidates[place].role == role)
    }

    /// The candidate of a role whose λ is this.
    pub(crate) fn at(&self, role: Role, lambda: &[f64]) -> Option<usize> {
        let near = |own: &[f64]| own.iter().zip(lambda).all(|(a, b)| (a - b).abs() < 1e-6);
        self.of(role).find(|&place| near(&self.candidates[place].lambda))
    }

    /// Prompts.
    pub(crate) fn prompts(&self) -> usize {
        self.candidates.first().map_or(0, |it| it.collapsed.len())
    }
}
