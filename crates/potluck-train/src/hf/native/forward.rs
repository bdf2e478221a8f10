//! Tokens through all layers.

use rayon::prelude::*;

use super::attention::{View, attend};
use super::pages::{Cache, Format};
use super::product::Scratch;
use super::rows::{activate, add, bend, gate, norm, norm_in_place, turn};
use super::{Layer, Native};

/// So many tokens share out attention among threads, if they may.
const WORTH_SHARING: usize = 16;

/// The next tokens of a text.
pub(super) struct Next<'a> {
    pub(super) tokens: &'a [i64],
    pub(super) cache: &'a mut Cache,
}

/// Memory of one thread.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// The residual stream, a row a token.
    x: Vec<f32>,
    normed: Vec<f32>,
    heads: Vec<f32>,
    mixed: Vec<f32>,
    part: Vec<f32>,
    both: Vec<f32>,
    gated: Vec<f32>,
    scores: Vec<f32>,
    scratch: Scratch,
    /// Of the last tokens, after [`Native::logits`].
    pub(super) logits: Vec<f32>,
}

/// Cosines and sines of every position that there can be.
#[derive(Debug)]
pub(super) struct Turns {
    half: usize,
    cosines: Vec<f32>,
    sines: Vec<f32>,
}

impl Turns {
    fn at(&self, position: usize) -> [&[f32]; 2] {
        [&self.cosines, &self.sines].map(|all| &all[position * self.half..][..self.half])
    }
}

impl Native {
    pub(super) fn format(&self) -> Format {
        let attention = &self.architecture.attention;
        Format {
            layers: self.layers.len(),
            heads: attention.kv_heads as usize,
            width: attention.head_width as usize,
        }
    }

    /// Of positions below `length`.
    pub(super) fn turns(&self, length: usize) -> Turns {
        let half = self.frequencies.len();
        let length = if half == 0 { 0 } else { length };
        let angles = (0..length)
            .flat_map(|position| self.frequencies.iter().map(move |by| position as f32 * by));
        let (sines, cosines) = angles.map(f32::sin_cos).unzip();
        Turns { half, cosines, sines }
    }

    /// The logits after the last token of each text, in `work`, a row each. Products may be shared out
    /// among threads where `is_shared`.
    pub(super) fn logits(
        &self,
        texts: &mut [Next],
        turns: &Turns,
        work: &mut Work,
        is_shared: bool,
    ) {
        let positions = self.embed(texts, &mut work.x);
        for number in 0..self.layers.len() {
            self.layer(number, texts, &positions, turns, work, is_shared);
        }
        // Of the last tokens alone.
        let hidden = self.architecture.hidden as usize;
        let mut end = 0;
        for (row, text) in texts.iter().enumerate() {
            end += text.tokens.len();
            work.x.copy_within((end - 1) * hidden..end * hidden, row * hidden);
        }
        work.x.truncate(texts.len() * hidden);
        work.normed.resize(work.x.len(), 0.0);
        norm(self.architecture.norm, &self.norm, &work.x, &mut work.normed);
        self.head().product(&work.normed, &mut work.logits, &mut work.scratch, is_shared);
        if let Some(cap) = self.architecture.logit_cap {
            bend(&mut work.logits, cap as f32);
        }
    }

    /// Fills `x` with what stands for each token; makes room for them; returns where they stand.
    fn embed(&self, texts: &mut [Next], x: &mut Vec<f32>) -> Vec<usize> {
        let hidden = self.architecture.hidden as usize;
        let format = self.format();
        let mut positions = Vec::new();
        x.resize(texts.iter().map(|text| text.tokens.len()).sum::<usize>() * hidden, 0.0);
        let mut rows = x.chunks_exact_mut(hidden);
        for text in texts {
            let first = text.cache.length();
            text.cache.grow(text.tokens.len(), format);
            for ((position, token), row) in (first..).zip(text.tokens).zip(&mut rows) {
                self.embedding.row(*token as usize, row);
                if let Some(scale) = self.architecture.embedding_scale {
                    row.iter_mut().for_each(|x| *x *= scale as f32);
                }
                if let Some(learned) = &self.positions {
                    add(&learned[position * hidden..][..hidden], row);
                }
                positions.push(position);
            }
        }
        positions
    }

    fn layer(
        &self,
        number: usize,
        texts: &mut [Next],
        positions: &[usize],
        turns: &Turns,
        work: &mut Work,
        is_shared: bool,
    ) {
        let (layer, model) = (&self.layers[number], &self.architecture);
        work.normed.resize(work.x.len(), 0.0);
        norm(model.norm, &layer.before_attention, &work.x, &mut work.normed);
        layer.projection.product(&work.normed, &mut work.heads, &mut work.scratch, is_shared);
        self.attention(number, texts, positions, turns, work, is_shared);
        layer.out.product(&work.mixed, &mut work.part, &mut work.scratch, is_shared);
        if let Some(scales) = &layer.after_attention {
            norm_in_place(model.norm, scales, &mut work.part);
        }
        if model.is_parallel {
            norm(model.norm, &layer.before_feed_forward, &work.x, &mut work.normed);
            add(&work.part, &mut work.x);
        } else {
            add(&work.part, &mut work.x);
            norm(model.norm, &layer.before_feed_forward, &work.x, &mut work.normed);
        }
        self.feed_forward(layer, work, is_shared);
        if let Some(scales) = &layer.after_feed_forward {
            norm_in_place(model.norm, scales, &mut work.part);
        }
        add(&work.part, &mut work.x);
    }

    /// From `work.normed` to `work.part`.
    fn feed_forward(&self, layer: &Layer, work: &mut Work, is_shared: bool) {
        let (activation, width) = (self.architecture.activation, layer.down.inputs());
        layer.up.product(&work.normed, &mut work.both, &mut work.scratch, is_shared);
        let inner = if layer.is_gated {
            work.gated.resize(work.both.len() / 2, 0.0);
            gate(activation, &work.both, width, &mut work.gated);
            &work.gated
        } else {
            activate(activation, &mut work.both);
            &work.both
        };
        layer.down.product(inner, &mut work.part, &mut work.scratch, is_shared);
    }

    /// From `work.heads` to `work.mixed`.
    fn attention(
        &self,
        number: usize,
        texts: &mut [Next],
        positions: &[usize],
        turns: &Turns,
        work: &mut Work,
        is_shared: bool,
    ) {
        let attention = &self.architecture.attention;
        let (format, width) = (self.format(), attention.head_width as usize);
        let (queries, keys) = (attention.heads as usize * width, format.heads * width);
        self.place(number, texts, positions, turns, &mut work.heads);
        // Every key is in its place: now tokens may be taken in any order.
        let owners =
            texts.iter().flat_map(|text| std::iter::repeat_n(&*text.cache, text.tokens.len()));
        let owners: Vec<&Cache> = owners.collect();
        let window = attention.windows[number].map(|window| window as usize);
        let cap = attention.cap.map(|cap| cap as f32);
        let look = |scores: &mut Vec<f32>, token: usize, row: &[f32], mixed: &mut [f32]| {
            let end = positions[token] + 1;
            let first = window.map_or(0, |window| end.saturating_sub(window));
            let view = View::new(owners[token], format, number, first..end, cap);
            attend(&view, &row[..queries], scores, mixed);
        };
        work.mixed.resize(positions.len() * queries, 0.0);
        let row = queries + 2 * keys;
        if is_shared && positions.len() >= WORTH_SHARING {
            let rows =
                work.heads.par_chunks_exact(row).zip(work.mixed.par_chunks_exact_mut(queries));
            rows.enumerate().for_each_init(Vec::new, |scores, (token, (row, mixed))| {
                look(scores, token, row, mixed);
            });
        } else {
            let rows = work.heads.chunks_exact(row).zip(work.mixed.chunks_exact_mut(queries));
            for (token, (row, mixed)) in rows.enumerate() {
                look(&mut work.scores, token, row, mixed);
            }
        }
    }

    /// Turns and scales each token's queries, which stay in `heads`; turns its keys and puts them, and its
    /// values, in their places.
    fn place(
        &self,
        number: usize,
        texts: &mut [Next],
        positions: &[usize],
        turns: &Turns,
        heads: &mut [f32],
    ) {
        let (layer, attention) = (&self.layers[number], &self.architecture.attention);
        let (format, width) = (self.format(), attention.head_width as usize);
        let (queries, keys) = (attention.heads as usize * width, format.heads * width);
        let scale = self.architecture.score_scale(number) as f32;
        let mut rows = heads.chunks_exact_mut(queries + 2 * keys).zip(positions);
        for text in texts {
            for (row, &position) in rows.by_ref().take(text.tokens.len()) {
                let (turned, value) = row.split_at_mut(queries + keys);
                if let Some([of_queries, of_keys]) = &layer.head_norms {
                    let (q, k) = turned.split_at_mut(queries);
                    norm_in_place(self.architecture.norm, of_queries, q);
                    norm_in_place(self.architecture.norm, of_keys, k);
                }
                if turns.half > 0 {
                    let [cosines, sines] = turns.at(position);
                    turn(turned, width, cosines, sines);
                }
                let (query, key) = turned.split_at_mut(queries);
                query.iter_mut().for_each(|x| *x *= scale);
                let pairs = key.chunks_exact(width).zip(value.chunks_exact(width));
                for (head, (key, value)) in pairs.enumerate() {
                    text.cache.write(position, (number, head), [key, value], format);
                }
            }
        }
    }
}
