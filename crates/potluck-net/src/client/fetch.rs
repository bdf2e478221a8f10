//! `fetch`: a file, or what is missing of it.
//!
//! ```text
//! begin ─► Coming: missing ─► what never was there comes ─► finish ─► the file
//!             ▲      what was there is looked at meanwhile    │
//!             └────────────── some of it is damaged ──────────┘
//! ```

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use potluck_core::FileEntry;
use potluck_wire::Ranges;
use potluck_wire::session::client::{FetchCall, Step};
use tokio::task::spawn_blocking;

use super::{CallError, Client, Transfer, joined};
use crate::blob::{self, Partial, ReceiveError, Share};
use crate::bridge;
use crate::stream::Pace;
use crate::telling::{Passed, watched};
use crate::transport::IDLE;

pub(super) async fn fetch(
    client: &Client,
    file: &FileEntry,
    target: &Path,
    progress: impl FnMut(Transfer) + Send,
) -> Result<(), CallError> {
    let mut begun = begin(file, target, progress).await?;
    while let Some(mut coming) = begun {
        let missing = coming.missing();
        if !missing.is_empty() {
            let (share, passed) = (coming.share(), Passed::default());
            let receiving = receive(client, (file, target), missing, share, &passed, |_| ());
            watched(receiving, &passed, |verified| coming.tell(verified)).await?;
        }
        begun = coming.finish().await?;
    }
    Ok(())
}

/// A file that is coming in, and who is told of it.
pub(super) struct Coming<P> {
    target: PathBuf,
    partial: Partial,
    progress: P,
    told: Transfer,
    /// What counted as there before what comes now.
    there: u64,
}

/// What is there of the file; nothing where `target` is it. A long file is not read for that: see [`Coming::finish`].
pub(super) async fn begin<P: FnMut(Transfer) + Send>(
    file: &FileEntry,
    target: &Path,
    mut progress: P,
) -> Result<Option<Coming<P>>, CallError> {
    let (file, total, target) = (file.clone(), file.size, target.to_owned());
    let looking = spawn_blocking(move || {
        let open = || match is_there(&file, &target)? {
            true => Ok(None),
            false => Partial::early(&target, &file.blake3, file.size).map(Some),
        };
        match open() {
            Ok(partial) => Ok((target, partial)),
            Err(source) => Err(CallError::File { path: target, source }),
        }
    });
    let (target, partial) = joined(looking.await)?;
    let Some(partial) = partial else {
        progress(Transfer { done: total, total, resumed_from: total });
        return Ok(None);
    };
    let there = total.saturating_sub(partial.missing().byte_count());
    let told = Transfer { done: there, total, resumed_from: there };
    let mut coming = Coming { target, partial, progress, told, there };
    coming.tell(0);
    Ok(Some(coming))
}

fn is_there(file: &FileEntry, target: &Path) -> io::Result<bool> {
    match File::open(target) {
        Ok(there) if there.metadata()?.len() == file.size => {
            Ok(blob::root_of(&there)? == file.blake3)
        }
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl<P: FnMut(Transfer) + Send> Coming<P> {
    /// What is to be fetched.
    pub(super) fn missing(&self) -> Ranges {
        self.partial.missing()
    }

    /// A way in for what comes.
    pub(super) fn share(&self) -> Share {
        self.partial.share()
    }

    /// So much of what was missing came.
    pub(super) fn tell(&mut self, verified: u64) {
        self.told.done = self.there.saturating_add(verified).min(self.told.total);
        (self.progress)(self.told);
    }

    /// Gives the file its name; or gives it back, where some of what had been there before turns out to be damaged, and is missing.
    pub(super) async fn finish(self) -> Result<Option<Self>, CallError> {
        let Self { target, mut partial, progress, mut told, .. } = self;
        let finishing = spawn_blocking(move || {
            let mut finish = || {
                partial.settle()?;
                Ok(partial.missing())
            };
            let finished = match finish() {
                Ok(missing) if missing.is_empty() => partial.finish_data(&target).map(|()| None),
                Ok(missing) => Ok(Some((partial, missing))),
                Err(error) => Err(error),
            };
            match finished {
                Ok(left) => Ok((target, left)),
                Err(source) => Err(CallError::File { path: target, source }),
            }
        });
        let (target, left) = joined(finishing.await)?;
        let Some((partial, missing)) = left else { return Ok(None) };
        let damaged = missing.byte_count();
        tracing::warn!(damaged, path = %target.display(), "what had come before is damaged; it is fetched again");
        let there = told.total.saturating_sub(damaged);
        told.resumed_from = told.resumed_from.saturating_sub(damaged);
        let mut coming = Self { target, partial, progress, told, there };
        coming.tell(0);
        Ok(Some(coming))
    }
}

/// Fetches some of a file. `ended` is called on the thread that wrote it, whether all came or not.
pub(super) async fn receive(
    client: &Client,
    (file, target): (&FileEntry, &Path),
    ranges: Ranges,
    share: Share,
    passed: &Passed,
    ended: impl FnOnce(&Share) + Send + 'static,
) -> Result<(), CallError> {
    let (mut call, request) = FetchCall::new(file.blake3, &ranges);
    let mut frames = client.ask(&request).await?;
    let mut reply = client.reply(&mut frames).await?;
    while call.on(reply).map_err(|ended| client.ended(ended))? != Step::Done(()) {
        reply = client.reply(&mut frames).await?;
    }
    let (first, recv) = frames.into_parts();
    let (_leash, mut intake) = bridge::intake(first, recv, Pace::new(IDLE));
    let counted = passed.clone();
    let receiving = spawn_blocking(move || {
        let received = share.receive(&ranges, &mut intake, &mut |group| counted.add(group));
        ended(&share);
        received
    });
    joined(receiving.await).map_err(|error| explain(client, target, error))
}

fn explain(client: &Client, target: &Path, error: ReceiveError) -> CallError {
    match error {
        ReceiveError::Corrupt { .. } => client.violation(&error),
        ReceiveError::Cut(source) => match bridge::reset_code(&source) {
            Some(code) => client.reset(code),
            None if source.kind() == io::ErrorKind::UnexpectedEof => {
                client.violation(&"the content ended before its end")
            }
            None => client.lost(&source),
        },
        ReceiveError::File(source) => CallError::File { path: target.to_owned(), source },
    }
}
