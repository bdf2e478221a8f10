//! One stream: a request and its answer.

mod content;
mod work;

use std::sync::Arc;
use std::time::Duration;

use potluck_core::{Code, PublicKey, Refusal};
use potluck_wire::frame::MAX_REQUEST;
use potluck_wire::message::Reply;
use potluck_wire::session::server::{self as session, Asked};
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::time::timeout;

use super::Shared;
use super::pool::Lane;
use crate::stream::{Frames, FramesError, Pace, SendFailed, write};
use work::{Steps, Tell, attend};

/// How long the last bytes of an answer may take to be acknowledged, before the stream is forgotten.
const DELIVERY: Duration = Duration::from_secs(5);

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// It is refused, and the peer is told.
    #[error("{}", .0.code)]
    Refused(#[from] Refusal),
    /// The peer is gone, or too slow: nobody is told.
    #[error(transparent)]
    Gone(#[from] SendFailed),
    /// The peer's request broke off.
    #[error(transparent)]
    Unread(FramesError),
    /// The peer sends the same upload again on another stream.
    #[error("superseded by a newer upload of the same envelope")]
    Superseded,
    /// The content's stream was reset: the code says why.
    #[error("the content was not sent: {0}")]
    Reset(&'static str),
}

impl From<FramesError> for Fault {
    fn from(error: FramesError) -> Self {
        match error {
            FramesError::Frame(error) => {
                Self::Refused(Refusal::new(Code::ProtocolError, error.to_string()))
            }
            FramesError::TooSlow(slow) => {
                Self::Refused(Refusal::new(Code::TooSlow, format!("no request came: {slow}")))
            }
            other => Self::Unread(other),
        }
    }
}

/// The server's half of the stream.
struct Exchange {
    /// Nothing while content is sent on it; nothing for good where that panicked, and the stream is reset.
    send: Option<SendStream>,
    idle: Duration,
}

impl Exchange {
    async fn reply(&mut self, reply: &Reply) -> Result<(), Fault> {
        let frame = reply.to_frame().map_err(|error| {
            tracing::error!(%error, reply = reply.name(), "a reply is too long to send");
            Refusal::new(Code::Internal, "the answer is too long to be sent")
        })?;
        let send = self.send.as_mut().ok_or(Fault::Reset("the stream is gone"))?;
        Ok(write(send, &mut Pace::new(self.idle), frame).await?)
    }

    fn reset(&mut self, code: u32) {
        if let Some(send) = &mut self.send {
            // A stream that ended already needs no reset.
            let _ = send.reset(VarInt::from_u32(code));
        }
    }

    /// Ends the answer, and waits a while until the peer has it.
    async fn finish(&mut self) {
        let Some(send) = &mut self.send else { return };
        // A stream that was reset is finished enough; a peer that does not acknowledge has gone.
        let _ = send.finish();
        let _ = timeout(DELIVERY, send.stopped()).await;
    }
}

/// Tells the peer of progress, in the words of the session's state.
struct Told<'a, F> {
    exchange: &'a mut Exchange,
    progress: F,
}

impl<F: Fn(u64, u64) -> Reply + Send> Tell for Told<'_, F> {
    async fn tell(&mut self, done: u64, total: u64) -> Result<(), Fault> {
        let reply = (self.progress)(done, total);
        self.exchange.reply(&reply).await
    }
}

/// Answers the request on a stream.
pub(super) async fn serve(
    shared: Arc<Shared>,
    (peer, connection): (PublicKey, Connection),
    send: SendStream,
    recv: RecvStream,
) {
    let idle = shared.limits.idle;
    let mut exchange = Exchange { send: Some(send), idle };
    let mut frames = Frames::new(recv, idle);
    let answered = match read(&mut frames).await {
        Ok(asked) => answer(&shared, (peer, &connection), &mut exchange, frames, asked).await,
        Err(fault) => Err(fault),
    };
    if let Err(fault) = answered {
        tracing::info!(reason = %fault, "not answered");
        if let Fault::Refused(refusal) = fault {
            // If this does not reach the peer, it is gone.
            let _ = exchange.reply(&Reply::Refused(refusal)).await;
        }
    }
    exchange.finish().await;
}

/// Answers a stream that is one too many, without reading its request.
pub(super) async fn turn_away(send: SendStream, idle: Duration, refusal: Refusal) {
    tracing::info!(reason = %refusal.sentence, "not answered");
    let mut exchange = Exchange { send: Some(send), idle };
    // If this does not reach the peer, it is gone.
    let _ = exchange.reply(&Reply::Refused(refusal)).await;
    exchange.finish().await;
}

async fn read(frames: &mut Frames) -> Result<Asked, Fault> {
    let body = frames.next(MAX_REQUEST).await?;
    if !frames.is_drained() {
        let sentence = "nothing may follow a request before it is answered";
        return Err(Refusal::new(Code::ProtocolError, sentence).into());
    }
    Ok(session::accept(&body)?)
}

async fn answer(
    shared: &Arc<Shared>,
    (peer, connection): (PublicKey, &Connection),
    exchange: &mut Exchange,
    frames: Frames,
    asked: Asked,
) -> Result<(), Fault> {
    let service = Arc::clone(&shared.service);
    tracing::Span::current().record("asked", name(&asked));
    match asked {
        Asked::Ledger(from, state) => {
            let page = shared.pool.run(Lane::Reading, &peer, move || service.ledger(from)).await?;
            for reply in state.page(&page) {
                exchange.reply(&reply).await?;
            }
            Ok(())
        }
        Asked::Append(envelope, state) => {
            let append = move || service.append(&peer, &envelope);
            let receipt = shared.pool.run(Lane::Decision, &peer, append).await?;
            exchange.reply(&state.recorded(receipt)).await
        }
        Asked::Submit(envelope, state) => {
            content::submit(shared, (peer, connection), exchange, frames, &envelope, state).await
        }
        Asked::Bring(envelope, state) => {
            content::bring(shared, (peer, connection), exchange, frames, envelope, state).await
        }
        Asked::Fetch(blob, state) => content::fetch(shared, peer, exchange, blob, state).await,
        Asked::Cosign(checkpoint, state) => {
            let cosign = move || service.cosign(&peer, &checkpoint);
            shared.pool.run(Lane::Decision, &peer, cosign).await?;
            exchange.reply(&state.kept()).await
        }
        Asked::Status(state) => {
            let connections = shared.doors.connections();
            let status = move || service.status(&peer, &connections);
            let status = shared.pool.run(Lane::Reading, &peer, status).await?;
            exchange.reply(&state.status(status)).await
        }
        Asked::Blend(round, state) => blend(shared, peer, exchange, round, state).await,
    }
}

/// What is asked, for logs and traces.
fn name(asked: &Asked) -> &'static str {
    match asked {
        Asked::Ledger(..) => "ledger",
        Asked::Append(..) => "append",
        Asked::Submit(..) => "submit",
        Asked::Bring(..) => "bring",
        Asked::Fetch(..) => "fetch",
        Asked::Cosign(..) => "cosign",
        Asked::Status(..) => "status",
        Asked::Blend(..) => "blend",
    }
}

async fn blend(
    shared: &Arc<Shared>,
    peer: PublicKey,
    exchange: &mut Exchange,
    round: u64,
    state: session::AwaitSoup,
) -> Result<(), Fault> {
    let place = shared.pool.enter(Lane::Blend, &peer).await?;
    let steps = Steps::default();
    let (service, told) = (Arc::clone(&shared.service), steps.clone());
    let working =
        place.run(move || service.blend(&peer, round, &mut |done, total| told.set(done, total)));
    let progress = |done, total| state.progress(done, total);
    let (_, blended) = attend(working, &steps, Told { exchange, progress }).await;
    exchange.reply(&state.blended(blended?)).await
}
