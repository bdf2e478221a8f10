//! The gate before RL: a base that cannot copy names has nothing to trade.

use crate::hf::Decoder;
use crate::rollout::{Choice, complete};
use crate::task::{NewsDesk, Split, read_summary};
use crate::tokenizer::{Tokenizer, TokenizerError};

/// Prompts that are completed at once.
const BATCH: u64 = 64;

/// How a base did on held-out prompts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CopyTest {
    /// Claims whose value the text reports for their kind, over all claims; a broken summary
    /// counts as one claim that it does not.
    pub accuracy: f64,
    /// The share of broken summaries.
    pub broken: f64,
}

/// Lets `decoder` write the likeliest summary of held-out items `0..prompts` of `desk`.
///
/// # Errors
/// Where the tokenizer fails.
pub fn copy_accuracy(
    decoder: &Decoder,
    tokenizer: &Tokenizer,
    desk: &NewsDesk,
    prompts: u64,
) -> Result<CopyTest, TokenizerError> {
    let (mut claimed, mut supported, mut broken) = (0usize, 0usize, 0usize);
    for first in (0..prompts).step_by(BATCH as usize) {
        let items: Vec<_> = (first..prompts.min(first + BATCH))
            .map(|index| desk.item(Split::HeldOut, index))
            .collect();
        let texts = items
            .iter()
            .map(|item| tokenizer.prompt(item.article()))
            .collect::<Result<Vec<_>, _>>()?;
        let texts: Vec<&[i64]> = texts.iter().map(Vec::as_slice).collect();
        let completions = complete(decoder, tokenizer.special(), &texts, Choice::Likeliest);
        for (item, completion) in items.iter().zip(&completions) {
            let text = tokenizer.finished_text(&completion.tokens);
            match text.as_deref().map(read_summary) {
                Some(Ok(claims)) => {
                    claimed += claims.len();
                    supported += item.check(&claims).supported;
                }
                _ => {
                    claimed += 1;
                    broken += 1;
                }
            }
        }
    }
    let accuracy = supported as f64 / claimed.max(1) as f64;
    Ok(CopyTest { accuracy, broken: broken as f64 / prompts.max(1) as f64 })
}
