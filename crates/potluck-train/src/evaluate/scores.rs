//! Held-out prompts, and what a model's summaries of them are worth.

use potluck_core::Lambda;

use crate::hf::Decoder;
use crate::reward::{Judgement, Reward};
use crate::rollout::{Choice, complete};
use crate::stream::Stream;
use crate::task::{Item, NewsDesk, Split};
use crate::tokenizer::{Tokenizer, TokenizerError};

/// Prompts that are completed at once.
const BATCH: usize = 128;

/// Prompts and random numbers on which models are compared.
pub struct Bench<'a> {
    reward: &'a Reward,
    tokenizer: &'a Tokenizer,
    seed: u64,
    /// In ascending order of length, so that a batch holds prompts of like lengths.
    prompts: Vec<Prompt>,
}

struct Prompt {
    index: u64,
    item: Item,
    tokens: Vec<i64>,
}

/// A model's scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The score of each prompt, in the bench's order.
    scores: Vec<f64>,
    /// The mean score.
    pub mean: f64,
    /// Its standard error over prompts.
    pub se: f64,
    /// The mean length in words of the summaries that are not broken.
    pub mean_words: f64,
    /// The share of broken summaries.
    pub broken: f64,
}

/// A soup's scores beside the base's.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The soup.
    pub lambda: Lambda,
    /// Its scores.
    pub scored: Scored,
    /// Mean score minus the base's.
    pub gain: f64,
    /// The standard error of the gain, paired by prompt.
    pub gain_se: f64,
}

impl<'a> Bench<'a> {
    /// The first `count` held-out prompts of `desk`.
    ///
    /// # Errors
    /// Where the tokenizer fails.
    pub fn new(
        reward: &'a Reward,
        tokenizer: &'a Tokenizer,
        desk: &NewsDesk,
        count: u64,
    ) -> Result<Self, TokenizerError> {
        let mut prompts = (0..count)
            .map(|index| {
                let item = desk.item(Split::HeldOut, index);
                let tokens = tokenizer.prompt(item.article())?;
                Ok(Prompt { index, item, tokens })
            })
            .collect::<Result<Vec<_>, TokenizerError>>()?;
        prompts.sort_by_key(|prompt| (prompt.tokens.len(), prompt.index));
        Ok(Self { reward, tokenizer, seed: desk.seed, prompts })
    }

    /// Scores one summary a prompt, drawn at temperature 1.
    pub fn score(&self, decoder: &Decoder) -> Scored {
        let judged: Vec<Judgement> =
            self.prompts.chunks(BATCH).flat_map(|prompts| self.judge(decoder, prompts)).collect();
        let scores: Vec<f64> = judged.iter().map(|judged| judged.score).collect();
        let (mean, se) = mean_and_error(&scores);
        let whole: Vec<_> = judged.iter().filter(|judged| judged.claims.is_some()).collect();
        let words: usize = whole.iter().map(|judged| judged.words).sum();
        Scored {
            mean,
            se,
            mean_words: words as f64 / whole.len().max(1) as f64,
            broken: (judged.len() - whole.len()) as f64 / judged.len() as f64,
            scores,
        }
    }

    fn judge(&self, decoder: &Decoder, prompts: &[Prompt]) -> Vec<Judgement> {
        let texts = self.texts(decoder, prompts);
        prompts
            .iter()
            .zip(texts)
            .map(|(prompt, text)| self.reward.judge(&prompt.item, text.as_deref()))
            .collect()
    }
}

impl Bench<'_> {
    /// What a model writes for the first `count` prompts, drawn as for its scores; nothing readable is an empty text.
    pub fn samples(&self, decoder: &Decoder, count: usize) -> Vec<String> {
        let prompts = &self.prompts[..count.min(self.prompts.len())];
        self.texts(decoder, prompts).into_iter().map(Option::unwrap_or_default).collect()
    }

    /// What it writes for these.
    fn texts(&self, decoder: &Decoder, prompts: &[Prompt]) -> Vec<Option<String>> {
        let tokens: Vec<&[i64]> = prompts.iter().map(|prompt| prompt.tokens.as_slice()).collect();
        let stream = |prompt: &Prompt| Stream::of("evaluation", &[self.seed, prompt.index]);
        let choices = Choice::Drawn(prompts.iter().map(stream).collect());
        let completions = complete(decoder, self.tokenizer.special(), &tokens, choices);
        let texts = completions.iter();
        texts.map(|completion| self.tokenizer.finished_text(&completion.tokens)).collect()
    }
}

impl Scored {
    /// The score of each prompt, in the same order for every model on one bench.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }
}

impl Row {
    /// Sets a soup's scores beside those of `base` on the same bench.
    pub fn new(lambda: Lambda, scored: Scored, base: &Scored) -> Self {
        let differences: Vec<f64> =
            scored.scores.iter().zip(&base.scores).map(|(a, b)| a - b).collect();
        let (gain, gain_se) = mean_and_error(&differences);
        Self { lambda, scored, gain, gain_se }
    }
}

/// The mean, and its standard error from the sample's variance.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0) / count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_mean_is_the_textbooks() {
        let (mean, error) = mean_and_error(&[1.0, 2.0, 3.0, 4.0]);
        assert!((mean - 2.5).abs() < 1e-12 && (error - (5.0f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn gains_are_paired_by_prompt() {
        let scored = |scores: &[f64]| {
            let (mean, se) = mean_and_error(scores);
            Scored { scores: scores.to_vec(), mean, se, mean_words: 1.0, broken: 0.0 }
        };
        let row =
            Row::new("a=1".parse().unwrap(), scored(&[1.5, 5.5, 9.5]), &scored(&[1.0, 5.0, 9.0]));
        assert_eq!((row.gain, row.gain_se), (0.5, 0.0));
    }
}
