//! Rewards from a program: a long-lived child that answers a line of JSON for each batch.
//!
//! `exec` runs the recipe's own program; `http` runs a helper that speaks with an endpoint, because
//! this process links no network. A program is started at its first batch and kept. One that dies,
//! floods or takes too long is killed with all that it started, and started again, as often as the
//! recipe allows; one that answers with something else than scores fails the batch at once.
//!
//! ```text
//! begin: samples ─▶ lines of at most `batch` samples ─▶ the child's standard input
//! collect: its standard output ─▶ one answer a line, in order, each within `timeout`
//! ```

mod protocol;
mod child;
mod heard;
mod settings;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::Fault;
use super::sample::Sample;
use child::{Child, Line, Trouble};
use protocol::Reply;
use settings::Settings;

/// Scores of samples, and what else was measured.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) scores: Vec<Option<f64>>,
    pub(super) metrics: BTreeMap<String, f64>,
}

/// A program that scores.
#[derive(Debug)]
pub(super) struct Program {
    settings: Settings,
    child: Option<Child>,
    last_id: u64,
    pending: VecDeque<Request>,
}

/// A line that is written and not answered yet.
#[derive(Debug)]
struct Request {
    id: u64,
    samples: usize,
    line: Line,
}

impl Program {
    fn new(settings: Settings) -> Self {
        Self { settings, child: None, last_id: 0, pending: VecDeque::new() }
    }

    /// From now on the standard error of programs goes to files in this folder.
    pub(super) fn log_into(&mut self, folder: &Path) {
        self.settings.log_into(folder);
    }

    /// Hands the program a batch, and does not wait for the answer.
    pub(super) fn begin(&mut self, step: u64, samples: &[Sample]) {
        self.pending.clear();
        for samples in samples.chunks(self.settings.batch) {
            self.last_id += 1;
            let line = protocol::request(self.last_id, step, samples).into();
            self.pending.push_back(Request { id: self.last_id, samples: samples.len(), line });
        }
        if self.child.is_none() {
            // One that cannot be started is reported, and tried again, when its answer is due.
            self.child = Child::start(&self.settings).ok();
        }
        self.write_pending();
    }

    /// Waits for the answers to everything begun.
    pub(super) fn collect(&mut self) -> Result<Answer, Fault> {
        let mut answer = Answer::default();
        let mut weights = BTreeMap::new();
        let mut tries = 0;
        let mut deadline = Instant::now() + self.settings.timeout;
        while let Some(request) = self.pending.front() {
            let (id, samples) = (request.id, request.samples);
            match self.next_line(deadline) {
                Ok(line) => {
                    let reply =
                        protocol::read(&line, id, samples).inspect_err(|_| self.abandon())?;
                    self.pending.pop_front();
                    take_in(reply, samples, &mut answer, &mut weights);
                    tries = 0;
                }
                Err(Trouble { what }) => {
                    tries += 1;
                    let stderr = self.child.take().map_or_else(Vec::new, Child::last_words);
                    if tries > self.settings.restarts {
                        self.abandon();
                        return Err(Fault::Program { what, tries, stderr });
                    }
                    self.child = Child::start(&self.settings).ok();
                    self.write_pending();
                }
            }
            deadline = Instant::now() + self.settings.timeout;
        }
        answer.metrics.iter_mut().for_each(|(name, sum)| *sum /= weights[name]);
        Ok(answer)
    }

    /// Forgets what was begun: the program is killed, as it may still be busy with it.
    pub(super) fn abandon(&mut self) {
        if !self.pending.is_empty() {
            self.pending.clear();
            self.child = None;
        }
    }

    fn write_pending(&mut self) {
        if let Some(child) = &self.child {
            self.pending.iter().for_each(|request| child.write(&request.line));
        }
    }

    fn next_line(&mut self, deadline: Instant) -> Result<Vec<u8>, Trouble> {
        match &mut self.child {
            Some(child) => child.read(deadline, self.settings.timeout),
            // Started once more for the reason why it cannot be.
            None => match Child::start(&self.settings) {
                Err(trouble) => Err(trouble),
                Ok(child) => {
                    self.child = Some(child);
                    self.write_pending();
                    self.next_line(deadline)
                }
            },
        }
    }
}

/// Metrics of several answers become their mean over the samples of those that have them.
fn take_in(reply: Reply, samples: usize, answer: &mut Answer, weights: &mut BTreeMap<String, f64>) {
    answer.scores.extend(reply.rewards);
    for (name, value) in reply.metrics {
        *answer.metrics.entry(name.clone()).or_insert(0.0) += value * samples as f64;
        *weights.entry(name).or_insert(0.0) += samples as f64;
    }
}

/// The longest time limit of a line: a month.
const LONGEST: Duration = Duration::from_secs(31 * 24 * 3600);

#[cfg(test)]
mod tests;
