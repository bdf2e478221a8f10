//! TCP for whoever only reads: an accept loop whose callers are bounded in number, silence and time.
//!
//! The log's files, a mirror's and a witness's answers go over HTTP to callers of whom nothing is known. What those
//! are spoken to in is the program's business; here is what each of them may cost:
//!
//! ```text
//! permit ─▶ accept ─▶ serve ──────────▶ done
//!                       │ silent ─────▶ cut
//!                       │ life over, or shutdown ─▶ Leave ─▶ done, or cut after the grace
//! ```
//!
//! The one liveness rule of the other transport holds here too: progress within the idle time, in either direction. A
//! caller who stops reading is as silent as one who stops sending.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};

/// How long to wait where the system has no socket for one who knocks.
const PAUSE: Duration = Duration::from_millis(100);

/// What callers may cost.
#[derive(Debug, Clone)]
pub struct Manners {
    /// How many at once. Each holds at most one file, which has at most 1 MiB.
    pub callers: usize,
    /// How long nothing may move, in either direction; and how long a caller may take to say what it wants.
    pub patience: Duration,
    /// How long a connection may last. Mirrors of long logs come again.
    pub life: Duration,
    /// How long an answer under way may take once the connection is to end.
    pub grace: Duration,
}

impl Default for Manners {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { callers: 256, patience: seconds(15), life: seconds(600), grace: seconds(5) }
    }
}

/// Serves each caller of `listener` with `serve` until the other end of `ended` is gone, then lets the answers under
/// way finish. What `serve` does must end soon after its [`Leave`]; past the grace it is dropped.
pub async fn attend<S, F>(
    listener: TcpListener,
    manners: Manners,
    mut ended: watch::Receiver<()>,
    serve: S,
) where
    S: Fn(Caller, Leave) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(manners.callers));
    let mut callers = JoinSet::new();
    loop {
        tokio::select! {
            // Dropped without loss: it completes at once when it is asked again.
            _ = ended.changed() => break,
            // Dropped without loss: a permit goes back, and who knocks keeps waiting in the listener.
            Some((stream, address, place)) = next(&listener, &places) => {
                let caller = Caller::new(stream, address, manners.patience);
                let (asked, leave) = watch::channel(());
                let serving = serve(caller, Leave(leave));
                callers.spawn(attended(serving, asked, manners.clone(), ended.clone(), place));
            }
            // Dropped without loss: an ended task stays in the set.
            Some(_) = callers.join_next() => (),
        }
    }
    drop(listener);
    let drained = async { while callers.join_next().await.is_some() {} };
    if timeout(2 * manners.grace, drained).await.is_err() {
        tracing::warn!(left = callers.len(), "callers were cut at shutdown");
    }
    callers.shutdown().await;
}

/// The next that knocks, once there is a place: permit first, then accept.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return Some((stream, address, place)),
            Err(error) => {
                tracing::debug!(%error, "a caller was not let in");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn attended(
    serving: impl Future<Output = ()>,
    asked: watch::Sender<()>,
    manners: Manners,
    mut ended: watch::Receiver<()>,
    _place: OwnedSemaphorePermit,
) {
    let mut serving = pin!(serving);
    tokio::select! {
        // It is the connection: polled again below unless it has completed.
        () = serving.as_mut() => return,
        _ = ended.changed() => (),
        () = sleep(manners.life) => (),
    }
    drop(asked);
    // Past the limit it is cut: its reader stalls.
    let _ = timeout(manners.grace, serving).await;
}

/// Says when a connection is to end.
pub struct Leave(watch::Receiver<()>);

impl Leave {
    /// Completes once the answer under way is to be the last.
    pub async fn asked(mut self) {
        // Nothing is ever sent: the other end is dropped.
        while self.0.changed().await.is_ok() {}
    }
}

/// A caller's connection, which fails once nothing has moved on it for too long.
pub struct Caller {
    stream: TcpStream,
    address: SocketAddr,
    patience: Duration,
    silence: Pin<Box<Sleep>>,
}

impl Caller {
    fn new(stream: TcpStream, address: SocketAddr, patience: Duration) -> Self {
        Self { stream, address, patience, silence: Box::pin(sleep(patience)) }
    }

    /// Where it calls from.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came of a step: where it waits, only as long as the silence may last.
    fn or_silence<T>(
        &mut self,
        context: &mut Context<'_>,
        step: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if step.is_ready() {
            let until = Instant::now() + self.patience;
            self.silence.as_mut().reset(until);
            return step;
        }
        ready!(self.silence.as_mut().poll(context));
        Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl AsyncRead for Caller {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let step = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.or_silence(context, step)
    }
}

impl AsyncWrite for Caller {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let step = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.or_silence(context, step)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let step = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.or_silence(context, step)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
