//! Where a pull fetches from: all sources at once, each over as many connections as were asked for.
//!
//! All of them hold the same log key, so that each is the federation's aggregator under one of its addresses, or a stand-by
//! of it. What came is verified group by group and kept, whoever sent it; where a source is down, stalls, lacks a file or
//! sends other bytes than those of the digest, the others are asked for the rest.

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
    /// To each of them.
    connections: usize,
    /// How often another had to be asked.
    pub(super) changes: usize,
}

/// A smaller file comes over one connection, as there is little to share out.
const WORTH_SEVERAL: u64 = 2 << 20;

struct Source {
    door: Door,
    clients: Vec<Client>,
    /// It failed, and is asked no more.
    is_left: bool,
}

impl Source {
    /// As many connections as there should be, and one at least.
    async fn connected(&mut self, count: usize) -> Result<&[Client], Failure> {
        self.first().await?;
        let more = count.saturating_sub(self.clients.len());
        self.clients.extend(self.door.connect_more(more).await);
        Ok(&self.clients[..count.min(self.clients.len())])
    }

    async fn first(&mut self) -> Result<&Client, Failure> {
        if self.clients.is_empty() {
            self.clients.push(self.door.connect().await?);
        }
        Ok(&self.clients[0])
    }
}

impl Sources {
    /// Opens a session, for the ledger, with the first that answers.
    pub(super) async fn open(
        doors: impl Iterator<Item = Result<(Door, Door), Failure>>,
        connections: usize,
    ) -> Result<(Session, Self), Failure> {
        let (mut all, mut session, mut failed) = (Vec::new(), None, None);
        for doors in doors {
            let (ledger, files) = doors?;
            let mut is_left = false;
            if session.is_none() {
                match Session::open(ledger).await {
                    Ok(open) => session = Some(open),
                    // A log that contradicts itself is no reason to ask another until one does not.
                    Err(failure) if failure.kind() != Kind::Unreachable => return Err(failure),
                    Err(failure) => (failed, is_left) = (Some(failure), true),
                }
            }
            all.push(Source { door: files, clients: Vec::new(), is_left });
        }
        match (session, failed) {
            (Some(session), failed) => {
                failed.into_iter().for_each(warn);
                Ok((session, Self { all, connections, changes: 0 }))
            }
            (None, Some(failure)) => Err(failure),
            (None, None) => Err(Failure::input("there is nowhere to fetch from")),
        }
    }

    /// Fetches a file, or what is missing of it, from all sources at once; one that fails is left to itself.
    ///
    /// It ends when all have failed without a byte having come.
    pub(super) async fn fetch(
        &mut self,
        file: &FileEntry,
        target: &Path,
        progress: impl Fn(Transfer) + Send + Sync,
    ) -> Result<(), Failure> {
        if let ([only], 1) = (&mut *self.all, self.connections) {
            let client = only.first().await?;
            let moved = |at: Transfer| progress(at);
            let fetched = patiently(async || client.fetch(file, target, moved).await).await;
            return fetched.map_err(|error| Failure::from(error).about(&file.path));
        }
        loop {
            let (mut first, mut last) = (None, 0);
            let moved = |at: Transfer| {
                first.get_or_insert(at.done);
                last = at.done;
                progress(at);
            };
            let Err(failure) = self.fetch_here(file, target, moved).await else { return Ok(()) };
            let in_vain = first.is_none_or(|first| last <= first);
            if in_vain || !may_differ_elsewhere(&failure) {
                return Err(failure);
            }
            // Who failed may do better on a new connection: what came is kept, so that this has an end.
            self.all.iter_mut().for_each(|source| source.is_left = false);
        }
    }

    /// From all that are not left yet.
    async fn fetch_here(
        &mut self,
        file: &FileEntry,
        target: &Path,
        moved: impl FnMut(Transfer) + Send,
    ) -> Result<(), Failure> {
        let (mut clients, mut of, mut unreachable) = (Vec::new(), Vec::new(), None);
        let wanted = if file.size < WORTH_SEVERAL { 1 } else { self.connections };
        for (number, source) in self.all.iter_mut().enumerate() {
            if source.is_left {
                continue;
            }
            match source.connected(wanted).await {
                Ok(connected) => {
                    clients.extend_from_slice(connected);
                    of.resize(clients.len(), number);
                }
                Err(failure) => {
                    warn(format_args!("nothing comes from {}: {failure}", source.door.address));
                    source.is_left = true;
                    unreachable.get_or_insert(failure);
                }
            }
            if file.size < WORTH_SEVERAL && !clients.is_empty() {
                break;
            }
        }
        if let (true, Some(failure)) = (clients.is_empty(), unreachable) {
            return Err(failure);
        }
        let (all, changes) = (&mut self.all, &mut self.changes);
        let failed = |number: usize, error: &CallError| {
            let source = &mut all[of[number]];
            source.clients.clear();
            if !std::mem::replace(&mut source.is_left, true) {
                let others: Vec<_> = all.iter().filter(|it| !it.is_left).collect();
                let others: Vec<_> = others.iter().map(|it| it.door.address.as_str()).collect();
                if !others.is_empty() {
                    *changes += 1;
                    warn(format_args!("{error}; going on with {}", others.join(", ")));
                }
            }
        };
        let fetched = Client::fetch_from(&clients, file, target, moved, failed).await;
        fetched.map_err(|error| Failure::from(error).about(&file.path))
    }

    /// Says goodbye to all.
    pub(super) async fn close(self) {
        for client in self.all.into_iter().flat_map(|source| source.clients) {
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
