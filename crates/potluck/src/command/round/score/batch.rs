//! The open batch as its party sees it: which models it is about, and what becomes of their scores.

use potluck_core::charter::Disagreement;
use potluck_core::entry::{Ballot, Row};
use potluck_core::federation::bargain::{Bargaining, Batch, Purpose};
use potluck_core::federation::{Round, Soup};
use potluck_core::{Blake3, Federation, Lambda, Recipe};

use super::judge::Question;
use super::notebook::{Pages, Verdict};
use super::tally::{Gain, gain, row, unit};
use crate::command::round::status::latest;
use crate::failure::Failure;

/// A batch that waits for scores.
pub(in crate::command::round) struct Open<'a> {
    /// Whose it is.
    pub(in crate::command::round) federation: &'a Federation,
    /// The round.
    pub(in crate::command::round) round: &'a Round,
    /// Its bargain.
    pub(in crate::command::round) bargain: &'a Bargaining,
    /// Counts from 1.
    pub(in crate::command::round) number: u32,
    /// The batch.
    pub(in crate::command::round) batch: &'a Batch,
}

/// A candidate with its scores.
#[derive(Debug, Clone)]
pub(in crate::command::round) struct Scored<'a> {
    /// Its number, from 0.
    pub(in crate::command::round) number: usize,
    /// What it is.
    pub(in crate::command::round) lambda: &'a Lambda,
    /// What the evaluator said.
    pub(super) verdict: &'a Verdict,
    /// What it gains over no deal, in the evaluator's units.
    pub(super) gain: Gain,
    /// What the ballot says.
    pub(in crate::command::round) row: Row,
}

/// What no deal is.
pub(super) enum Zero<'a> {
    /// The base.
    Base(Blake3),
    /// The soup in force.
    StatusQuo(&'a Soup),
}

impl Zero<'_> {
    /// By what it is known in the notebook.
    pub(super) fn model(&self) -> Blake3 {
        match self {
            Self::Base(weights) => *weights,
            Self::StatusQuo(soup) => soup.recipe.digest(),
        }
    }
}

impl<'a> Open<'a> {
    /// The batch that the latest round has open.
    pub(in crate::command::round) fn find(federation: &'a Federation) -> Result<Self, Failure> {
        let round = latest(federation)?;
        let bargain =
            round.bargain.as_ref().filter(|_| round.agreement.is_none() && !round.is_void);
        let open = bargain.and_then(|bargain| Some((bargain, bargain.batch()?)));
        let Some((bargain, (number, batch))) = open else {
            let message = format!("round {} has no candidates to be scored now", round.number);
            return Err(Failure::unverified("round-wrong", message)
                .hint("`potluck round status` says what it waits for"));
        };
        Ok(Self { federation, round, bargain, number, batch })
    }

    /// The seed of its draws.
    pub(super) fn seed(&self) -> u64 {
        self.batch.seed(self.federation.id(), self.round.number)
    }

    /// Its candidates: number, λ, recipe.
    pub(super) fn recipes(&self) -> Result<Vec<(usize, &'a Lambda, Recipe)>, Failure> {
        let recipe = |lambda| self.federation.recipe_of(self.round, lambda);
        let candidates = self.batch.candidates.iter().filter_map(|&number| {
            self.bargain.candidates.get(number).map(|lambda| (number, lambda))
        });
        candidates
            .map(|(number, lambda)| Ok((number, lambda, recipe(lambda).map_err(Failure::system)?)))
            .collect()
    }

    /// What no deal is, by the charter.
    pub(super) fn zero(&self) -> Zero<'a> {
        let base = Zero::Base(self.federation.base_weights().blake3);
        match self.federation.charter().bargain().map(|rules| rules.disagreement) {
            Some(Disagreement::StatusQuo) => {
                let in_force = self.federation.in_force(self.federation.time());
                in_force.and_then(|round| round.soup.as_ref()).map_or(base, Zero::StatusQuo)
            }
            _ => base,
        }
    }

    /// What the batch's candidates gain, by the notebook; nothing where a model is not scored yet.
    fn gains(&self, pages: &Pages, judge: Blake3) -> Result<Option<Vec<Gain>>, Failure> {
        let seed = self.seed();
        let Some(zero) = pages.find(self.zero().model(), judge, seed) else { return Ok(None) };
        let gain = |recipe: &Recipe| {
            let verdict = pages.find(recipe.digest(), judge, seed)?;
            Some(gain(verdict, zero, pages.reserve))
        };
        Ok(self.recipes()?.iter().map(|(.., recipe)| gain(recipe)).collect())
    }

    /// What a million is, by the scores of the first batch; nothing in a later one, or where a model is not scored yet.
    pub(super) fn unit(&self, pages: &Pages) -> Result<Option<f64>, Failure> {
        match pages.judge(self.batch) {
            Some(judge) if self.batch.purpose == Purpose::First => {
                Ok(self.gains(pages, judge)?.map(|gains| unit(&gains)))
            }
            _ => Ok(None),
        }
    }

    /// What the notebook makes of the batch; nothing where a model is not scored yet.
    pub(in crate::command::round) fn tally<'p>(
        &self,
        pages: &'p Pages,
    ) -> Result<Option<Vec<Scored<'p>>>, Failure>
    where
        'a: 'p,
    {
        let Some(judge) = pages.judge(self.batch) else { return Ok(None) };
        let Some(gains) = self.gains(pages, judge)? else { return Ok(None) };
        let Some(unit) = pages.units.get(&self.round.number).copied() else {
            let round = self.round.number;
            let message =
                format!("the notebook does not say in what unit round {round} was scored");
            return Err(Failure::input(message)
                .hint("score from the folder from which the first batch was scored"));
        };
        let seed = self.seed();
        let scored = self.recipes()?.into_iter().zip(gains);
        let scored = scored.filter_map(|((number, lambda, recipe), gain)| {
            let verdict = pages.find(recipe.digest(), judge, seed)?;
            Some(Scored { number, lambda, verdict, gain, row: row(gain, unit, true) })
        });
        Ok(Some(scored.collect()))
    }

    /// What is asked of the evaluator.
    pub(super) fn question<'q>(
        &self,
        command: &'q str,
        prompts: u32,
        seconds: u64,
    ) -> Question<'q> {
        let patience = std::time::Duration::from_secs(seconds);
        Question { command, seed: self.seed(), prompts, patience }
    }
}

/// The ballot of scored candidates, in which these numbers are refused.
pub(in crate::command::round) fn ballot(scored: &[Scored<'_>], refused: &[usize]) -> Ballot {
    let rows = scored
        .iter()
        .map(|it| Row { accept: !refused.contains(&(it.number + 1)), ..it.row })
        .collect();
    let prompts = scored.iter().map(|it| it.verdict.prompts).min().unwrap_or(0);
    Ballot { prompts, rows }
}
