//! `submit`: an envelope, and what the server lacks of its content.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use potluck_core::{Blake3, Code, Envelope, FileEntry, Refusal};
use potluck_wire::session::client::{ComparedCall, Ended, Offered, SendingCall, Step, SubmitCall};
use potluck_wire::{ABANDONED, Compared, Receipt, Request, Wanted};
use quinn::{SendStream, VarInt, WriteError};
use tokio::task::spawn_blocking;

use super::{CallError, Client, Content, Transfer, joined};
use crate::blob::{Hashed, SendError};
use crate::bridge::{self, Halt, Outlet};
use crate::stream::{Frames, Pace, SendFailed, write};
use crate::telling::{Passed, watched};
use crate::transport::IDLE;

pub(super) async fn submit(
    client: &Client,
    envelope: &Envelope,
    content: &[Content],
    mut progress: impl FnMut(Transfer) + Send,
) -> Result<Receipt, CallError> {
    // Before anything is asked: the server would not wait for us to read some hundred gigabytes.
    let sources = Arc::new(hash(content.to_vec()).await?);
    let files: Vec<_> = content.iter().map(|content| content.file.clone()).collect();
    let encode = || {
        let sending = Arc::clone(&sources);
        move |wanted: Vec<Wanted>, outlet: &mut Outlet| send_all(&sending, &wanted, outlet)
    };
    let (call, request) = SubmitCall::comparing(envelope, files.clone());
    let known = |blob: &Compared| sources.get(&blob.blake3).map(|it| it.hashed.outboard().clone());
    let mut submitted =
        exchange(client, (call, &request), known, &files, &mut progress, encode()).await;
    if let Err(Told::AtOnce(Refusal { code: Code::ProtocolError, .. })) = submitted {
        // A server from before trees were compared does not know this request; the one that it knows is the same without.
        let (call, request) = SubmitCall::new(envelope, files.clone());
        submitted =
            exchange(client, (call, &request), known, &files, &mut progress, encode()).await;
    }
    match submitted.map_err(Told::into_error) {
        Err(CallError::Refused(refusal)) if refusal.code == Code::ContentCorrupt => {
            Err(blame(sources, refusal).await)
        }
        submitted => submitted,
    }
}

/// What the server refused as other bytes than those of the digest: a file of ours that changed meanwhile, or damage on
/// the way.
pub(super) async fn blame(sources: Arc<BTreeMap<Blake3, Source>>, refusal: Refusal) -> CallError {
    let checking = spawn_blocking(move || {
        let changed =
            |source: &Source| Some(unsendable(source.path.clone(), source.hashed.check().err()?));
        sources.values().find_map(changed)
    });
    joined(checking.await).unwrap_or(CallError::Refused(refusal))
}

/// As [`submit`], where `encode` writes the verified streams of what is wanted, and nothing is compared.
pub(super) async fn submit_encoded(
    client: &Client,
    envelope: &Envelope,
    files: Vec<FileEntry>,
    progress: impl FnMut(Transfer) + Send,
    encode: impl FnOnce(Vec<Wanted>, &mut Outlet) -> Result<(), (PathBuf, SendError)> + Send + 'static,
) -> Result<Receipt, CallError> {
    let (call, request) = SubmitCall::new(envelope, files.clone());
    let submitted = exchange(client, (call, &request), |_| None, &files, progress, encode).await;
    submitted.map_err(Told::into_error)
}

/// How a submission failed.
enum Told {
    /// By a refusal, before anything was asked for.
    AtOnce(Refusal),
    /// By anything else.
    Later(CallError),
}

impl Told {
    fn into_error(self) -> CallError {
        match self {
            Self::AtOnce(refusal) => CallError::Refused(refusal),
            Self::Later(error) => error,
        }
    }
}

impl From<CallError> for Told {
    fn from(error: CallError) -> Self {
        Self::Later(error)
    }
}

/// Says it, sends the trees of hashes that are asked for, and what is wanted then.
async fn exchange(
    client: &Client,
    (mut call, request): (SubmitCall, &Request),
    tree: impl Fn(&Compared) -> Option<Arc<[u8]>>,
    files: &[FileEntry],
    mut progress: impl FnMut(Transfer) + Send,
    encode: impl FnOnce(Vec<Wanted>, &mut Outlet) -> Result<(), (PathBuf, SendError)> + Send + 'static,
) -> Result<Receipt, Told> {
    let contents: BTreeMap<_, _> = files.iter().map(|file| (file.blake3, file.size)).collect();
    let total: u64 = contents.values().copied().fold(0, u64::saturating_add);
    let (mut send, mut frames) = client.open(request).await?;
    let (wanted, mut call) = loop {
        let reply = client.reply(&mut frames).await?;
        match call.on(reply) {
            Ok(Step::Done(Offered::Recorded(receipt))) => return Ok(receipt),
            Ok(Step::Done(Offered::Wanted(wanted))) => break (wanted, call.sending()),
            Ok(Step::Done(Offered::Compare(blobs))) => {
                // The call refused an offer that compares what was not announced.
                let trees = blobs.iter().filter_map(&tree).collect();
                break compare(client, (&mut send, &mut frames), trees, call.compared()).await?;
            }
            Ok(Step::More | Step::Progress(..)) => (),
            Err(Ended::Refused(refusal)) => return Err(Told::AtOnce(refusal)),
            Err(ended) => return Err(client.ended(ended).into()),
        }
    };
    let lacking =
        wanted.iter().map(|wanted| wanted.ranges.byte_count()).fold(0, u64::saturating_add);
    let resumed_from = total.saturating_sub(lacking);
    progress(Transfer { done: resumed_from, total, resumed_from });
    let sent = |bytes: u64| {
        // The stream holds hashes too, 0.1 %: close enough for people, and never more than all.
        let done = resumed_from.saturating_add(bytes).min(total);
        progress(Transfer { done, total, resumed_from });
    };
    let answer = async {
        loop {
            let reply = client.reply(&mut frames).await?;
            if let Step::Done(receipt) = call.on(reply).map_err(|ended| client.ended(ended))? {
                return Ok(receipt);
            }
        }
    };
    let encode = move |outlet: &mut Outlet| encode(wanted, outlet);
    Ok(transfer(client, send, encode, (Passed::default(), sent), answer).await?)
}

/// What of a tree is handed over at once.
const PIECE: usize = 64 << 10;

/// Sends trees of hashes, and learns what is wanted.
pub(super) async fn compare(
    client: &Client,
    (send, frames): (&mut SendStream, &mut Frames),
    trees: Vec<Arc<[u8]>>,
    mut call: ComparedCall,
) -> Result<(Vec<Wanted>, SendingCall), CallError> {
    let sending = async {
        let mut pace = Pace::new(IDLE);
        for mut left in trees.into_iter().map(Bytes::from_owner) {
            while !left.is_empty() {
                write(send, &mut pace, left.split_to(left.len().min(PIECE))).await?;
            }
        }
        Ok::<_, SendFailed>(())
    };
    let answer = async {
        loop {
            let reply = client.reply(frames).await?;
            if let Step::Done(wanted) = call.on(reply).map_err(|ended| client.ended(ended))? {
                return Ok((wanted, call.sending()));
            }
        }
    };
    let mut answer = pin!(answer);
    tokio::select! {
        // An answer that comes before the trees are through is a refusal, and the rest is of no use.
        answered = &mut answer => answered,
        // Dropped with the stream, where the answer came first.
        sent = sending => match sent {
            // A stream that the server stopped: its answer says why.
            Ok(()) | Err(SendFailed::Write(WriteError::Stopped(_))) => answer.await,
            Err(error) => Err(client.lost(&error)),
        },
    }
}

/// A file that can be sent.
pub(super) struct Source {
    path: PathBuf,
    pub(super) hashed: Hashed,
}

/// Computes the hashes of all files, each content once.
pub(super) async fn hash(content: Vec<Content>) -> Result<BTreeMap<Blake3, Source>, CallError> {
    let hashing = spawn_blocking(move || {
        let mut sources = BTreeMap::new();
        for Content { file, path, outboard } in content {
            let known = outboard.map(|known| Hashed::known(&path, &file.blake3, file.size, known));
            let hashed = match known {
                Some(Ok(hashed)) => Ok(hashed),
                _ => Hashed::new(&path, &file.blake3, file.size),
            };
            match hashed {
                Ok(hashed) => sources.insert(file.blake3, Source { path, hashed }),
                Err(error) => return Err(unsendable(path, error)),
            };
        }
        Ok(sources)
    });
    joined(hashing.await)
}

fn unsendable(path: PathBuf, error: SendError) -> CallError {
    let source = match error {
        SendError::File(source) => source,
        changed => io::Error::new(io::ErrorKind::InvalidData, changed),
    };
    CallError::File { path, source }
}

/// Sends the content and waits for the answer, which may come before the content is through: then it is a
/// refusal, and the rest is of no use. What is sent is counted beside what `passed` before.
pub(super) async fn transfer<T>(
    client: &Client,
    send: SendStream,
    encode: impl FnOnce(&mut Outlet) -> Result<(), (PathBuf, SendError)> + Send + 'static,
    (passed, sent): (Passed, impl FnMut(u64)),
    answer: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let (leash, mut outlet) = bridge::outlet(send, Pace::new(IDLE), passed.clone());
    let sending = spawn_blocking(move || {
        let written = encode(&mut outlet);
        (written, outlet.end())
    });
    let mut answer = pin!(answer);
    let mut sending = pin!(watched(sending, &passed, sent));
    let (written, (send, halt)) = tokio::select! {
        // Polled again below.
        answered = &mut answer => {
            drop(leash);
            // What it wrote is of no use any more.
            let _ = joined(sending.await);
            return answered;
        }
        sent = &mut sending => joined(sent),
    };
    match (halt, written, send) {
        (None, Ok(()), Some(mut send)) => {
            // A stream that the server stopped needs no end; its answer says why.
            let _ = send.finish();
            answer.await
        }
        (None, Err((path, error)), Some(mut send)) => {
            // It was reset by nobody yet, so that this cannot fail.
            let _ = send.reset(VarInt::from_u32(ABANDONED));
            Err(unsendable(path, error))
        }
        (Some(Halt::Failed(error)), ..) => Err(client.lost(&error)),
        // The server wants no more: it has answered, or does so now.
        _ => answer.await,
    }
}

pub(super) fn send_all(
    sources: &BTreeMap<Blake3, Source>,
    wanted: &[Wanted],
    outlet: &mut Outlet,
) -> Result<(), (PathBuf, SendError)> {
    // The call refused an offer that wants what was not announced.
    let announced = |wanted: &Wanted| Some((sources.get(&wanted.blake3)?, wanted.ranges.clone()));
    for (source, ranges) in wanted.iter().filter_map(announced) {
        if let Err(error) = source.hashed.send_into(&ranges, outlet) {
            return Err((source.path.clone(), error));
        }
    }
    outlet.flush().map_err(|_| (PathBuf::new(), SendError::Gone))
}
