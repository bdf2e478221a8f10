//! A copy of a decoder to sample with, made anew for each batch that is sampled; or of several that write
//! together.

use tch::Kind;

use super::batch::PromptError;
use super::decoder::Decoder;
use super::generate::{Choosing, Continuation, Ending};
use super::native::Native;

/// What samples: on a CPU code of our own, elsewhere libtorch.
#[derive(Debug)]
pub enum Sampler {
    /// Without libtorch.
    Native(Native),
    /// A [`Decoder::snapshot`].
    Snapshot(Decoder),
    /// Several, with their weights: each token is drawn from the mean of their distributions.
    Together(Vec<(Native, f64)>),
}

impl Decoder {
    /// A copy to sample with, products in `kind`.
    pub fn sampler(&self, kind: Kind) -> Sampler {
        match Native::of(self, kind) {
            Some(native) => Sampler::Native(native),
            None => Sampler::Snapshot(self.snapshot(kind)),
        }
    }
}

impl Sampler {
    /// Prediction averaging: each token is drawn from the mean, by these weights, of what the members
    /// expect. `None` without members, and where they are not on the processor.
    pub fn together<'a>(
        members: impl IntoIterator<Item = (&'a Decoder, f64)>,
        kind: Kind,
    ) -> Option<Self> {
        let native = |(member, weight)| Some((Native::of(member, kind)?, weight));
        let members: Vec<_> = members.into_iter().map(native).collect::<Option<_>>()?;
        (!members.is_empty()).then_some(Self::Together(members))
    }

    /// Continues each prompt until it ends.
    ///
    /// # Errors
    /// [`PromptError`].
    pub fn generate(
        &self,
        prompts: &[&[i64]],
        ending: Ending,
        choosing: Choosing,
    ) -> Result<Vec<Continuation>, PromptError> {
        match self {
            Self::Native(native) => native.generate(prompts, ending, choosing),
            Self::Snapshot(decoder) => decoder.generate(prompts, ending, choosing),
            Self::Together(members) => Native::together(members, prompts, ending, choosing),
        }
    }

    /// Continues each prompt by its likeliest tokens.
    ///
    /// # Errors
    /// [`PromptError`].
    pub fn greedy(
        &self,
        prompts: &[&[i64]],
        limit: usize,
        ends: &[i64],
    ) -> Result<Vec<Vec<i64>>, PromptError> {
        let ending = Ending { limit, ends, is_over: None };
        let rows = self.generate(prompts, ending, Choosing::Greedy)?;
        Ok(rows.into_iter().map(|row| row.tokens).collect())
    }
}
