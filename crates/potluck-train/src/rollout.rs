//! Summaries of news, as the policy writes them.

use tch::Kind;

use crate::hf::{Choosing, Continuation, Decoder, Ending, Sampling};
use crate::stream::Stream;
use crate::tokenizer::SpecialTokens;

/// The most tokens of a completion, its end included: a summary that tells all at length has 42.
pub const MOST_TOKENS: usize = 48;

/// How tokens are chosen.
#[derive(Debug, Clone)]
pub enum Choice {
    /// Drawn from the model's distribution at temperature 1, with one stream a prompt.
    Drawn(Vec<Stream>),
    /// The likeliest.
    Likeliest,
}

/// Completes each prompt, with at most [`MOST_TOKENS`] tokens.
///
/// # Panics
/// Where a prompt is none of the model's, which is a bug: its tokenizer made it.
pub fn complete(
    decoder: &Decoder,
    special: SpecialTokens,
    prompts: &[&[i64]],
    choice: Choice,
) -> Vec<Continuation> {
    if prompts.is_empty() {
        return Vec::new();
    }
    let sampling = Sampling::default();
    let choosing = match choice {
        Choice::Drawn(streams) => Choosing::Drawn(&sampling, streams),
        Choice::Likeliest => Choosing::Greedy,
    };
    let ending = Ending { limit: MOST_TOKENS, ends: &[special.eos], is_over: None };
    decoder
        .sampler(Kind::Float)
        .generate(prompts, ending, choosing)
        .expect("the tokenizer makes tokens of the model's vocabulary, at least one a prompt")
}
