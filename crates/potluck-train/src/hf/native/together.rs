//! Prediction averaging: several models write one text, each token drawn from the mean of what they expect.
//!
//! It is the baseline that soups are held against: every member runs for every token, so that it costs as
//! many times a soup as there are members. For evaluation alone, on one thread.

use std::sync::Arc;

use crate::hf::batch::{Batch, PromptError};
use crate::hf::generate::{Choosing, Continuation, Ending, Row, distinct, rows_of};

use super::Native;
use super::forward::{Next, Turns, Work};
use super::pages::Cache;
use super::rows::softmax;
use super::write::chosen;

/// One member: its memory of each open text, and what it expects next in each.
struct Voice<'a> {
    native: &'a Native,
    weight: f32,
    turns: Turns,
    work: Work,
    caches: Vec<Cache>,
    /// Probabilities, a row a text.
    expected: Vec<f32>,
}

impl Native {
    /// Continues each prompt by draws from the mean, by the members' weights, of their distributions.
    ///
    /// # Errors
    /// [`PromptError`].
    pub fn together(
        members: &[(Native, f64)],
        prompts: &[&[i64]],
        mut ending: Ending,
        choosing: Choosing,
    ) -> Result<Vec<Continuation>, PromptError> {
        let (distinct, prompt_of) = distinct(prompts);
        for (member, _) in members {
            Batch::check(&member.architecture, &distinct, ending.limit)?;
        }
        let (mut open, sampling) = rows_of(prompts, choosing)?;
        let longest = distinct.iter().map(|prompt| prompt.len()).max().unwrap_or_default();
        let mut voices: Vec<Voice> = members
            .iter()
            .map(|(native, weight)| {
                Voice::begin(native, *weight, &distinct, &prompt_of, longest + ending.limit)
            })
            .collect();
        let mut done = Vec::new();
        for written in 1..=ending.limit {
            for (place, row) in open.iter_mut().enumerate() {
                let (token, log_prob) = chosen(row, &mut mean(&voices, place), sampling);
                row.add(token, log_prob, &mut ending);
            }
            drop_ended(&mut open, &mut voices, &mut done);
            if written == ending.limit || open.is_empty() {
                break;
            }
            voices.iter_mut().for_each(|voice| voice.step(&open));
        }
        done.extend(open);
        done.sort_unstable_by_key(|row| row.place);
        Ok(done.into_iter().map(|row| row.written).collect())
    }
}

impl<'a> Voice<'a> {
    fn begin(
        native: &'a Native,
        weight: f64,
        distinct: &[&[i64]],
        prompt_of: &[i64],
        length: usize,
    ) -> Self {
        let turns = native.turns(length);
        let read = native.read(distinct, &turns);
        let own = || prompt_of.iter().map(|&of| &read[of as usize]);
        let caches = own().map(|read| Cache::after(Arc::clone(&read.pages))).collect();
        let expected = own().flat_map(|read| expected(&read.logits)).collect();
        Self { native, weight: weight as f32, turns, work: Work::default(), caches, expected }
    }

    /// Reads the last token of each open text.
    fn step(&mut self, open: &[Row]) {
        let last: Vec<[i64; 1]> = open
            .iter()
            .map(|row| [*row.written.tokens.last().expect("a token was chosen")])
            .collect();
        let mut texts: Vec<Next> = self
            .caches
            .iter_mut()
            .zip(&last)
            .map(|(cache, tokens)| Next { tokens, cache })
            .collect();
        self.native.logits(&mut texts, &self.turns, &mut self.work, false);
        let rows = self.work.logits.chunks_exact(self.native.head().outputs());
        self.expected = rows.flat_map(expected).collect();
    }
}

fn expected(logits: &[f32]) -> Vec<f32> {
    let mut probabilities = logits.to_vec();
    softmax(&mut probabilities, 1.0);
    probabilities
}

/// The logarithms of the members' mean probabilities in one text: logits like any other.
fn mean(voices: &[Voice], place: usize) -> Vec<f32> {
    let mut mean = Vec::new();
    for voice in voices {
        let width = voice.native.head().outputs();
        mean.resize(width, 0.0);
        let own = &voice.expected[place * width..][..width];
        mean.iter_mut().zip(own).for_each(|(sum, p)| *sum += voice.weight * p);
    }
    // No probability is 0 in F32's logarithm: what all members rule out stays ruled out.
    mean.iter_mut().for_each(|p| *p = p.max(f32::MIN_POSITIVE).ln());
    mean
}

/// Moves rows that have ended out, with every member's memory of them.
fn drop_ended<'a>(open: &mut Vec<Row<'a>>, voices: &mut [Voice], done: &mut Vec<Row<'a>>) {
    for place in (0..open.len()).rev() {
        if open[place].written.has_ended {
            done.push(open.swap_remove(place));
            for voice in voices.iter_mut() {
                voice.caches.swap_remove(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tch::Kind;

    use crate::hf::{Choosing, Ending, Folder, Sampler, Sampling};
    use crate::stream::Stream;

    const PROMPTS: [&[i64]; 3] = [&[1, 5, 9, 4], &[1, 7], &[1, 5, 9, 4]];

    fn drawn(sampler: &Sampler) -> Vec<crate::hf::Continuation> {
        let sampling = Sampling::default();
        let streams = (0..3).map(|row| Stream::of("together test", &[row])).collect();
        let ending = Ending { limit: 12, ends: &[2], is_over: None };
        sampler.generate(&PROMPTS, ending, Choosing::Drawn(&sampling, streams)).unwrap()
    }

    #[test]
    fn several_draw_from_the_mean_of_their_distributions() {
        let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/hf/llama3");
        let a = Folder::open(&case).unwrap().load().unwrap();
        let mut b = Folder::open(&case).unwrap().load().unwrap();
        b.put_trained(a.weights().iter().map(|it| it * 1.5).collect::<Vec<_>>());
        let alone = drawn(&a.sampler(Kind::Float));
        let with_itself = drawn(&Sampler::together([(&a, 0.25), (&a, 0.75)], Kind::Float).unwrap());
        for (own, other) in alone.iter().zip(&with_itself) {
            assert_eq!(own.tokens, other.tokens);
            for (x, y) in own.log_probs.iter().zip(&other.log_probs) {
                assert!((x - y).abs() < 1e-4, "{x} {y}");
            }
        }

        // The first token's probability is the mean of what both give it.
        let both = drawn(&Sampler::together([(&a, 0.5), (&b, 0.5)], Kind::Float).unwrap());
        for (prompt, row) in PROMPTS.iter().zip(&both) {
            let probability = |decoder: &crate::hf::Decoder| {
                let batch = crate::hf::Batch::new(decoder.architecture(), &[prompt], 1).unwrap();
                let logits = decoder.logits(&batch);
                let last = logits.get(0).get(prompt.len() as i64 - 1);
                last.softmax(-1, Kind::Double).double_value(&[row.tokens[0]])
            };
            let mean = (probability(&a) + probability(&b)) / 2.0;
            assert!((f64::from(row.log_probs[0]).exp() - mean).abs() < 1e-5, "{mean}");
        }
        assert!(Sampler::together([], Kind::Float).is_none());
    }
}
