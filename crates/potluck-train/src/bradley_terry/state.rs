//! Where a run stands between two steps: a scorer's weights, their moments, and the step.

use serde::{Deserialize, Serialize};

use crate::algorithm::AdamW;
use crate::hf::Scorer;
use crate::model::TensorSpec;
use crate::tune::{Checkpoint, StateError};

/// What is not the scorer's own.
#[derive(Debug)]
pub(super) struct State {
    /// Steps that are done.
    pub(super) step: u64,
    /// Seconds of work that led here, over all processes.
    pub(super) seconds: f64,
    pub(super) optimiser: AdamW,
}

/// What of it is no tensor. Seconds stand as their bits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    step: u64,
    taken: u64,
    seconds: u64,
}

impl State {
    /// Puts the kept weights into `scorer` and returns the rest, if there is a file.
    pub(super) fn read(
        checkpoint: &Checkpoint,
        scorer: &Scorer,
    ) -> Result<Option<Self>, StateError> {
        let Some(kept) = checkpoint.read::<Header>()? else { return Ok(None) };
        let mut tensors = kept.tensors(&specs(scorer))?;
        let count = scorer.weights().len();
        let second = tensors.split_off(2 * count);
        let first = tensors.split_off(count);
        let _guard = tch::no_grad_guard();
        for (weight, kept) in scorer.weights().iter().zip(&tensors) {
            weight.shallow_clone().copy_(kept);
        }
        let Header { step, taken, seconds } = kept.rest;
        let optimiser = AdamW::resumed(taken, first, second);
        Ok(Some(Self { step, seconds: f64::from_bits(seconds), optimiser }))
    }

    pub(super) fn write(&self, checkpoint: &Checkpoint, scorer: &Scorer) -> Result<(), StateError> {
        let AdamW { first, second, taken, .. } = &self.optimiser;
        let header = Header { step: self.step, taken: *taken, seconds: self.seconds.to_bits() };
        let names = specs(scorer).into_iter().map(|spec| spec.name);
        checkpoint.write(&header, names.zip(scorer.weights().iter().chain(first).chain(second)))
    }
}

/// Weights, first and second moments, each under its own prefix.
fn specs(scorer: &Scorer) -> Vec<TensorSpec> {
    let named = |part: &'static str| {
        scorer.tensors().iter().map(move |spec| TensorSpec {
            name: format!("{part}/{}", spec.name),
            shape: spec.shape.clone(),
        })
    };
    ["weight", "first", "second"].into_iter().flat_map(named).collect()
}
