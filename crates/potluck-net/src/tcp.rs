//! TCP for whoever only reads: an accept loop whose callers are bounded in number, silence and time.
//!
//! The log's files, a mirror's and a witness's answers go over HTTP to callers of whom nothing is known. What those
//! are spoken to in is the program's business; here is what each of them may cost:
//!
//! ```text
//! permit ─▶ accept ─▶ serve ──────────▶ done
//!                       │ silent ─────▶ cut
//!                       │ life over ──▶ Leave ─▶ done, or cut once too little moves
//!                       │ shutdown ───▶ Leave ─▶ done, or cut after the grace
//! ```
//!
//! The one liveness rule of the other transport holds here too: progress within the idle time, in either direction. A
//! caller who stops reading is as silent as one who stops sending. A connection that has lasted its time takes no further
//! request, but an answer under way may be of any length: it goes on for as long as it moves at more than a trickle.

pub mod tls;
mod traffic;

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};

pub use self::traffic::Traffic;

/// How long to wait where the system has no socket for one who knocks.
const PAUSE: Duration = Duration::from_millis(100);

/// What callers may cost.
#[derive(Debug, Clone)]
pub struct Manners {
    /// How many at once. Each holds at most one file of a log, which has at most 1 MiB, or a few pieces of a longer answer.
    pub callers: usize,
    /// How long nothing may move, in either direction; and how long a caller may take to say what it wants.
    pub patience: Duration,
    /// How long a connection takes requests. Mirrors of long logs come again.
    pub life: Duration,
    /// How many bytes of the last answer must move within the patience once that time is over.
    pub floor: u64,
    /// How long an answer under way may take at shutdown.
    pub grace: Duration,
    /// Where what moves is counted.
    pub traffic: Arc<Traffic>,
}

impl Default for Manners {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        let (patience, life, grace) = (seconds(15), seconds(600), seconds(5));
        // 4 KiB a second: less than any line on which a large file would ever end.
        let traffic = Arc::default();
        Self { callers: 256, patience, life, floor: 64 << 10, grace, traffic }
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
                let moved = Arc::new(AtomicU64::new(0));
                let caller = Caller::new(stream, address, &manners, Arc::clone(&moved));
                let (asked, leave) = watch::channel(());
                let serving = serve(caller, Leave(leave));
                let bounds = Bounds { manners: manners.clone(), moved, ended: ended.clone() };
                callers.spawn(attended(serving, asked, bounds, place));
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

/// By what a connection is bounded.
struct Bounds {
    manners: Manners,
    /// Bytes that moved on it, both ways together.
    moved: Arc<AtomicU64>,
    ended: watch::Receiver<()>,
}

async fn attended(
    serving: impl Future<Output = ()>,
    asked: watch::Sender<()>,
    Bounds { manners, moved, mut ended }: Bounds,
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
    tokio::select! {
        // It is the connection: polled again below unless it has completed.
        () = serving.as_mut() => return,
        // Completes at once where it has before.
        _ = ended.changed() => (),
        // Then it is cut.
        () = trickle(&moved, &manners) => return,
    }
    // Past the limit it is cut: its reader stalls.
    let _ = timeout(manners.grace, serving).await;
}

/// Completes once less than the floor moves within the patience.
async fn trickle(moved: &AtomicU64, manners: &Manners) {
    let mut before = moved.load(Ordering::Relaxed);
    loop {
        sleep(manners.patience).await;
        let now = moved.load(Ordering::Relaxed);
        if now.saturating_sub(before) < manners.floor {
            return;
        }
        before = now;
    }
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
    moved: Arc<AtomicU64>,
    traffic: Arc<Traffic>,
}

impl Caller {
    fn new(
        stream: TcpStream,
        address: SocketAddr,
        manners: &Manners,
        moved: Arc<AtomicU64>,
    ) -> Self {
        let (patience, traffic) = (manners.patience, Arc::clone(&manners.traffic));
        Self { stream, address, patience, silence: Box::pin(sleep(patience)), moved, traffic }
    }

    /// Where it calls from.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts what moved.
    fn count(&self, bytes: usize) {
        self.moved.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
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
        let before = buffer.filled().len();
        let step = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = buffer.filled().len().saturating_sub(before);
        self.count(read);
        self.traffic.received(read);
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
        if let Poll::Ready(Ok(written)) = &step {
            self.count(*written);
            self.traffic.sent(*written);
        }
        self.or_silence(context, step)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let step = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        if let Poll::Ready(Ok(written)) = &step {
            self.count(*written);
            self.traffic.sent(*written);
        }
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
