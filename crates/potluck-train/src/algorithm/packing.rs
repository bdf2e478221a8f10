//! Rows of tokens for a training step, and which of their predictions count.

use tch::{Kind, Tensor};

use crate::model::{Attention, Decoder};
use crate::tokenizer::SpecialTokens;

/// Which predictions count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Those of the completions' tokens.
    Completions,
    /// Those of the prompts' tokens too.
    All,
}

/// Rows of tokens, and the predictions within them that count.
#[derive(Debug)]
pub(super) struct Packed {
    tokens: Tensor,
    positions: Tensor,
    /// Which tokens of its row each sees.
    marks: Tensor,
    /// The places, in the flattened rows, whose next token is predicted.
    places: Tensor,
    /// What that token is.
    targets: Tensor,
}

impl Packed {
    /// A prompt and all its completions in one row, so that the prompt is computed once: each
    /// completion continues the prompt's positions and sees the prompt and itself alone.
    pub(super) fn new<C: AsRef<[i64]>>(
        special: SpecialTokens,
        counted: Counted,
        groups: &[(&[i64], &[C])],
    ) -> Self {
        let width = groups.iter().map(|group| row_width(group)).max().unwrap_or_default();
        let mut rows = Rows::new(special, groups.len(), width);
        for (row, (prompt, completions)) in groups.iter().enumerate() {
            rows.fill(row, prompt, completions, counted);
        }
        let size = [groups.len() as i64, width as i64];
        Self {
            tokens: Tensor::from_slice(&rows.tokens).view(size),
            positions: Tensor::from_slice(&rows.positions).view(size),
            marks: Tensor::from_slice(&rows.marks).view([size[0], 1, size[1], size[1]]),
            places: Tensor::from_slice(&rows.places),
            targets: Tensor::from_slice(&rows.targets),
        }
    }

    /// The natural logarithm of the probability of each token that counts.
    pub(super) fn log_probs(&self, decoder: &Decoder) -> Tensor {
        let hidden = decoder.hidden(&self.tokens, &self.positions, Attention::Marked(&self.marks));
        let chosen = hidden.flatten(0, 1).index_select(0, &self.places);
        let all = decoder.logits(&chosen).log_softmax(-1, Kind::Float);
        all.gather(1, &self.targets.view([-1, 1]), false).squeeze_dim(1)
    }
}

/// A completion's last token is predicted, but predicts nothing.
fn row_width<C: AsRef<[i64]>>((prompt, completions): &(&[i64], &[C])) -> usize {
    prompt.len() + completions.iter().map(|completion| completion.as_ref().len() - 1).sum::<usize>()
}

struct Rows {
    width: usize,
    tokens: Vec<i64>,
    positions: Vec<i64>,
    /// By row, query and key.
    marks: Vec<bool>,
    places: Vec<i64>,
    targets: Vec<i64>,
}

impl Rows {
    fn new(special: SpecialTokens, rows: usize, width: usize) -> Self {
        let mut marks = vec![false; rows * width * width];
        // Everything sees itself, padding too: a row of attention must see something.
        for place in 0..rows * width {
            marks[place * width + place % width] = true;
        }
        Self {
            width,
            tokens: vec![special.pad; rows * width],
            positions: vec![0; rows * width],
            marks,
            places: Vec::new(),
            targets: Vec::new(),
        }
    }

    fn fill<C: AsRef<[i64]>>(
        &mut self,
        row: usize,
        prompt: &[i64],
        completions: &[C],
        counted: Counted,
    ) {
        for (place, &token) in prompt.iter().enumerate() {
            self.put(row, place, token, place, 0..place);
            if counted == Counted::All && place > 0 {
                self.count(row, place - 1, token);
            }
        }
        let mut start = prompt.len();
        for completion in completions {
            let mut before = prompt.len() - 1;
            let completion = completion.as_ref();
            for (offset, &token) in completion.iter().enumerate() {
                self.count(row, before, token);
                if offset + 1 < completion.len() {
                    let place = start + offset;
                    self.put(row, place, token, prompt.len() + offset, 0..prompt.len());
                    self.see(row, place, start..place);
                    before = place;
                }
            }
            start += completion.len() - 1;
        }
    }

    /// The prediction at `place` counts, and `token` is what comes next.
    fn count(&mut self, row: usize, place: usize, token: i64) {
        self.places.push((row * self.width + place) as i64);
        self.targets.push(token);
    }

    fn put(
        &mut self,
        row: usize,
        place: usize,
        token: i64,
        position: usize,
        sees: std::ops::Range<usize>,
    ) {
        self.tokens[row * self.width + place] = token;
        self.positions[row * self.width + place] = position as i64;
        self.see(row, place, sees);
    }

    fn see(&mut self, row: usize, place: usize, keys: std::ops::Range<usize>) {
        let start = (row * self.width + place) * self.width;
        self.marks[start + keys.start..start + keys.end].fill(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Shape;
    use crate::recipe::ModelRecipe;
    use crate::rollout::{Choice, Completion, complete};
    use crate::stream::Stream;

    const SPECIAL: SpecialTokens = SpecialTokens { pad: 0, bos: 1, summary: 2, eos: 3 };

    fn decoder() -> Decoder {
        let recipe = ModelRecipe { hidden: 32, layers: 2, heads: 4, kv_heads: 2, feed_forward: 48 };
        Decoder::random(Shape::new(&recipe, 30), 7)
    }

    /// The prompts have different lengths, and so have their completions.
    #[test]
    fn groups_say_the_same_as_sampling_and_as_rows_of_their_own() {
        let _guard = tch::no_grad_guard();
        let decoder = decoder();
        let prompts: [&[i64]; 2] = [&[1, 9, 12, 2], &[1, 20, 21, 22, 23, 24, 2]];
        let choices = (0..6).map(|n| Choice::Drawn(Stream::of("packing test", &[n]))).collect();
        let completions = complete(&decoder, SPECIAL, &prompts, choices);
        let groups: Vec<_> = prompts.into_iter().zip(completions.chunks(3)).collect();
        let log_probs = |groups: &[(&[i64], &[Completion])]| {
            let packed = Packed::new(SPECIAL, Counted::Completions, groups);
            Vec::<f32>::try_from(packed.log_probs(&decoder)).unwrap()
        };
        let packed = log_probs(&groups);
        let sampled: Vec<f32> = completions.iter().flat_map(|c| c.log_probs.clone()).collect();
        let alone: Vec<f32> = groups
            .iter()
            .flat_map(|(prompt, completions)| completions.chunks(1).map(move |one| (*prompt, one)))
            .flat_map(|group| log_probs(&[group]))
            .collect();
        assert_eq!(packed.len(), sampled.len());
        for ((packed, sampled), alone) in packed.iter().zip(&sampled).zip(&alone) {
            assert!((packed - sampled).abs() < 1e-4 && (packed - alone).abs() < 1e-4);
        }
    }
}
