//! Continuations of prompts, many at once, by libtorch; on a CPU a [`super::Sampler`] does without.
//!
//! Each distinct prompt is read once, whatever the number of its continuations. A row that has ended
//! is dropped once half of all have. What a row draws depends on its prompt, its stream of random
//! numbers and the model, and not on the rows beside it.

use std::collections::HashMap;

use tch::{Device, Kind, Tensor};

use crate::stream::Stream;

use super::batch::{Batch, PromptError};
use super::cache::Cache;
use super::decoder::Decoder;
use super::rows::{Sight, added};
use super::sampling::Sampling;
use super::turn::Turn;

/// How the next token of every row is chosen.
#[derive(Debug)]
pub enum Choosing<'a> {
    /// The likeliest.
    Greedy,
    /// Drawn, with one stream of random numbers a row.
    Drawn(&'a Sampling, Vec<Stream>),
}

/// What a model wrote after a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Continuation {
    /// Its tokens, the one that ends it included.
    pub tokens: Vec<i64>,
    /// The natural logarithm of each token's probability at the temperature of the draw, before
    /// unlikely tokens are dropped; at temperature 1 where the likeliest is taken.
    pub log_probs: Vec<f32>,
    /// Whether it ended, by a token or by `is_over`.
    pub has_ended: bool,
}

impl AsRef<[i64]> for Continuation {
    fn as_ref(&self) -> &[i64] {
        &self.tokens
    }
}

/// Asked after each token of a row, whose number and tokens it gets, whether the row is over.
pub type IsOver<'a> = &'a mut dyn FnMut(usize, &[i64]) -> bool;

/// What ends a continuation.
pub struct Ending<'a> {
    /// The most tokens.
    pub limit: usize,
    /// The tokens that end one.
    pub ends: &'a [i64],
    /// What else ends one.
    pub is_over: Option<IsOver<'a>>,
}

impl Decoder {
    /// Continues each prompt by its likeliest tokens.
    ///
    /// # Errors
    /// [`PromptError`].
    pub fn greedy(
        &self,
        prompts: &[&[i64]],
        limit: usize,
        ends: &[i64],
    ) -> Result<Vec<Vec<i64>>, PromptError> {
        let rows =
            self.generate(prompts, Ending { limit, ends, is_over: None }, Choosing::Greedy)?;
        Ok(rows.into_iter().map(|row| row.tokens).collect())
    }

    /// Continues each prompt until it ends. A [`Decoder::sampler`] is faster.
    ///
    /// # Errors
    /// [`PromptError`].
    pub fn generate(
        &self,
        prompts: &[&[i64]],
        mut ending: Ending,
        choosing: Choosing,
    ) -> Result<Vec<Continuation>, PromptError> {
        let (distinct, prompt_of) = distinct(prompts);
        let batch = Batch::new(self.architecture(), &distinct, ending.limit)?.to(self.device());
        let (mut open, sampling) = rows_of(prompts, choosing)?;
        let mut done = Vec::new();
        if ending.limit > 0 {
            let _guard = tch::no_grad_guard();
            let (mut logits, mut run) = Run::begin(self, &batch, &prompt_of, ending.limit as i64);
            for written in 1..=ending.limit {
                choose(&mut open, &logits, sampling, &mut ending);
                if written == ending.limit || !run.keep_open(&mut open, &mut done) {
                    break;
                }
                logits = run.step(self, &open);
            }
        }
        done.extend(open);
        done.sort_unstable_by_key(|row| row.place);
        Ok(done.into_iter().map(|row| row.written).collect())
    }

    /// The logits after each row's last token, `[rows, vocabulary]`, and a cache with room for
    /// `room` tokens more, a row for each of `rows`.
    fn prefill(&self, batch: &Batch, rows: &Tensor, room: i64) -> (Tensor, Cache) {
        let sights = batch.rows.sights(&self.architecture.attention.windows, self.compute);
        let turn = self.turn(&batch.rows.positions);
        let mut layers = Vec::new();
        let hidden =
            self.run(&batch.rows.tokens, &batch.rows.positions, &turn, |layer, [q, k, v]| {
                let kept = [&k, &v].map(|x| Cache::with_room(x, rows, room));
                layers.push(kept.into());
                self.attend(layer, &q, &k, &v, sights.layer(layer))
            });
        let length = batch.rows.length;
        let last = self.head(&hidden.select(1, length - 1));
        (last.index_select(0, rows), Cache { layers, length })
    }
}

/// A row for each prompt, and how its tokens are drawn; nothing where the likeliest are taken.
pub(super) fn rows_of<'a>(
    prompts: &[&'a [i64]],
    choosing: Choosing<'a>,
) -> Result<(Vec<Row<'a>>, Option<&'a Sampling>), PromptError> {
    let (streams, sampling) = match choosing {
        Choosing::Greedy => (vec![None; prompts.len()], None),
        Choosing::Drawn(_, streams) if streams.len() != prompts.len() => {
            let (streams, prompts) = (streams.len(), prompts.len());
            return Err(PromptError::Streams { prompts, streams });
        }
        Choosing::Drawn(sampling, streams) => {
            (streams.into_iter().map(Some).collect(), Some(sampling))
        }
    };
    let rows = (0..).zip(prompts.iter().zip(streams));
    Ok((rows.map(|(place, (prompt, stream))| Row::new(place, prompt, stream)).collect(), sampling))
}

/// The distinct prompts, and for each prompt which of them it is.
pub(super) fn distinct<'a>(prompts: &[&'a [i64]]) -> (Vec<&'a [i64]>, Vec<i64>) {
    let (mut all, mut found) = (Vec::new(), HashMap::new());
    let which = prompts
        .iter()
        .map(|prompt| {
            *found.entry(*prompt).or_insert_with(|| {
                all.push(*prompt);
                all.len() as i64 - 1
            })
        })
        .collect();
    (all, which)
}

/// A continuation that is being written.
pub(super) struct Row<'a> {
    pub(super) place: usize,
    pub(super) prompt: &'a [i64],
    stream: Option<Stream>,
    pub(super) written: Continuation,
}

impl<'a> Row<'a> {
    fn new(place: usize, prompt: &'a [i64], stream: Option<Stream>) -> Self {
        let written = Continuation { tokens: Vec::new(), log_probs: Vec::new(), has_ended: false };
        Self { place, prompt, stream, written }
    }

    /// Its next random number.
    pub(super) fn unit(&mut self) -> f64 {
        self.stream.as_mut().map_or(0.0, Stream::unit)
    }

    pub(super) fn add(&mut self, token: i64, log_prob: f32, ending: &mut Ending) {
        let written = &mut self.written;
        written.tokens.push(token);
        written.log_probs.push(log_prob);
        let over = ending.is_over.as_mut();
        written.has_ended = ending.ends.contains(&token)
            || over.is_some_and(|is_over| is_over(self.place, &written.tokens));
    }
}

/// Adds a token to each row that has not ended.
fn choose(rows: &mut [Row], logits: &Tensor, sampling: Option<&Sampling>, ending: &mut Ending) {
    let Some(sampling) = sampling else { return choose_likeliest(rows, logits, ending) };
    let plain = sampling.plain_temperature();
    let values = flat(&match plain {
        Some(1.0) => logits.softmax(-1, Kind::Float),
        Some(temperature) => (logits / temperature).softmax(-1, Kind::Float),
        None => logits.shallow_clone(),
    });
    let mut values = values;
    let vocabulary = values.len() / rows.len();
    for (row, values) in rows.iter_mut().zip(values.chunks_exact_mut(vocabulary)) {
        let unit = row.unit();
        if row.written.has_ended {
            continue;
        }
        let (token, log_prob) = match plain {
            Some(_) => super::sampling::at(values, unit),
            None => sampling.draw(values, &[row.prompt, &row.written.tokens], unit),
        };
        row.add(token, log_prob, ending);
    }
}

fn choose_likeliest(rows: &mut [Row], logits: &Tensor, ending: &mut Ending) {
    let (most, likeliest) = logits.max_dim(-1, false);
    let log_probs = flat(&(most - logits.logsumexp([-1], false)));
    let likeliest = Vec::<i64>::try_from(&likeliest.to_device(Device::Cpu))
        .expect("indices of a row are whole numbers");
    for ((row, token), log_prob) in rows.iter_mut().zip(likeliest).zip(log_probs) {
        if !row.written.has_ended {
            row.add(token, log_prob, ending);
        }
    }
}

fn flat(x: &Tensor) -> Vec<f32> {
    let flat = x.to_device(Device::Cpu).to_kind(Kind::Float).contiguous().view([-1]);
    let mut values = vec![0f32; flat.numel()];
    flat.copy_data(&mut values, flat.numel());
    values
}

/// The tensors of the rows that are open.
struct Run {
    cache: Cache,
    /// Of every position that there can be.
    turns: Turn,
    /// Of each row, `[rows, 1, 1, keys]`; nothing where no row has padding.
    visible: Option<Tensor>,
    /// Whether a layer has a window that is shorter than the whole text.
    windows: Vec<Option<i64>>,
    length: i64,
}

impl Run {
    /// Reads the prompts; returns the logits after each row's last token.
    fn begin(decoder: &Decoder, batch: &Batch, prompt_of: &[i64], room: i64) -> (Tensor, Self) {
        let device = decoder.device();
        let rows = Tensor::from_slice(prompt_of).to_device(device);
        let (logits, cache) = decoder.prefill(batch, &rows, room);
        let length = batch.rows.length + room;
        let every = Tensor::arange(length, (Kind::Int64, device)).view([1, -1]);
        let visible = batch.visible(length).map(|it| it.to_device(device).index_select(0, &rows));
        let windows = &decoder.architecture().attention.windows;
        let windows = windows.iter().map(|it| it.filter(|&window| window < length)).collect();
        (logits, Self { cache, turns: decoder.turn(&every), visible, windows, length })
    }

    /// Drops ended rows once they are half of all; says whether any row goes on.
    fn keep_open<'a>(&mut self, open: &mut Vec<Row<'a>>, done: &mut Vec<Row<'a>>) -> bool {
        let kept: Vec<i64> =
            (0i64..).zip(&*open).filter(|(_, row)| !row.written.has_ended).map(|it| it.0).collect();
        if !kept.is_empty() && kept.len() * 2 <= open.len() {
            let kept = Tensor::from_slice(&kept).to_device(self.cache.layers[0].0.device());
            self.cache.keep(&kept);
            self.visible = self.visible.as_ref().map(|visible| visible.index_select(0, &kept));
            done.extend(open.extract_if(.., |row| row.written.has_ended));
        }
        !kept.is_empty()
    }

    /// The logits `[rows, vocabulary]` after the last token of each row.
    fn step(&mut self, decoder: &Decoder, open: &[Row]) -> Tensor {
        let (tokens, positions): (Vec<i64>, Vec<i64>) = open
            .iter()
            .map(|row| {
                let written = &row.written.tokens;
                let last = *written.last().expect("a token was chosen");
                (last, (row.prompt.len() + written.len() - 1) as i64)
            })
            .unzip();
        let column = |numbers: &[i64]| Tensor::from_slice(numbers).to_device(decoder.device());
        let (tokens, positions) = (column(&tokens), column(&positions));
        let turn = self.turns.choose(&positions);
        let all = self.sight(decoder, None);
        let attention = &decoder.architecture().attention;
        let (windows, cache) = (self.windows.clone(), &mut self.cache);
        let mut narrow: Option<(Option<i64>, Sight)> = None;
        let visible = self.visible.as_ref();
        let until = cache.length + 1;
        let hidden = decoder.run(
            &tokens.unsqueeze(1),
            &positions.unsqueeze(1),
            &turn,
            |layer, [q, k, v]| {
                let (keys, values) = cache.add(layer, &k, &v);
                let sight = match windows[layer].filter(|&window| window < until) {
                    None => &all,
                    window => {
                        if narrow.as_ref().is_none_or(|(of, _)| *of != window) {
                            narrow = Some((window, seen(decoder, visible, until, window)));
                        }
                        &narrow.as_ref().expect("it was made").1
                    }
                };
                // The heads that share keys stand as the queries of one: no key is copied.
                let rows = q.size()[0];
                let folded = q.reshape([rows, attention.kv_heads, -1, attention.head_width]);
                let out = decoder.attend_plainly(layer, &folded, &keys, &values, sight);
                out.reshape([rows, attention.heads, 1, attention.head_width])
            },
        );
        self.cache.length += 1;
        decoder.head(&hidden.select(1, 0))
    }

    fn sight(&self, decoder: &Decoder, window: Option<i64>) -> Sight {
        debug_assert!(self.cache.length < self.length);
        seen(decoder, self.visible.as_ref(), self.cache.length + 1, window)
    }
}

/// What a row's next token sees of `keys` keys.
fn seen(decoder: &Decoder, visible: Option<&Tensor>, keys: i64, window: Option<i64>) -> Sight {
    let visible = visible.map(|visible| visible.narrow(3, 0, keys));
    let last = window.map(|window| {
        let key = Tensor::arange(keys, (Kind::Int64, decoder.device()));
        key.ge(keys - window).view([1, 1, 1, -1])
    });
    match (visible, last) {
        (None, None) => Sight::All,
        (Some(seen), None) | (None, Some(seen)) => Sight::Marked(added(&seen, decoder.compute())),
        (Some(a), Some(b)) => Sight::Marked(added(&a.logical_and(&b), decoder.compute())),
    }
}
