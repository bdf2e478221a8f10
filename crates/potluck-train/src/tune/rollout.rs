//! What one step learns from: prompts, and what the policy wrote after them.

pub use crate::data::Prompt;
use crate::hf::{Choosing, Continuation, Ending, PromptError, Sampler, Sampling};
use crate::stream::Stream;

use super::settings::SamplingSettings;

/// What the policy wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// Its tokens, the one that ends it included.
    pub tokens: Vec<i64>,
    /// The natural logarithm of each one's probability when it was drawn.
    pub log_probs: Vec<f32>,
    /// Without what ended it.
    pub text: String,
    /// Whether it ended within its limit.
    pub is_finished: bool,
}

/// Text of tokens, and where texts end.
pub trait Words {
    /// The text of a completion, without the token or stop string that ended it.
    fn text(&self, tokens: &[i64]) -> String;
    /// The tokens that end a text.
    fn ends(&self) -> &[i64];
    /// Told each token of one completion, says whether it is over; `None` where tokens alone end one.
    fn watch(&self) -> Option<Watch<'_>> {
        None
    }
}

/// Watches one completion.
pub type Watch<'a> = Box<dyn FnMut(i64) -> bool + 'a>;

/// Writes `group` completions for each of `prompts`, which stand one after the other.
///
/// # Errors
/// [`PromptError`].
pub(super) fn roll_out(
    sampler: &Sampler,
    words: &dyn Words,
    (settings, sampling): (&SamplingSettings, &Sampling),
    prompts: &[Prompt],
    group: usize,
    seeds: [u64; 2],
) -> Result<Vec<Written>, PromptError> {
    let tokens: Vec<&[i64]> =
        prompts.iter().flat_map(|it| std::iter::repeat_n(it.tokens.as_slice(), group)).collect();
    let [seed, step] = seeds;
    let streams =
        (0..tokens.len() as u64).map(|row| Stream::of("rollout", &[seed, step, row])).collect();
    let mut watches: Option<Vec<Watch>> = tokens.iter().map(|_| words.watch()).collect();
    let mut is_over = |row: usize, tokens: &[i64]| match (&mut watches, tokens.last()) {
        (Some(watches), Some(&last)) => watches[row](last),
        _ => false,
    };
    let ending =
        Ending { limit: settings.max_tokens, ends: words.ends(), is_over: Some(&mut is_over) };
    let all = sampler.generate(&tokens, ending, Choosing::Drawn(sampling, streams))?;
    let written = |it: Continuation| {
        let text = words.text(&it.tokens);
        Written { tokens: it.tokens, log_probs: it.log_probs, text, is_finished: it.has_ended }
    };
    Ok(all.into_iter().map(written).collect())
}

impl SamplingSettings {
    /// The options, checked.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn sampling(&self) -> Result<Sampling, String> {
        let named = |error: crate::hf::SamplingError| format!("sampling.{error}");
        let mut sampling = Sampling::default().with_temperature(self.temperature).map_err(named)?;
        if let Some(top_k) = self.top_k {
            sampling = sampling.with_top_k(top_k).map_err(named)?;
        }
        if let Some(top_p) = self.top_p {
            sampling = sampling.with_top_p(top_p).map_err(named)?;
        }
        if let Some(min_p) = self.min_p {
            sampling = sampling.with_min_p(min_p).map_err(named)?;
        }
        if let Some(penalty) = self.repetition_penalty {
            sampling = sampling.with_repetition_penalty(penalty).map_err(named)?;
        }
        if !(1..=1 << 20).contains(&self.max_tokens) {
            return Err("sampling.max_tokens must be 1 to 1048576".to_owned());
        }
        match self.stop.iter().any(String::is_empty) {
            true => Err("sampling.stop must not hold an empty string".to_owned()),
            false => Ok(sampling),
        }
    }
}
