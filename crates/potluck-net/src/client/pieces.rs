//! Content over several connections: each asks for a piece, brings it, and asks for the next.
//!
//! A connection on a line that loses packets carries what its congestion control lets it; several carry several times as much.
//! Of an upload the server says which piece is next, of a download this side. A piece whose connection broke is somebody
//! else's to bring, less what came of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use potluck_core::{Blake3, Code, Envelope, FileEntry};
use potluck_wire::session::client::{BringCall, Ended, Offered, SendingCall, Step, SubmitCall};
use potluck_wire::{Compared, Ranges, Receipt, Wanted};
use quinn::SendStream;
use tokio::task::JoinSet;

use super::fetch;
use super::submit::{Source, blame, compare, hash, send_all, transfer};
use super::{CallError, Client, Content, Transfer, joined};
use crate::blob::Share;
use crate::bridge;
use crate::pieces::Pieces;
use crate::stream::Frames;
use crate::telling::{Passed, watched};

type Sources = Arc<BTreeMap<Blake3, Source>>;

pub(super) async fn submit(
    client: &Client,
    others: &[Client],
    envelope: &Envelope,
    content: &[Content],
    mut progress: impl FnMut(Transfer) + Send,
) -> Result<Receipt, CallError> {
    let sources: Sources = Arc::new(hash(content.to_vec()).await?);
    let files: Vec<_> = content.iter().map(|content| content.file.clone()).collect();
    let (call, request) = SubmitCall::in_pieces(envelope, files.clone());
    let (mut send, mut frames) = client.open(&request).await?;
    let (wanted, call) = match offer(client, (&mut send, &mut frames), call, &sources).await {
        Ok(Begun::Wanted(wanted, call)) => (wanted, call),
        Ok(Begun::Recorded(receipt)) => return Ok(receipt),
        Err(CallError::Refused(refusal)) if refusal.code == Code::ProtocolError => {
            // A server from before there were pieces does not know this request.
            return client.submit(envelope, content, progress).await;
        }
        Err(error) => return Err(error),
    };
    // Nothing comes on this stream; one that the server stopped needs no end.
    let _ = send.finish();
    let sizes: BTreeMap<_, _> = files.iter().map(|file| (file.blake3, file.size)).collect();
    let total: u64 = sizes.values().copied().fold(0, u64::saturating_add);
    let lacking = wanted.iter().map(|it| it.ranges.byte_count()).fold(0, u64::saturating_add);
    let resumed_from = total.saturating_sub(lacking);
    let mut report = |done| progress(Transfer { done, total, resumed_from });
    report(resumed_from);
    let passed = Passed::default();
    let bring = |client: Client| {
        let (envelope, files) = (envelope.clone(), files.clone());
        bring_all(client, envelope, files, Arc::clone(&sources), passed.clone())
    };
    let mut bringing = JoinSet::new();
    for client in std::iter::once(client).chain(others) {
        bringing.spawn(bring(client.clone()));
    }
    let bringing = until_answered(client, bringing, answer(client, &mut frames, call));
    let sent = |bytes: u64| report(resumed_from.saturating_add(bytes).min(total));
    match watched(bringing, &passed, sent).await {
        Err(CallError::Refused(refusal)) if refusal.code == Code::ContentCorrupt => {
            Err(blame(sources, refusal).await)
        }
        submitted => submitted,
    }
}

enum Begun {
    Recorded(Receipt),
    Wanted(Vec<Wanted>, SendingCall),
}

/// What the server lacks, after it compared.
async fn offer(
    client: &Client,
    (send, frames): (&mut SendStream, &mut Frames),
    mut call: SubmitCall,
    sources: &Sources,
) -> Result<Begun, CallError> {
    let tree = |blob: &Compared| Some(sources.get(&blob.blake3)?.hashed.outboard().clone());
    loop {
        let reply = client.reply(frames).await?;
        match call.on(reply).map_err(|ended| client.ended(ended))? {
            Step::Done(Offered::Recorded(receipt)) => return Ok(Begun::Recorded(receipt)),
            Step::Done(Offered::Wanted(wanted)) => {
                return Ok(Begun::Wanted(wanted, call.sending()));
            }
            Step::Done(Offered::Compare(blobs)) => {
                // The call refused an offer that compares what was not announced.
                let trees = blobs.iter().filter_map(tree).collect();
                let (wanted, call) =
                    compare(client, (send, frames), trees, call.compared()).await?;
                return Ok(Begun::Wanted(wanted, call));
            }
            Step::More | Step::Progress(..) => (),
        }
    }
}

async fn answer(
    client: &Client,
    frames: &mut Frames,
    mut call: SendingCall,
) -> Result<Receipt, CallError> {
    loop {
        let reply = client.reply(frames).await?;
        if let Step::Done(receipt) = call.on(reply).map_err(|ended| client.ended(ended))? {
            return Ok(receipt);
        }
    }
}

/// Waits for the answer, for as long as anybody brings pieces or all have come.
async fn until_answered(
    client: &Client,
    mut bringing: JoinSet<Result<(), CallError>>,
    answer: impl Future<Output = Result<Receipt, CallError>>,
) -> Result<Receipt, CallError> {
    let (mut answer, mut first, mut all_came) = (pin!(answer), None, false);
    loop {
        let ended = tokio::select! {
            // Whoever still brings a piece is ended with the set.
            answered = &mut answer => return answered,
            // Dropped without loss: an ended task stays in the set.
            Some(ended) = bringing.join_next() => joined(ended),
        };
        match ended {
            Ok(()) => all_came = true,
            Err(error) => {
                tracing::info!(%error, "a connection brings no more");
                // What the server says outweighs a connection that broke before.
                if first.is_none() || matches!(error, CallError::Refused(_)) {
                    first = Some(error);
                }
            }
        }
        if bringing.is_empty() && !all_came {
            return first.map_or_else(|| Err(client.violation(&"nothing was asked for")), Err);
        }
    }
}

/// Brings one piece after the other, until all came.
async fn bring_all(
    client: Client,
    envelope: Envelope,
    files: Vec<FileEntry>,
    sources: Sources,
    passed: Passed,
) -> Result<(), CallError> {
    loop {
        let (mut call, request) = BringCall::new(&envelope, files.clone());
        let (send, mut frames) = client.open(&request).await?;
        let wanted = loop {
            let reply = client.reply(&mut frames).await?;
            match call.on(reply) {
                Ok(Step::Done(wanted)) => break wanted,
                Ok(Step::More | Step::Progress(..)) => (),
                // The upload was over before this was asked.
                Err(Ended::Refused(refusal)) if refusal.code == Code::NotFound => return Ok(()),
                Err(ended) => return Err(client.ended(ended)),
            }
        };
        if wanted.is_empty() {
            return Ok(());
        }
        let mut call = call.sending();
        let brought = async {
            loop {
                let reply = client.reply(&mut frames).await?;
                if let Step::Done(()) = call.on(reply).map_err(|ended| client.ended(ended))? {
                    return Ok(());
                }
            }
        };
        let sources = Arc::clone(&sources);
        let encode = move |outlet: &mut bridge::Outlet| send_all(&sources, &wanted, outlet);
        transfer(&client, send, encode, (passed.clone(), |_| ()), brought).await?;
    }
}

pub(super) async fn fetch(
    clients: &[Client],
    file: &FileEntry,
    target: &Path,
    progress: impl FnMut(Transfer) + Send,
    mut failed: impl FnMut(usize, &CallError) + Send,
) -> Result<(), CallError> {
    let mut begun = fetch::begin(file, target, progress).await?;
    while let Some(mut coming) = begun {
        let (pieces, passed) = (Pieces::of([&coming.missing()]), Passed::default());
        let mut fetching = JoinSet::new();
        for (number, client) in clients.iter().cloned().enumerate() {
            let (file, target, share) = (file.clone(), target.to_owned(), coming.share());
            let (pieces, passed) = (Arc::clone(&pieces), passed.clone());
            fetching.spawn(async move {
                let fetched = fetch_all(&client, (&file, &target), &pieces, &share, &passed).await;
                (number, fetched)
            });
        }
        let fetching = until_fetched(fetching, &pieces, &mut failed);
        watched(fetching, &passed, |bytes| coming.tell(bytes)).await?;
        begun = coming.finish().await?;
    }
    Ok(())
}

/// Waits until all came, or nobody fetches any more.
async fn until_fetched(
    mut fetching: JoinSet<(usize, Result<(), CallError>)>,
    pieces: &Pieces,
    mut failed: impl FnMut(usize, &CallError),
) -> Result<(), CallError> {
    let mut first = None;
    while let Some(ended) = fetching.join_next().await {
        let (number, fetched) = joined(ended);
        if let Err(error) = fetched {
            failed(number, &error);
            first.get_or_insert(error);
        }
    }
    if pieces.is_done() { Ok(()) } else { first.map_or(Ok(()), Err) }
}

/// Fetches one piece after the other, until all came.
async fn fetch_all(
    client: &Client,
    at: (&FileEntry, &Path),
    pieces: &Arc<Pieces>,
    share: &Share,
    passed: &Passed,
) -> Result<(), CallError> {
    while let Some(piece) = pieces.next().await {
        let span = [piece.span.start, piece.span.end];
        let ranges = Ranges::new(at.0.size, &[span]).expect("a piece is of whole groups");
        let ended = move |share: &Share| piece.end(&share.missing());
        fetch::receive(client, at, ranges, share.clone(), passed, ended).await?;
    }
    Ok(())
}
