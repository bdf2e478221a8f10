//! Continuations, rows shared out among threads.
//!
//! Each thread takes some rows through a whole token: all layers, the distribution and the draw. Few rows
//! stay on one thread, and large products are then what is shared out.

use std::sync::Arc;

use rayon::prelude::*;

use crate::hf::batch::{Batch, PromptError};
use crate::hf::generate::{Choosing, Continuation, Ending, Row, distinct, rows_of};
use crate::hf::sampling::{Sampling, at};

use super::Native;
use super::forward::{Next, Turns, Work};
use super::pages::{Cache, Pages};
use super::rows::{log_sum, softmax};

/// The fewest rows of a thread.
const ROWS: usize = 8;

/// Tokens of prompts that are read at once.
const READ: usize = 64;

/// As many as libtorch may use.
fn threads() -> usize {
    usize::try_from(tch::get_num_threads()).unwrap_or(1).clamp(1, rayon::current_num_threads())
}

/// A prompt that was read.
pub(super) struct Read {
    pub(super) pages: Arc<Pages>,
    /// After its last token.
    pub(super) logits: Vec<f32>,
}

/// A continuation that is being written.
struct Writer<'a> {
    row: Row<'a>,
    cache: Cache,
    /// The token that was chosen, and the logarithm of its probability.
    next: (i64, f32),
}

impl Native {
    /// Continues each prompt until it ends.
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
        Batch::check(&self.architecture, &distinct, ending.limit)?;
        let (rows, sampling) = rows_of(prompts, choosing)?;
        if ending.limit == 0 {
            return Ok(rows.into_iter().map(|row| row.written).collect());
        }
        let longest = distinct.iter().map(|prompt| prompt.len()).max().unwrap_or_default();
        let turns = self.turns(longest + ending.limit);
        let read = self.read(&distinct, &turns);
        let mut open: Vec<Writer> = rows
            .into_iter()
            .zip(&prompt_of)
            .map(|(row, &of)| {
                let cache = Cache::after(Arc::clone(&read[of as usize].pages));
                Writer { row, cache, next: (0, 0.0) }
            })
            .collect();
        open.par_iter_mut().zip(&prompt_of).for_each(|(writer, &of)| {
            writer.choose(&mut read[of as usize].logits.clone(), sampling);
        });
        drop(read);
        let mut done = Vec::new();
        let mut works = Vec::new();
        for written in 1..=ending.limit {
            for writer in &mut open {
                let (token, log_prob) = writer.next;
                writer.row.add(token, log_prob, &mut ending);
            }
            let ended = open.extract_if(.., |writer| writer.row.written.has_ended);
            done.extend(ended.map(|writer| writer.row));
            if written == ending.limit || open.is_empty() {
                break;
            }
            self.step(&mut open, &turns, &mut works, sampling);
        }
        done.extend(open.into_iter().map(|writer| writer.row));
        done.sort_unstable_by_key(|row| row.place);
        Ok(done.into_iter().map(|row| row.written).collect())
    }

    /// Chooses the next token of each.
    fn step(
        &self,
        open: &mut [Writer],
        turns: &Turns,
        works: &mut Vec<Work>,
        sampling: Option<&Sampling>,
    ) {
        let threads = (open.len() / ROWS).clamp(1, threads());
        works.resize_with(works.len().max(threads), Work::default);
        let each = open.len().div_ceil(threads);
        let is_shared = threads < self::threads();
        let part = |(writers, work): (&mut [Writer], &mut Work)| {
            let last: Vec<[i64; 1]> = writers.iter().map(|writer| [writer.next.0]).collect();
            let mut texts: Vec<Next> = writers
                .iter_mut()
                .zip(&last)
                .map(|(writer, tokens)| Next { tokens, cache: &mut writer.cache })
                .collect();
            self.logits(&mut texts, turns, work, is_shared);
            let logits = work.logits.chunks_exact_mut(self.head().outputs());
            for (writer, logits) in writers.iter_mut().zip(logits) {
                writer.choose(logits, sampling);
            }
        };
        match threads {
            // Without a way through the pool.
            1 => part((open, &mut works[0])),
            _ => open.par_chunks_mut(each).zip(works).for_each(part),
        }
    }

    /// Reads prompts, those of about the same place in the list together.
    pub(super) fn read(&self, prompts: &[&[i64]], turns: &Turns) -> Vec<Read> {
        let mut parts: Vec<&[&[i64]]> = Vec::new();
        let mut rest = prompts;
        while !rest.is_empty() {
            let mut tokens = 0;
            let fits = rest.iter().take_while(|prompt| {
                tokens += prompt.len();
                tokens <= READ
            });
            let (part, others) = rest.split_at(fits.count().max(1));
            parts.push(part);
            rest = others;
        }
        let is_shared = parts.len() < threads();
        let each = |prompts: &&[&[i64]]| self.read_part(prompts, turns, is_shared);
        parts.par_iter().flat_map_iter(each).collect()
    }

    fn read_part(&self, prompts: &[&[i64]], turns: &Turns, is_shared: bool) -> Vec<Read> {
        let mut work = Work::default();
        let fresh = || Cache::after(Arc::default());
        let mut caches: Vec<Cache> = prompts.iter().map(|_| fresh()).collect();
        if let ([prompt], [cache]) = (prompts, caches.as_mut_slice()) {
            // A long one in pieces.
            for tokens in prompt.chunks(READ) {
                let next = Next { tokens, cache: &mut *cache };
                self.logits(&mut [next], turns, &mut work, is_shared);
            }
        } else {
            let texts = prompts.iter().zip(&mut caches);
            let mut texts: Vec<Next> =
                texts.map(|(tokens, cache)| Next { tokens, cache }).collect();
            self.logits(&mut texts, turns, &mut work, is_shared);
        }
        let logits = work.logits.chunks_exact(self.head().outputs());
        caches
            .into_iter()
            .zip(logits)
            .map(|(cache, logits)| Read {
                pages: Arc::new(cache.into_own()),
                logits: logits.to_vec(),
            })
            .collect()
    }
}

impl Writer<'_> {
    fn choose(&mut self, logits: &mut [f32], sampling: Option<&Sampling>) {
        self.next = chosen(&mut self.row, logits, sampling);
    }
}

/// The next token of a row after these logits, which are overwritten, and the logarithm of its probability.
pub(super) fn chosen(row: &mut Row, logits: &mut [f32], sampling: Option<&Sampling>) -> (i64, f32) {
    let Some(sampling) = sampling else { return likeliest(logits) };
    let unit = row.unit();
    match sampling.plain_temperature() {
        Some(temperature) => {
            softmax(logits, temperature as f32);
            at(logits, unit)
        }
        None => sampling.draw(logits, &[row.prompt, &row.written.tokens], unit),
    }
}

/// The first of the likeliest tokens, and the logarithm of its probability.
fn likeliest(logits: &[f32]) -> (i64, f32) {
    let mut best = 0;
    for (token, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = token;
        }
    }
    let mut all = 0.0;
    log_sum(logits, &mut all);
    (best as i64, logits[best] - all)
}
