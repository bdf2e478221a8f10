//! The decision as a spreadsheet: the integers of the ledger, and formulas that decide by them once more.
//!
//! ```text
//! result     what these formulas choose │ what the ledger has │ the same?
//! terms      λ₀, weights, floors, caps, who was heard
//! candidates λ, scores, words of acceptance ─▶ filters ─▶ worth by the rule ─▶ rank
//! finalists  the same with their second scores
//! ```
//!
//! A spreadsheet computes in floating point, the ledger in exact integers: a worth is rounded before it is compared, so that what
//! is equal stays equal, and the ledger's word counts where two candidates are nearer than that.

mod bargained;
mod cells;
mod proposed;

use self::cells::Sheet;
use super::facts::Facts;
use super::words::share;
use crate::command::agreement::words;

/// The whole sheet.
pub(super) fn sheet(facts: &Facts<'_>) -> Sheet {
    let mut sheet = Sheet::default();
    let (name, round) = (facts.charter().name(), facts.round.number);
    sheet.text(&[&format!("Decision of round {round} of the federation {name}")]);
    sheet.text(&[&format!(
        "From the ledger of {} entries under the root {}; agreement {}",
        facts.size,
        facts.root,
        facts.agreement.digest()
    )]);
    let shares = facts.agreement.lambda.ppm().iter();
    let shares: Vec<_> = shares.map(|(party, ppm)| format!("{party} {}", share(*ppm))).collect();
    sheet.text(&[&format!("Agreed: {}", words::listed(&shares))]);
    sheet.text(&["All numbers are whole: shares and scores in parts per million. Cells that begin with an equals sign are formulas."]);
    sheet.blank();
    match facts.round.bargain.as_ref().zip(facts.charter().bargain()) {
        Some((bargain, rules)) => bargained::fill(&mut sheet, facts, bargain, rules),
        None => proposed::fill(&mut sheet, facts),
    }
    sheet
}
