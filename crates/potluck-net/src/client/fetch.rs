//! `fetch`: a file, or what is missing of it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use potluck_core::FileEntry;
use potluck_wire::Ranges;
use potluck_wire::session::client::{FetchCall, Step};
use tokio::task::spawn_blocking;

use super::{CallError, Client, Transfer, joined};
use crate::blob::{self, Partial, ReceiveError};
use crate::bridge;
use crate::stream::Pace;
use crate::telling::{Passed, watched};
use crate::transport::IDLE;

pub(super) async fn fetch(
    client: &Client,
    file: &FileEntry,
    target: &Path,
    mut progress: impl FnMut(Transfer) + Send,
) -> Result<(), CallError> {
    let total = file.size;
    let Some((partial, missing)) = begin(file.clone(), target.to_owned()).await? else {
        progress(Transfer { done: total, total, resumed_from: total });
        return Ok(());
    };
    let resumed_from = total.saturating_sub(missing.byte_count());
    let mut report = |done| progress(Transfer { done, total, resumed_from });
    report(resumed_from);
    let partial = if missing.is_empty() {
        partial
    } else {
        let report = |verified| report(resumed_from.saturating_add(verified));
        receive(client, file, target, partial, missing, report).await?
    };
    let to = target.to_owned();
    let finishing = spawn_blocking(move || partial.finish_data(&to));
    joined(finishing.await).map_err(|source| CallError::File { path: target.to_owned(), source })
}

/// What is missing of the file; `None` where `target` is it.
pub(super) async fn begin(
    file: FileEntry,
    target: PathBuf,
) -> Result<Option<(Partial, Ranges)>, CallError> {
    let looking = spawn_blocking(move || {
        let open = || {
            if is_there(&file, &target)? {
                return Ok(None);
            }
            let partial = Partial::at(&target, &file.blake3, file.size)?;
            let missing = partial.missing();
            Ok(Some((partial, missing)))
        };
        open().map_err(|source| CallError::File { path: target.clone(), source })
    });
    joined(looking.await)
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

async fn receive(
    client: &Client,
    file: &FileEntry,
    target: &Path,
    mut partial: Partial,
    missing: Ranges,
    report: impl FnMut(u64),
) -> Result<Partial, CallError> {
    let (mut call, request) = FetchCall::new(file.blake3, &missing);
    let mut frames = client.ask(&request).await?;
    let mut reply = client.reply(&mut frames).await?;
    while call.on(reply).map_err(|ended| client.ended(ended))? != Step::Done(()) {
        reply = client.reply(&mut frames).await?;
    }
    let (first, recv) = frames.into_parts();
    let (_leash, mut intake) = bridge::intake(first, recv, Pace::new(IDLE));
    let verified = Passed::default();
    let counted = verified.clone();
    let receiving = spawn_blocking(move || {
        let received = partial.receive(&missing, &mut intake, &mut |group| counted.add(group));
        (partial, received)
    });
    let received = watched(receiving, &verified, report).await;
    match joined(received) {
        (partial, Ok(())) => Ok(partial),
        (_, Err(error)) => Err(explain(client, target, error)),
    }
}

pub(super) fn explain(client: &Client, target: &Path, error: ReceiveError) -> CallError {
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
