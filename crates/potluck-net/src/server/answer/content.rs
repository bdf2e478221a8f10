//! Answers that move content: uploads into the service, downloads out of the store.

use std::io::{self, Read, Write as _};
use std::pin::pin;
use std::sync::Arc;

use potluck_core::{Blake3, Code, Envelope, PublicKey, Refusal, Sha256};
use potluck_wire::message::Reply;
use potluck_wire::session::server::{AwaitContent, AwaitOffer, AwaitPiece};
use potluck_wire::{ABANDONED, STORED_CONTENT_CORRUPT, TOO_SLOW};
use quinn::Connection;
use tokio::time::sleep;

use super::super::Shared;
use super::super::pool::{Lane, Place};
use super::super::sharing::{Open, Placed, Sharings};
use super::super::turns::Taken;
use super::work::{BEAT, Steps, attend};
use super::{Exchange, Fault, Told};
use crate::blob::disk::System;
use crate::blob::{self, SendError};
use crate::bridge::{self, Halt, Intake, Leash};
use crate::service::{Offer, Upload};
use crate::stream::Frames;
use crate::telling::Passed;

/// offer → [hashes →] content → verification → receipt. `taken` is held to the end, so that nobody else writes the same
/// files; the place in the lane bounds the threads that wait for peers.
pub(super) async fn submit(
    shared: &Arc<Shared>,
    (peer, connection): (PublicKey, &Connection),
    exchange: &mut Exchange,
    frames: Frames,
    envelope: &Envelope,
    state: AwaitOffer,
) -> Result<(), Fault> {
    let taken = shared.turns.take(&peer, envelope.sha256()).await.ok_or(Fault::Superseded)?;
    let place = shared.pool.enter(Lane::Upload, &peer).await?;
    let (service, envelope, id) =
        (Arc::clone(&shared.service), envelope.clone(), envelope.sha256());
    let looking = place.run(move || service.submit(&peer, &envelope));
    let progress = |done, total| state.progress(done, total);
    let listener = Told { exchange, progress };
    let (place, offer) = attend(looking, &Steps::default(), listener).await;
    let upload = match (offer?, place) {
        (Offer::Recorded(receipt), _) => return exchange.reply(&state.recorded(receipt)).await,
        (Offer::Wanted(upload), Some(place)) => (upload, place),
        (Offer::Wanted(_), None) => return Err(no_place().into()),
    };
    let _room = shared.room.take(connection);
    let (first, recv) = frames.into_parts();
    let (leash, intake) = bridge::intake(first, recv, shared.pace(&peer));
    let content = Content {
        intake: intake.in_turn(shared.shares.seat(&peer)),
        leash: Some(leash),
        taken: &taken,
    };
    let in_pieces = state.is_in_pieces().then_some((&shared.sharings, peer, id));
    receive(exchange, content, upload, state, in_pieces).await
}

/// A place is lost only where work panicked, and then there is no offer.
fn no_place() -> Refusal {
    Refusal::new(Code::Internal, "the aggregator failed at this; its log says more")
}

/// What the peer sends, and by which it is held.
struct Content<'a> {
    intake: Intake,
    leash: Option<Leash>,
    taken: &'a Taken,
}

/// Waits for work that reads content. A newer upload of the same envelope breaks its stream off.
async fn reading<T>(work: impl Future<Output = T>, leash: &mut Option<Leash>, taken: &Taken) -> T {
    let mut work = pin!(work);
    tokio::select! {
        // The rest of the stream was dropped with its reader, and so stopped.
        read = &mut work => read,
        // Dropped without loss: it only waits.
        () = taken.superseded() => {
            tracing::info!("superseded by a newer upload");
            // Its reader then sees that the stream broke off.
            drop(leash.take());
            work.await
        }
    }
}

/// [hashes →] wanted → content → verification → receipt.
async fn receive(
    exchange: &mut Exchange,
    Content { intake, mut leash, taken }: Content<'_>,
    (upload, place): (Box<dyn Upload>, Place),
    state: AwaitOffer,
    in_pieces: Option<(&Sharings, PublicKey, Sha256)>,
) -> Result<(), Fault> {
    let comparable = upload.comparable();
    let asked = if comparable.is_empty() { Err(state) } else { state.compare(comparable) };
    let ((state, reply), wanted, (intake, upload, place)) = match asked {
        Err(state) => {
            let wanted = upload.wanted();
            (state.wanted(&wanted), wanted, (intake, upload, place))
        }
        Ok((state, reply)) => {
            exchange.reply(&reply).await?;
            let (mut upload, mut intake) = (upload, intake);
            let comparing = place.run(move || {
                upload.compare(&mut intake)?;
                Ok((intake, upload))
            });
            let (place, compared) = {
                let progress = |done, total| state.progress(done, total);
                let listener = Told { exchange, progress };
                let steps = Steps::default();
                reading(attend(comparing, &steps, listener), &mut leash, taken).await
            };
            let (intake, upload) = compared?;
            let wanted = upload.wanted();
            (state.wanted(&wanted), wanted, (intake, upload, place.ok_or_else(no_place)?))
        }
    };
    let steps = Steps::default();
    let total = wanted.iter().map(|wanted| wanted.ranges.byte_count());
    let total = total.fold(0, u64::saturating_add);
    steps.set(0, total);
    let (upload, place) = match in_pieces {
        None => {
            exchange.reply(&reply).await?;
            (upload, place)
        }
        Some((sharings, peer, id)) => {
            // Before the peer hears of it, and brings pieces.
            let open = sharings.open(&peer, id, (upload, place), &wanted).ok_or_else(|| {
                Refusal::new(Code::ProtocolError, "this content cannot come in pieces")
            })?;
            exchange.reply(&reply).await?;
            let progress = |done, total| state.progress(done, total);
            brought(open, (&steps, total), Told { exchange, progress }, taken).await?
        }
    };
    let mut content = Counted { content: intake, steps: steps.clone() };
    let receiving = place.run(move || upload.receive(&mut content));
    let (_, receipt) = {
        let progress = |done, total| state.progress(done, total);
        let listener = Told { exchange, progress };
        reading(attend(receiving, &steps, listener), &mut leash, taken).await
    };
    exchange.reply(&state.recorded(receipt?)).await
}

/// Waits until all of an upload came in pieces.
async fn brought<F: Fn(u64, u64) -> Reply + Send>(
    open: Open,
    (steps, total): (&Steps, u64),
    listener: Told<'_, F>,
    taken: &Taken,
) -> Result<Placed, Fault> {
    let idle = listener.exchange.idle;
    let came = async {
        let counted = async {
            loop {
                sleep(BEAT).await;
                steps.set(total.saturating_sub(open.lacking()), total);
            }
        };
        tokio::select! {
            came = open.complete(idle) => came,
            // It never completes.
            () = counted => Ok(()),
        }
    };
    let came = tokio::select! {
        came = attend(came, steps, listener) => came.map_err(Fault::from),
        // Dropped without loss: it only waits.
        () = taken.superseded() => Err(Fault::Superseded),
    };
    // However it went: the turn is given on once nobody writes the files any more.
    let upload = open.end().await;
    came?;
    Ok(upload.ok_or_else(no_place)?)
}

/// a piece → its content → that it is here.
pub(super) async fn bring(
    shared: &Arc<Shared>,
    (peer, connection): (PublicKey, &Connection),
    exchange: &mut Exchange,
    frames: Frames,
    envelope: Sha256,
    state: AwaitPiece,
) -> Result<(), Fault> {
    let sharing = shared.sharings.find(&peer, envelope).ok_or_else(|| {
        Refusal::new(Code::NotFound, "no upload of this envelope in pieces is under way")
    })?;
    let place = shared.pool.enter(Lane::Piece, &peer).await?;
    let next = {
        let progress = |done, total| state.progress(done, total);
        attend(sharing.next(), &Steps::default(), Told { exchange, progress }).await
    };
    let Some((piece, wanted)) = next else {
        let (_, reply) = state.wanted(&[]);
        return exchange.reply(&reply).await;
    };
    let (state, reply) = state.wanted(std::slice::from_ref(&wanted));
    exchange.reply(&reply).await?;
    let _room = shared.room.take(connection);
    let (first, recv) = frames.into_parts();
    let (leash, intake) = bridge::intake(first, recv, shared.pace(&peer));
    let steps = Steps::default();
    steps.set(0, wanted.ranges.byte_count());
    let intake = intake.in_turn(shared.shares.seat(&peer));
    let mut content = Counted { content: intake, steps: steps.clone() };
    let taking = Arc::clone(&sharing);
    let receiving = place.run(move || taking.receive(piece, &wanted, &mut content));
    let (_, received) = {
        let progress = |done, total| state.progress(done, total);
        let mut receiving = pin!(attend(receiving, &steps, Told { exchange, progress }));
        tokio::select! {
            received = &mut receiving => received,
            // Dropped without loss: it only waits.
            () = sharing.closed() => {
                // Its reader then sees that the stream broke off.
                drop(leash);
                receiving.await
            }
        }
    };
    received?;
    exchange.reply(&state.brought()).await
}

/// Counts what is read.
struct Counted<R> {
    content: R,
    steps: Steps,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        // A buffer's length fits in a u64 wherever this runs.
        self.steps.add(count as u64);
        Ok(count)
    }
}

/// found → the verified stream of the ranges.
pub(super) async fn fetch(
    shared: &Arc<Shared>,
    peer: PublicKey,
    exchange: &mut Exchange,
    blake3: Blake3,
    state: AwaitContent,
) -> Result<(), Fault> {
    let place = shared.pool.enter(Lane::Download, &peer).await?;
    let service = Arc::clone(&shared.service);
    let look_up = move || service.fetch(&peer, &blake3);
    let stored = shared.pool.run(Lane::Reading, &peer, look_up).await?;
    let (ranges, reply) = state.found(stored.size)?;
    exchange.reply(&reply).await?;

    let Some(send) = exchange.send.take() else { return Err(Fault::Reset("the stream is gone")) };
    let (_leash, mut outlet) = bridge::outlet(send, shared.pace(&peer), Passed::default());
    let sending = place.run(move || {
        let files = (stored.data.as_path(), stored.outboard.as_path());
        let sent = blob::send_into(&System, files, &blake3, &ranges, &mut outlet);
        let sent = sent.and_then(|()| outlet.flush().map_err(|_| SendError::Gone));
        Ok((sent, outlet.end()))
    });
    let (_, sent) = sending.await;
    let (sent, (send, halt)) = sent?;
    exchange.send = send;
    match (halt, sent) {
        (None, Ok(())) | (Some(Halt::Stopped), _) => Ok(()),
        (Some(Halt::Failed(reason)), _) => {
            exchange.reset(TOO_SLOW);
            Err(reason.into())
        }
        (None, Err(SendError::Corrupt { offset })) => {
            tracing::error!(blob = blake3.short(), offset, "stored content is corrupt");
            exchange.reset(STORED_CONTENT_CORRUPT);
            Err(Fault::Reset("stored content is corrupt"))
        }
        (_, sent) => {
            tracing::error!(blob = blake3.short(), ?sent, "stored content was not sent");
            exchange.reset(ABANDONED);
            Err(Fault::Reset("stored content cannot be read"))
        }
    }
}
