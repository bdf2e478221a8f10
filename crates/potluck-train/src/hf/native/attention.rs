//! Attention of one token over the keys and values of its text.

use std::ops::Range;

use super::lanes::{exp, most, product_and_sum, sum, tanh};
use super::pages::{Cache, Format, TOKENS};
use super::widths::widths;

/// What one token's queries look at.
pub(super) struct View<'a> {
    /// Pages with a token that is seen, and the place of each one's first.
    pages: Vec<(&'a [f32], usize, usize)>,
    format: Format,
    layer: usize,
    seen: Range<usize>,
    cap: Option<f32>,
}

impl<'a> View<'a> {
    /// Of tokens at the positions `seen`; scores are bent to `cap`.
    pub(super) fn new(
        cache: &'a Cache,
        format: Format,
        layer: usize,
        seen: Range<usize>,
        cap: Option<f32>,
    ) -> Self {
        let is_seen = |(_, first, count): &(&[f32], usize, usize)| {
            first + count > seen.start && *first < seen.end
        };
        Self { pages: cache.pages().filter(is_seen).collect(), format, layer, seen, cap }
    }
}

widths! {
    /// For the `queries` of one token, which are scaled and of which as many in a row share keys as
    /// there are more of them than keys, what they see, in `out`.
    pub(super) fn attend(view: &View, queries: &[f32], scores: &mut Vec<f32>, out: &mut [f32])
        = attend_with
}

type Lanes = [f32; TOKENS];

#[inline(always)]
fn attend_with<const FUSED: bool>(
    view: &View,
    queries: &[f32],
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    let Format { heads, width, .. } = view.format;
    let shared = queries.len() / (heads * width);
    scores.resize(view.pages.len() * TOKENS, 0.0);
    for (number, (query, out)) in
        queries.chunks_exact(width).zip(out.chunks_exact_mut(width)).enumerate()
    {
        let at = view.format.at(view.layer, number / shared);
        let places = scores.as_chunks_mut::<TOKENS>().0;
        for (&(page, first, count), scores) in view.pages.iter().zip(places) {
            *scores = page_scores::<FUSED>(query, &page[at..][..TOKENS * width]);
            if let Some(cap) = view.cap {
                *scores = scores.map(|score| tanh(score / cap) * cap);
            }
            let from = view.seen.start.saturating_sub(first);
            let until = count.min(view.seen.end - first);
            if from > 0 || until < TOKENS {
                for (place, score) in scores.iter_mut().enumerate() {
                    *score =
                        if place < from || place >= until { f32::NEG_INFINITY } else { *score };
                }
            }
        }
        let largest = most(scores);
        scores.iter_mut().for_each(|score| *score = exp(*score - largest));
        let factor = 1.0 / sum(scores, |x| x);
        mix::<FUSED>(view, at + TOKENS * width, scores, factor, out);
    }
}

#[inline(always)]
fn add_multiple<const FUSED: bool>(x: f32, values: &Lanes, sums: &mut Lanes) {
    for lane in 0..TOKENS {
        sums[lane] = product_and_sum::<FUSED>(x, values[lane], sums[lane]);
    }
}

/// The scores of a page's tokens: four sums each that do not wait for one another.
#[inline(always)]
fn page_scores<const FUSED: bool>(query: &[f32], keys: &[f32]) -> Lanes {
    let (mut a, mut b, mut c, mut d) = ([0.0; TOKENS], [0.0; TOKENS], [0.0; TOKENS], [0.0; TOKENS]);
    let (fours, rest) = query.as_chunks::<4>();
    let keys = keys.as_chunks::<TOKENS>().0;
    let (by_four, others) = keys.as_chunks::<4>();
    for (x, keys) in fours.iter().zip(by_four) {
        add_multiple::<FUSED>(x[0], &keys[0], &mut a);
        add_multiple::<FUSED>(x[1], &keys[1], &mut b);
        add_multiple::<FUSED>(x[2], &keys[2], &mut c);
        add_multiple::<FUSED>(x[3], &keys[3], &mut d);
    }
    for (&x, keys) in rest.iter().zip(others) {
        add_multiple::<FUSED>(x, keys, &mut a);
    }
    total(&a, &b, &c, &d)
}

#[inline(always)]
fn total(a: &Lanes, b: &Lanes, c: &Lanes, d: &Lanes) -> Lanes {
    let mut total = [0.0; TOKENS];
    for lane in 0..TOKENS {
        total[lane] = (a[lane] + b[lane]) + (c[lane] + d[lane]);
    }
    total
}

/// The sum of values, each times its token's weight, all times a factor.
#[inline(always)]
fn mix<const FUSED: bool>(view: &View, at: usize, weights: &[f32], factor: f32, out: &mut [f32]) {
    let vectors = view.format.row() / TOKENS;
    let weights = weights.as_chunks::<TOKENS>().0;
    for (number, out) in out.chunks_mut(TOKENS).enumerate() {
        let (mut a, mut b, mut c, mut d) =
            ([0.0; TOKENS], [0.0; TOKENS], [0.0; TOKENS], [0.0; TOKENS]);
        for (&(page, ..), weights) in view.pages.iter().zip(weights) {
            // What no token has filled is zeros, and its weights are, too.
            let values = page[at..][..TOKENS * TOKENS * vectors].as_chunks::<TOKENS>().0;
            for (x, values) in
                weights.as_chunks::<4>().0.iter().zip(values.chunks_exact(4 * vectors))
            {
                add_multiple::<FUSED>(x[0], &values[number], &mut a);
                add_multiple::<FUSED>(x[1], &values[number + vectors], &mut b);
                add_multiple::<FUSED>(x[2], &values[number + 2 * vectors], &mut c);
                add_multiple::<FUSED>(x[3], &values[number + 3 * vectors], &mut d);
            }
        }
        for (out, sum) in out.iter_mut().zip(total(&a, &b, &c, &d)) {
            *out = sum * factor;
        }
    }
}
