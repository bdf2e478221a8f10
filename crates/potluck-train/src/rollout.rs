//! Sampling: completions of prompts, in batches, with cached keys and values.
//!
//! Each distinct prompt is read once, whatever the number of its completions. Softmax runs in
//! libtorch; the draw is plain Rust with one [`Stream`] a sequence, so that a completion depends
//! on its prompt, its stream and the model, and on no global generator. (libtorch's `multinomial`
//! costs more than the whole model at this size.)

use tch::{Device, Kind, Tensor};

use crate::model::{Attention, Cache, Decoder};
use crate::stream::Stream;
use crate::tokenizer::SpecialTokens;

/// The most tokens of a completion, its end included: a summary that tells all at length has 42.
pub const MOST_TOKENS: usize = 48;

/// How a token is chosen.
#[derive(Debug, Clone)]
pub enum Choice {
    /// Drawn from the model's distribution at temperature 1, with these numbers.
    Drawn(Stream),
    /// The likeliest.
    Likeliest,
}

/// What a model wrote after a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// Its tokens; the last is the end token unless [`MOST_TOKENS`] were too few.
    pub tokens: Vec<i64>,
    /// The natural logarithm of each token's probability.
    pub log_probs: Vec<f32>,
}

impl AsRef<[i64]> for Completion {
    fn as_ref(&self) -> &[i64] {
        &self.tokens
    }
}

/// Completes each prompt once for each of its choices, at most [`MOST_TOKENS`] tokens each.
///
/// Every prompt has equally many choices; completions stand in the order of prompts and choices.
pub fn complete(
    decoder: &Decoder,
    special: SpecialTokens,
    prompts: &[&[i64]],
    choices: Vec<Choice>,
) -> Vec<Completion> {
    let _guard = tch::no_grad_guard();
    if prompts.is_empty() {
        return Vec::new();
    }
    assert!(choices.len().is_multiple_of(prompts.len()), "every prompt has equally many choices");
    let copies = choices.len() / prompts.len();
    let (mut batch, mut hidden) = Batch::begin(decoder, special, prompts, choices, copies);
    let eos = special.eos;
    for drawn in 0..MOST_TOKENS {
        let probabilities = decoder.logits(&hidden).softmax(-1, Kind::Float);
        batch.choose(&probabilities, eos);
        if drawn + 1 == MOST_TOKENS || !batch.keep_unfinished(eos) {
            break;
        }
        hidden = batch.step(decoder);
    }
    batch.into_completions()
}

/// One sequence that is being written.
struct Sequence {
    /// Its place in the answer.
    place: usize,
    choice: Choice,
    /// The position of its next token.
    position: i64,
    completion: Completion,
}

/// The sequences that have not ended, a row of the tensors each.
struct Batch {
    rows: Vec<Sequence>,
    cache: Cache,
    /// The keys that a row sees: all but the padding on its left.
    visible: Tensor,
    /// Place and completion of the sequences that were dropped.
    finished: Vec<(usize, Completion)>,
}

impl Batch {
    /// Reads the prompts, padded on the left; returns the hidden states of each row's last token.
    fn begin(
        decoder: &Decoder,
        special: SpecialTokens,
        prompts: &[&[i64]],
        choices: Vec<Choice>,
        copies: usize,
    ) -> (Self, Tensor) {
        let length = prompts.iter().map(|prompt| prompt.len()).max().unwrap_or_default();
        let (mut tokens, mut positions, mut padding) = (Vec::new(), Vec::new(), Vec::new());
        for prompt in prompts {
            let pad = length - prompt.len();
            tokens.extend(std::iter::repeat_n(special.pad, pad).chain(prompt.iter().copied()));
            positions.extend(std::iter::repeat_n(0, pad).chain(0..prompt.len() as i64));
            padding.push(pad as i64);
        }
        let (count, length) = (prompts.len() as i64, length as i64);
        let room = MOST_TOKENS as i64;
        let keys = Tensor::arange(length + room, (Kind::Int64, Device::Cpu));
        let visible = keys.ge_tensor(&Tensor::from_slice(&padding).view([-1, 1]));
        let visible = visible.view([count, 1, 1, length + room]);
        let square = Tensor::ones([length, length], (Kind::Bool, Device::Cpu));
        // Padding sees itself alone, because a row of attention must see something.
        let itself = square.tril(0).logical_and(&square.triu(0));
        let marks = visible.narrow(3, 0, length).logical_and(&square.tril(0)).logical_or(&itself);
        let (hidden, cache) = decoder.prefill(
            &Tensor::from_slice(&tokens).view([count, length]),
            &Tensor::from_slice(&positions).view([count, length]),
            Attention::Marked(&marks),
            copies as i64,
            room,
        );
        let last =
            hidden.narrow(1, length - 1, 1).repeat_interleave_self_int(copies as i64, 0, None);
        let visible = visible.repeat_interleave_self_int(copies as i64, 0, None);
        let rows = choices.into_iter().enumerate().map(|(place, choice)| Sequence {
            place,
            choice,
            position: prompts[place / copies].len() as i64,
            completion: Completion { tokens: Vec::new(), log_probs: Vec::new() },
        });
        (Self { rows: rows.collect(), cache, visible, finished: Vec::new() }, last)
    }

    /// Adds a token to each row that has not ended.
    fn choose(&mut self, probabilities: &Tensor, eos: i64) {
        let flat = probabilities.contiguous().view([-1]);
        let mut values = vec![0f32; flat.numel()];
        flat.copy_data(&mut values, flat.numel());
        let vocabulary = values.len() / self.rows.len();
        for (row, distribution) in self.rows.iter_mut().zip(values.chunks_exact(vocabulary)) {
            if row.completion.tokens.last() == Some(&eos) {
                continue;
            }
            let token = match &mut row.choice {
                Choice::Likeliest => likeliest(distribution),
                Choice::Drawn(stream) => draw(distribution, stream.unit()),
            };
            row.completion.tokens.push(token as i64);
            row.completion.log_probs.push(distribution[token].ln());
        }
    }

    /// Drops ended rows once they are half of all; says whether any row goes on.
    fn keep_unfinished(&mut self, eos: i64) -> bool {
        let ended = |row: &Sequence| row.completion.tokens.last() == Some(&eos);
        let open: Vec<i64> = (0i64..)
            .zip(&self.rows)
            .filter(|(_, row)| !ended(row))
            .map(|(index, _)| index)
            .collect();
        if !open.is_empty() && open.len() * 2 <= self.rows.len() {
            let kept = Tensor::from_slice(&open);
            self.cache.keep(&kept);
            self.visible = self.visible.index_select(0, &kept);
            let (done, rows): (Vec<_>, Vec<_>) = self.rows.drain(..).partition(ended);
            self.rows = rows;
            self.finished.extend(done.into_iter().map(|row| (row.place, row.completion)));
        }
        !open.is_empty()
    }

    /// Every completion, in the order of the choices.
    fn into_completions(self) -> Vec<Completion> {
        let rows = self.rows.into_iter().map(|row| (row.place, row.completion));
        let mut all: Vec<_> = self.finished.into_iter().chain(rows).collect();
        all.sort_by_key(|(place, _)| *place);
        all.into_iter().map(|(_, completion)| completion).collect()
    }

    fn step(&mut self, decoder: &Decoder) -> Tensor {
        let last = |row: &Sequence| *row.completion.tokens.last().expect("a token was chosen");
        let tokens: Vec<i64> = self.rows.iter().map(last).collect();
        let positions: Vec<i64> = self.rows.iter().map(|row| row.position).collect();
        self.rows.iter_mut().for_each(|row| row.position += 1);
        let count = tokens.len() as i64;
        decoder.step(
            &Tensor::from_slice(&tokens).view([count, 1]),
            &Tensor::from_slice(&positions).view([count, 1]),
            &self.visible,
            &mut self.cache,
        )
    }
}

fn likeliest(distribution: &[f32]) -> usize {
    let first = (0, f32::NEG_INFINITY);
    distribution
        .iter()
        .enumerate()
        .fold(first, |best, (i, &p)| if p > best.1 { (i, p) } else { best })
        .0
}

/// The token at `unit` of the cumulated distribution, summed in binary64 from the first token.
fn draw(distribution: &[f32], unit: f64) -> usize {
    let total: f64 = distribution.iter().map(|&p| f64::from(p)).sum();
    let mut left = unit * total;
    for (token, &p) in distribution.iter().enumerate() {
        left -= f64::from(p);
        if left < 0.0 {
            return token;
        }
    }
    likeliest(distribution)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Shape;
    use crate::recipe::ModelRecipe;

    const SPECIAL: SpecialTokens = SpecialTokens { pad: 0, bos: 1, summary: 2, eos: 3 };

    #[test]
    fn a_draw_inverts_the_cumulated_distribution() {
        let distribution = [0.25, 0.0, 0.5, 0.25];
        for (unit, token) in
            [(0.0, 0), (0.249, 0), (0.25, 2), (0.749, 2), (0.75, 3), (0.999_999, 3)]
        {
            assert_eq!(draw(&distribution, unit), token, "{unit}");
        }
        assert_eq!(likeliest(&[0.2, 0.4, 0.4]), 1, "of equals the first");
    }

    #[test]
    fn completions_follow_from_prompts_and_streams_in_their_order() {
        let recipe = ModelRecipe { hidden: 32, layers: 1, heads: 4, kv_heads: 2, feed_forward: 48 };
        let decoder = Decoder::random(Shape::new(&recipe, 12), 7);
        let prompts: [&[i64]; 3] = [&[1, 9, 11, 2], &[1, 2], &[1, 4, 5, 6, 7, 8, 2]];
        let choices = || (0..12).map(|n| Choice::Drawn(Stream::of("rollout test", &[n]))).collect();
        let all = complete(&decoder, SPECIAL, &prompts, choices());
        assert_eq!(all, complete(&decoder, SPECIAL, &prompts, choices()));
        assert_eq!(all.len(), 12);
        for completion in &all {
            let ends = completion.tokens.iter().filter(|token| **token == SPECIAL.eos).count();
            let ended = completion.tokens.last() == Some(&SPECIAL.eos);
            assert!(
                ends == usize::from(ended) && (ended || completion.tokens.len() == MOST_TOKENS)
            );
            assert_eq!(completion.tokens.len(), completion.log_probs.len());
        }
        let lengths: Vec<_> = all.iter().map(|completion| completion.tokens.len()).collect();
        assert!(lengths.iter().any(|length| *length != lengths[0]), "rows end at different times");
        let one: Vec<_> = choices();
        let alone = complete(&decoder, SPECIAL, &prompts[1..2], one[4..8].to_vec());
        assert_eq!(
            alone.iter().map(|c| &c.tokens).collect::<Vec<_>>(),
            all[4..8].iter().map(|c| &c.tokens).collect::<Vec<_>>()
        );
        assert!(complete(&decoder, SPECIAL, &[], Vec::new()).is_empty());
    }
}
