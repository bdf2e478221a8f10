//! Where a pull fetches from: one source after the other, as long as one of them has what is missing.
//!
//! All of them hold the same log key, so that each is the federation's aggregator under one of its addresses, or a stand-by
//! of it. What came is verified group by group and kept, whoever sent it; where a source is down, stalls, lacks a file or
//! sends other bytes than those of the digest, the next one is asked for the rest.

use std::path::Path;

use potluck_core::{Code, FileEntry};
use potluck_net::{CallError, Client, Transfer};

use crate::failure::{Failure, Kind, warn};
use crate::patience::patiently;
use crate::place::Door;
use crate::session::Session;

/// The sources of a pull, in the order in which they were given.
pub(super) struct Sources {
    all: Vec<Source>,
    /// From which one is fetched.
    at: usize,
    /// How often another had to be asked.
    pub(super) changes: usize,
}

struct Source {
    door: Door,
    client: Option<Client>,
}

impl Sources {
    /// Opens a session, for the ledger, with the first that answers.
    pub(super) async fn open(
        doors: impl Iterator<Item = Result<(Door, Door), Failure>>,
    ) -> Result<(Session, Self), Failure> {
        let (mut all, mut session, mut failed) = (Vec::new(), None, None);
        let mut at = 0;
        for doors in doors {
            let (ledger, files) = doors?;
            if session.is_none() {
                match Session::open(ledger).await {
                    Ok(open) => (session, at) = (Some(open), all.len()),
                    // A log that contradicts itself is no reason to ask another until one does not.
                    Err(failure) if failure.kind() != Kind::Unreachable => return Err(failure),
                    Err(failure) => failed = Some(failure),
                }
            }
            all.push(Source { door: files, client: None });
        }
        match (session, failed) {
            (Some(session), failed) => {
                failed.into_iter().for_each(warn);
                Ok((session, Self { all, at, changes: 0 }))
            }
            (None, Some(failure)) => Err(failure),
            (None, None) => Err(Failure::input("there is nowhere to fetch from")),
        }
    }

    /// Fetches a file, or what is missing of it, from one source after the other.
    ///
    /// It ends when each has failed in turn without a byte having come.
    pub(super) async fn fetch(
        &mut self,
        file: &FileEntry,
        target: &Path,
        progress: impl Fn(Transfer) + Send + Sync,
    ) -> Result<(), Failure> {
        let mut in_vain = 0;
        loop {
            let (mut first, mut last) = (None, 0);
            let moved = |at: Transfer| {
                first.get_or_insert(at.done);
                last = at.done;
                progress(at);
            };
            let Err(failure) = self.fetch_here(file, target, moved).await else { return Ok(()) };
            in_vain = if first.is_some_and(|first| last > first) { 1 } else { in_vain + 1 };
            if in_vain >= self.all.len() || !may_differ_elsewhere(&failure) {
                return Err(failure);
            }
            self.all[self.at].client = None;
            self.at = (self.at + 1) % self.all.len();
            self.changes += 1;
            warn(format_args!("{failure}; going on with {}", self.all[self.at].door.address));
        }
    }

    async fn fetch_here(
        &mut self,
        file: &FileEntry,
        target: &Path,
        mut moved: impl FnMut(Transfer) + Send,
    ) -> Result<(), Failure> {
        let is_only = self.all.len() == 1;
        let Source { door, client } = &mut self.all[self.at];
        let client = match client {
            Some(client) => client,
            None => client.insert(door.connect().await?),
        };
        let fetched = match is_only {
            true => patiently(async || client.fetch(file, target, &mut moved).await).await,
            // One that has no time is left for one that may have.
            false => client.fetch(file, target, &mut moved).await,
        };
        fetched.map_err(|error: CallError| Failure::from(error).about(&file.path))
    }

    /// Says goodbye to all.
    pub(super) async fn close(self) {
        for client in self.all.into_iter().filter_map(|source| source.client) {
            client.close().await;
        }
    }
}

/// Whether another source may do what this one did not: what the charter forbids all of them refuse, and this machine's
/// disk is the same whoever sends.
fn may_differ_elsewhere(failure: &Failure) -> bool {
    failure.code() != Code::NotPermitted.as_str()
        && matches!(failure.kind(), Kind::Unreachable | Kind::Refused)
}
