//! The loop: pairs of a step, their loss, a step of AdamW; then the figures of held-out pairs.

use std::time::Instant;

use serde::Serialize;
use tch::{Kind, Tensor};

use crate::algorithm::{AdamW, Betas};
use crate::data::Order;
use crate::hf::{Reading, ScoreError, Scorer};
use crate::journal::{Journal, JournalSettings, LiveFigures, Part};
use crate::tune::{StateError, WorkFolder};

use super::calibration::{Calibration, right};
use super::pairs::Pair;
use super::recipe::Recipe;
use super::state::State;

/// What the run is called in metrics and messages.
const NAME: &str = "reward-model";

/// One run: what is trained, how, and where it is kept.
#[derive(Debug)]
pub struct Run<'a> {
    scorer: &'a Scorer,
    recipe: &'a Recipe,
    seed: u64,
    work: &'a WorkFolder,
    state: State,
}

/// What a model says of pairs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// How many pairs.
    pub pairs: usize,
    /// The share in which the chosen text has the higher score; equal ones count half.
    pub accuracy: f64,
    /// The mean of -log sigmoid(chosen - rejected - margin).
    pub loss: f64,
    /// The mean of chosen - rejected.
    pub difference: f64,
    /// Whether its probabilities are so.
    pub calibration: Calibration,
}

/// Why a run stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Its state could not be kept.
    #[error(transparent)]
    State(#[from] StateError),
    /// A text could not be scored.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// Weights went astray.
    #[error("the loss of step {0} is not finite: a lower learning rate may help")]
    Diverged(u64),
}

impl<'a> Run<'a> {
    /// Begins a run, or goes on with that of the folder `work`.
    ///
    /// # Errors
    /// [`StateError`] where there is another run's file, or a damaged one.
    pub fn open(
        scorer: &'a Scorer,
        recipe: &'a Recipe,
        seed: u64,
        work: &'a WorkFolder,
    ) -> Result<Self, StateError> {
        let state = State::read(&work.checkpoint(), scorer)?.unwrap_or_else(|| State {
            step: 0,
            seconds: 0.0,
            optimiser: AdamW::new(scorer.weights(), Betas::default()),
        });
        for weight in scorer.weights() {
            let _ = weight.set_requires_grad(true);
        }
        Ok(Self { scorer, recipe, seed, work, state })
    }

    /// Whether it was begun before, in this process or another.
    pub fn is_kept(&self) -> bool {
        self.work.checkpoint().exists()
    }

    /// Seconds of training, over all processes.
    pub fn seconds(&self) -> f64 {
        self.state.seconds
    }

    /// Trains on `pairs` to the end, and keeps the state every `every` steps.
    ///
    /// # Errors
    /// [`TrainError`].
    pub fn train(&mut self, pairs: &[Pair], every: u64) -> Result<(), TrainError> {
        let steps = self.recipe.steps(pairs.len());
        let folder = self.work.file("");
        let disk = |error| StateError::Disk(folder.clone(), error);
        let part = Part { stage: NAME, earlier: &[], step: self.state.step, steps };
        let mut journal = Journal::open(&folder, &JournalSettings::plain(), part).map_err(disk)?;
        let mut note = "it was before".to_owned();
        let order = Order::new(self.seed, pairs.len());
        while self.state.step < steps {
            let (start, step) = (Instant::now(), self.state.step);
            let first = step * self.recipe.batch as u64;
            let numbers = first..first + self.recipe.batch as u64;
            let batch: Vec<&Pair> = numbers.map(|number| &pairs[order.at(number)]).collect();
            let (loss, accuracy) = self.gradients(&batch)?;
            if !loss.is_finite() {
                return Err(TrainError::Diverged(step));
            }
            let Recipe { weight_decay, clip, .. } = *self.recipe;
            let rate = self.recipe.rate(step, steps);
            let weights = self.scorer.weights();
            let norm = self.state.optimiser.step(weights, rate, weight_decay, clip);
            let figures = [
                ("loss", loss),
                ("accuracy", accuracy),
                ("learning_rate", rate),
                ("grad_norm", norm),
            ];
            let seconds = start.elapsed().as_secs_f64();
            let lengths = batch.iter().flat_map(|pair| [&pair.chosen, &pair.rejected]);
            let live = LiveFigures {
                tokens: lengths.map(|reading| reading.tokens().len() as u64).sum(),
                seconds,
                loss: Some(loss),
                accuracy: Some(accuracy),
                ..LiveFigures::default()
            };
            journal.step(step, &figures, &live).map_err(disk)?;
            self.state.step += 1;
            self.state.seconds += seconds;
            if self.state.step.is_multiple_of(every) || self.state.step == steps {
                self.state.write(&self.work.checkpoint(), self.scorer)?;
            }
            note = format!("loss {loss:.3}, accuracy {accuracy:.2}");
        }
        journal.end(&note).map_err(disk)?;
        Ok(())
    }

    /// Adds the gradients of a step; returns its mean loss and accuracy.
    fn gradients(&self, batch: &[&Pair]) -> Result<(f64, f64), ScoreError> {
        let (mut loss, mut correct) = (0.0, 0.0);
        for pairs in batch.chunks(self.recipe.at_once) {
            let chosen = pairs.iter().map(|pair| &pair.chosen);
            let readings: Vec<&Reading> =
                chosen.chain(pairs.iter().map(|pair| &pair.rejected)).collect();
            let scores = self.scorer.compute(&readings)?.select(1, 0).chunk(2, 0);
            let margins: Vec<f32> = pairs.iter().map(|pair| pair.margin as f32).collect();
            let sum = self.loss(&scores[0], &scores[1], &Tensor::from_slice(&margins));
            let mean = sum / batch.len() as f64;
            mean.backward();
            loss += mean.double_value(&[]);
            let differences = Vec::<f32>::try_from((&scores[0] - &scores[1]).detach());
            let differences = differences.expect("differences are a row of F32");
            correct += differences.into_iter().map(|it| right(it.into())).sum::<f64>();
        }
        Ok((loss, correct / batch.len() as f64))
    }

    /// The sum over pairs: Bradley and Terry's loss, and what keeps scores near zero.
    fn loss(&self, chosen: &Tensor, rejected: &Tensor, margins: &Tensor) -> Tensor {
        let loss = -(chosen - rejected - margins).log_sigmoid();
        match self.recipe.centering {
            0.0 => loss.sum(Kind::Float),
            weight => (loss + (chosen + rejected).square() * weight).sum(Kind::Float),
        }
    }
}

impl Figures {
    /// What `scorer` says of `pairs`.
    ///
    /// # Errors
    /// [`ScoreError`].
    pub fn of(scorer: &Scorer, pairs: &[Pair]) -> Result<Self, ScoreError> {
        let both = pairs.iter().flat_map(|pair| [pair.chosen.clone(), pair.rejected.clone()]);
        let scores = scorer.score_readings(&both.collect::<Vec<_>>())?;
        let differences: Vec<f64> = scores.chunks(2).map(|pair| pair[0][0] - pair[1][0]).collect();
        let mean = |values: &mut dyn Iterator<Item = f64>| {
            values.sum::<f64>() / differences.len().max(1) as f64
        };
        let losses = differences.iter().zip(pairs);
        Ok(Self {
            pairs: pairs.len(),
            accuracy: mean(&mut differences.iter().map(|it| right(*it))),
            loss: mean(&mut losses.map(|(it, pair)| softplus(pair.margin - it))),
            difference: mean(&mut differences.iter().copied()),
            calibration: Calibration::of(&differences),
        })
    }
}

/// -log sigmoid(-x), without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softplus_is_the_loss() {
        assert!((softplus(0.0) - 2f64.ln()).abs() < 1e-12);
        assert!((softplus(-2.0) - (1.0 + (-2f64).exp()).ln()).abs() < 1e-12);
        assert_eq!(softplus(1e4), 1e4);
    }
}
