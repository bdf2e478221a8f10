//! One connection: from the handshake to the last of its streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use potluck_core::PublicKey;
use potluck_wire::version::{self, UNSPOKEN};
use quinn::{Connection, Incoming, VarInt};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{Instrument as _, Span};

use super::watch::Open;
use super::{Shared, answer, report};
use crate::request::RequestId;
use crate::tls;

/// A handshake is two round trips and a millisecond of work.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// How long a connection may stay without a request: a client may mix or train for a while between two.
const LINGER: Duration = Duration::from_secs(300);

/// From so many handshakes at once on, who knocks must show that its address is its own (QUIC's Retry), so
/// that invented addresses take no places.
const HALF_OPEN: usize = 64;

/// Connection error codes, for diagnosis only.
const DONE: u32 = 0;
pub(crate) const FULL: u32 = 1;
const REPLACED: u32 = 2;
// 4 is `version::UNSPOKEN`.

/// Takes connections in.
pub(super) struct Connections {
    shared: Arc<Shared>,
    half_open: Arc<AtomicUsize>,
    closing: watch::Receiver<bool>,
}

impl Connections {
    pub(super) fn new(shared: Arc<Shared>, closing: watch::Receiver<bool>) -> Self {
        Self { shared, half_open: Arc::default(), closing }
    }

    /// Answers one that knocks; `place` is held until its connection is gone.
    pub(super) fn take_in(
        &self,
        tasks: &mut JoinSet<()>,
        incoming: Incoming,
        place: OwnedSemaphorePermit,
    ) {
        let crowded = self.half_open.load(Ordering::Relaxed) >= HALF_OPEN;
        if crowded && !incoming.remote_address_validated() {
            // It may always be retried where it was not validated, says quinn.
            let _ = incoming.retry();
            return;
        }
        let from = incoming.remote_address();
        let span = tracing::info_span!("connection", %from, peer = tracing::field::Empty);
        let half_open = HalfOpen::new(&self.half_open);
        let (shared, closing) = (Arc::clone(&self.shared), self.closing.clone());
        let task = async move {
            if let Some((connection, peer)) = shake_hands(incoming, half_open).await {
                serve(&shared, connection, peer, closing).await;
            }
            drop(place);
        };
        tasks.spawn(task.instrument(span));
    }
}

/// A handshake under way, for as long as this lives.
struct HalfOpen(Arc<AtomicUsize>);

impl HalfOpen {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn shake_hands(incoming: Incoming, _half_open: HalfOpen) -> Option<(Connection, PublicKey)> {
    let connecting =
        incoming.accept().inspect_err(|error| tracing::debug!(%error, "not accepted")).ok()?;
    match timeout(HANDSHAKE, connecting).await {
        Ok(Ok(connection)) if !tls::is_ours(&connection) => {
            tracing::info!("a client of another version");
            connection.close(VarInt::from_u32(UNSPOKEN), version::spoken().as_bytes());
            None
        }
        Ok(Ok(connection)) => {
            // The verifier saw this key, so that there is one.
            let peer = tls::peer_key(&connection)?;
            tracing::Span::current().record("peer", peer.id().short());
            Some((connection, peer))
        }
        Ok(Err(error)) => {
            tracing::info!(%error, "handshake refused");
            None
        }
        Err(_) => {
            tracing::info!("handshake too slow");
            None
        }
    }
}

async fn serve(
    shared: &Arc<Shared>,
    connection: Connection,
    peer: PublicKey,
    closing: watch::Receiver<bool>,
) {
    let address = connection.remote_address().ip();
    let Some(mut inside) = shared.doors.enter(&peer, address) else {
        tracing::info!("too many connections of this address");
        connection.close(VarInt::from_u32(FULL), b"too many connections of this address");
        return;
    };
    let _listed = Open::list(shared, &connection);
    match timeout(HANDSHAKE, connection.open_uni()).await {
        // Dropped, the greeting ends, empty.
        Ok(Ok(greeting)) => drop(greeting),
        _ => return,
    }
    tracing::debug!("connected");
    tokio::select! {
        // Dropped where a newer connection of the key takes the place: its streams end with it.
        () = serve_streams(shared, &connection, peer, closing) => {
            connection.close(VarInt::from_u32(DONE), b"");
        }
        // Dropped without loss: it only waits.
        () = inside.replaced() => {
            tracing::info!("replaced by a newer connection of the key");
            connection.close(VarInt::from_u32(REPLACED), b"replaced by a newer connection of this key");
        }
    }
}

async fn serve_streams(
    shared: &Arc<Shared>,
    connection: &Connection,
    peer: PublicKey,
    mut closing: watch::Receiver<bool>,
) {
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            // Dropped without loss: a stream that came stays in the connection.
            accepted = connection.accept_bi() => match accepted {
                Ok((send, recv)) => match shared.pool.stream(&peer) {
                    Ok(share) => {
                        let serving = answer::serve(Arc::clone(shared), (peer, connection.clone()), send, recv);
                        let task = async move {
                            serving.await;
                            drop(share);
                        };
                        streams.spawn(task.instrument(request_span()));
                    }
                    Err(refusal) => {
                        let telling = answer::turn_away(send, shared.limits.idle, refusal);
                        streams.spawn(telling.instrument(request_span()));
                    }
                },
                Err(_) => break,
            },
            // Dropped without loss: an ended task stays in the set.
            Some(ended) = streams.join_next() => report(ended),
            // Begun anew at each turn, on purpose: only quiet counts.
            () = sleep(LINGER), if streams.is_empty() => break,
            // Dropped without loss: the flag stays up. It falls with the server, which is as good.
            _ = closing.wait_for(|closing| *closing) => break,
        }
    }
    while let Some(ended) = streams.join_next().await {
        report(ended);
    }
}

/// Under which all that is said of one request stands, down to the entry that it appends.
fn request_span() -> Span {
    tracing::info_span!("request", id = %RequestId::fresh(), asked = tracing::field::Empty)
}
