//! Rows of tokens for a training step, and which of their predictions count.
//!
//! Several texts share a row: each counts its own positions and sees itself alone. The completions of
//! one prompt may stand behind it in one row; then the prompt is computed once, and each completion
//! continues its positions and sees the prompt and itself.

use tch::{Device, Kind, Tensor};

use super::architecture::Architecture;
use super::batch::PromptError;
use super::decoder::Decoder;
use super::rows::Rows;

/// A prompt and what may follow it. Without a completion it is a text of its own.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// Read.
    pub prompt: &'a [i64],
    /// Which of its tokens are predicted, too; empty is none. The first never is.
    pub learned: &'a [bool],
    /// Predicted.
    pub completions: Vec<&'a [i64]>,
}

/// Rows of tokens, and the predictions within them that count.
#[derive(Debug)]
pub struct Packed {
    rows: Rows,
    /// The places, in the flattened rows, whose next token is predicted.
    places: Tensor,
    /// What that token is.
    targets: Tensor,
}

impl Packed {
    /// One row for each of `rows`, which stand in it one after the other.
    ///
    /// Predictions are counted in the order of rows, groups, and completions.
    ///
    /// # Errors
    /// [`PromptError`] where a token is none of the model's, or a text is longer than its positions.
    pub fn new(
        model: &Architecture,
        rows: &[Vec<Group>],
        device: Device,
    ) -> Result<Self, PromptError> {
        for group in rows.iter().flatten() {
            check(model, group)?;
        }
        let width = rows.iter().map(|row| row.iter().map(Group::width).sum::<usize>()).max();
        let mut made = Made::new(rows.len(), width.unwrap_or_default());
        for (row, groups) in rows.iter().enumerate() {
            let mut start = 0;
            for group in groups {
                made.fill(row, start, group);
                start += group.width();
            }
        }
        Ok(made.finish(rows.len(), device))
    }

    /// How many predictions count.
    pub fn count(&self) -> i64 {
        self.targets.size()[0]
    }

    /// What is predicted.
    pub fn targets(&self) -> &Tensor {
        &self.targets
    }

    /// Tokens that are computed, padding included.
    pub fn size(&self) -> i64 {
        self.rows.tokens.numel() as i64
    }

    /// The rows.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Of `hidden`, `[rows, length, width]`, the states from which predictions are made that count,
    /// `[count, width]`.
    pub fn chosen(&self, hidden: &Tensor) -> Tensor {
        hidden.flatten(0, 1).index_select(0, &self.places)
    }

    /// The natural logarithm of the probability of each token that counts, at a temperature.
    pub fn log_probs(&self, decoder: &Decoder, temperature: f64) -> Tensor {
        let chosen = self.chosen(&decoder.hidden(&self.rows));
        log_probs(decoder, &chosen, &self.targets, temperature)
    }
}

/// The natural logarithm of the probability of `targets` after the hidden states `chosen`.
pub(crate) fn log_probs(
    decoder: &Decoder,
    chosen: &Tensor,
    targets: &Tensor,
    temperature: f64,
) -> Tensor {
    let logits = decoder.head(chosen);
    let logits = if temperature == 1.0 { logits } else { logits / temperature };
    let own = logits.gather(1, &targets.view([-1, 1]), false).squeeze_dim(1);
    own - logits.logsumexp([-1], false)
}

fn check(model: &Architecture, group: &Group) -> Result<(), PromptError> {
    if group.prompt.is_empty() {
        return Err(PromptError::Empty(0));
    }
    let vocabulary = model.vocabulary;
    let parts = std::iter::once(&group.prompt).chain(&group.completions);
    if let Some(&token) =
        parts.flat_map(|part| part.iter()).find(|token| !(0..vocabulary).contains(token))
    {
        return Err(PromptError::Token { row: 0, token, vocabulary });
    }
    let longest = group.completions.iter().map(|it| it.len()).max().unwrap_or_default();
    let length = group.prompt.len() + longest;
    match model.longest() {
        Some(longest) if length as u64 > longest as u64 => {
            Err(PromptError::Long { length, longest })
        }
        _ => Ok(()),
    }
}

impl<'a> Group<'a> {
    /// A text of which all is predicted that `learned` says.
    pub fn text(tokens: &'a [i64], learned: &'a [bool]) -> Self {
        Self { prompt: tokens, learned, completions: Vec::new() }
    }

    /// How many tokens are computed: a completion's last is predicted, but predicts nothing.
    pub fn width(&self) -> usize {
        let of = |completion: &&[i64]| completion.len().saturating_sub(1);
        self.prompt.len() + self.completions.iter().map(of).sum::<usize>()
    }
}

struct Made {
    width: usize,
    tokens: Vec<i64>,
    positions: Vec<i64>,
    /// By row, query and key.
    marks: Vec<bool>,
    /// Whether each row is one text from its first place on, so that no marks are needed.
    is_causal: bool,
    places: Vec<i64>,
    targets: Vec<i64>,
}

impl Made {
    fn new(rows: usize, width: usize) -> Self {
        let mut marks = vec![false; rows * width * width];
        // Everything sees itself, padding too: a row of attention must see something.
        for place in 0..rows * width {
            marks[place * width + place % width] = true;
        }
        Self {
            width,
            tokens: vec![0; rows * width],
            positions: vec![0; rows * width],
            marks,
            is_causal: true,
            places: Vec::new(),
            targets: Vec::new(),
        }
    }

    fn finish(self, rows: usize, device: Device) -> Packed {
        let size = [rows as i64, self.width as i64];
        let tokens = Tensor::from_slice(&self.tokens).view(size);
        let positions = Tensor::from_slice(&self.positions).view(size);
        let mut made = Rows::causal(tokens, positions);
        // Padding on the right is seen by nobody but padding.
        made.marks = (!self.is_causal)
            .then(|| Tensor::from_slice(&self.marks).view([size[0], 1, size[1], size[1]]));
        Packed {
            rows: made.to(device),
            places: Tensor::from_slice(&self.places).to_kind(Kind::Int64).to_device(device),
            targets: Tensor::from_slice(&self.targets).to_kind(Kind::Int64).to_device(device),
        }
    }

    fn fill(&mut self, row: usize, start: usize, group: &Group) {
        let prompt = group.prompt;
        self.is_causal &= start == 0 && group.completions.len() <= 1;
        let prompt_keys = start..start + prompt.len();
        for (offset, &token) in prompt.iter().enumerate() {
            let place = start + offset;
            self.put(row, place, token, offset);
            self.see(row, place, start..place);
            if offset > 0 && group.learned.get(offset) == Some(&true) {
                self.count(row, place - 1, token);
            }
        }
        let mut own = prompt_keys.end;
        for completion in &group.completions {
            let mut before = prompt_keys.end - 1;
            for (offset, &token) in completion.iter().enumerate() {
                self.count(row, before, token);
                if offset + 1 < completion.len() {
                    let place = own + offset;
                    self.put(row, place, token, prompt.len() + offset);
                    self.see(row, place, prompt_keys.clone());
                    self.see(row, place, own..place);
                    before = place;
                }
            }
            own += completion.len().saturating_sub(1);
        }
    }

    /// The prediction at `place` counts, and `token` is what comes next.
    fn count(&mut self, row: usize, place: usize, token: i64) {
        self.places.push((row * self.width + place) as i64);
        self.targets.push(token);
    }

    fn put(&mut self, row: usize, place: usize, token: i64, position: usize) {
        self.tokens[row * self.width + place] = token;
        self.positions[row * self.width + place] = position as i64;
    }

    fn see(&mut self, row: usize, place: usize, keys: std::ops::Range<usize>) {
        let start = (row * self.width + place) * self.width;
        self.marks[start + keys.start..start + keys.end].fill(true);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::hf::{Choosing, Ending, Folder, Sampling};
    use crate::stream::Stream;

    /// Every family, windows among them; prompts and completions of different lengths.
    #[test]
    fn groups_say_the_same_as_sampling_and_as_rows_of_their_own() {
        let _guard = tch::no_grad_guard();
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/hf");
        for case in ["llama3", "mistral", "gemma2", "gpt2", "gpt-neox", "qwen2-old-window"] {
            let decoder = Folder::open(&vectors.join(case)).unwrap().load().unwrap();
            let prompts: [&[i64]; 6] =
                [&[1, 9, 12], &[1, 9, 12], &[1, 9, 12], &[5; 7], &[5; 7], &[5; 7]];
            let streams = (0..6).map(|n| Stream::of("packing test", &[n])).collect();
            let sampling = Sampling::default();
            let ending = Ending { limit: 9, ends: &[2], is_over: None };
            let written = decoder
                .sampler(Kind::Float)
                .generate(&prompts, ending, Choosing::Drawn(&sampling, streams))
                .unwrap();
            let group = |rows: std::ops::Range<usize>| Group {
                prompt: prompts[rows.start],
                learned: &[],
                completions: rows.map(|row| written[row].tokens.as_slice()).collect(),
            };
            let model = decoder.architecture();
            let log_probs = |rows: &[Vec<Group>]| {
                let packed = Packed::new(model, rows, Device::Cpu).unwrap();
                Vec::<f32>::try_from(packed.log_probs(&decoder, 1.0)).unwrap()
            };
            let sampled: Vec<f32> =
                written.iter().flat_map(|it| it.log_probs.iter().copied()).collect();
            let by_group = log_probs(&[vec![group(0..3)], vec![group(3..6)]]);
            let in_one = log_probs(&[vec![group(0..3), group(3..6)]]);
            let alone: Vec<_> = (0..6).map(|row| vec![group(row..row + 1)]).collect();
            let alone = log_probs(&alone);
            for packed in [by_group, in_one, alone] {
                assert_eq!(packed.len(), sampled.len());
                let far = packed.iter().zip(&sampled).map(|(a, b)| (a - b).abs());
                let far = far.fold(0.0, f32::max);
                assert!(far < 1e-4, "{case}: {far}");
            }
        }
    }
}
