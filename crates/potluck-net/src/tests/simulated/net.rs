//! A network that is not there: datagrams between sockets of this process, in virtual time, with the chances of one seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// How bad the network is. Chances are in thousandths.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weather {
    pub(super) loss: u64,
    pub(super) duplication: u64,
    pub(super) flips: u64,
    pub(super) delay: Duration,
    /// Each datagram may take up to so much longer, and then comes after those behind it.
    pub(super) jitter: Duration,
    /// Nothing longer passes.
    pub(super) longest: usize,
    /// Nothing at all passes between these times after the start.
    pub(super) silence: (Duration, Duration),
}

/// A stream of numbers that depends on its seed alone (SplitMix64).
#[derive(Debug)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound.max(1)
    }
}

/// The network. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Net(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    posted: Notify,
    begun: Instant,
}

/// When it arrives, its number, from where, to where, and what it holds.
type Datagram = (Instant, u64, SocketAddr, SocketAddr, Vec<u8>);

#[derive(Debug)]
struct State {
    weather: Weather,
    chance: Chance,
    posted: u64,
    under_way: BinaryHeap<Reverse<Datagram>>,
    inboxes: BTreeMap<SocketAddr, Inbox>,
    trace: Vec<String>,
}

#[derive(Debug, Default)]
struct Inbox {
    arrived: VecDeque<(SocketAddr, Vec<u8>)>,
    waker: Option<Waker>,
}

impl Net {
    /// A network whose datagrams travel as long as the runtime lives.
    pub(super) fn new(seed: u64, weather: Weather) -> Self {
        let state = State {
            weather,
            chance: Chance(seed),
            posted: 0,
            under_way: BinaryHeap::new(),
            inboxes: BTreeMap::new(),
            trace: Vec::new(),
        };
        let net = Self(Arc::new(Shared {
            state: Mutex::new(state),
            posted: Notify::new(),
            begun: Instant::now(),
        }));
        tokio::spawn(net.clone().carry());
        net
    }

    pub(super) fn socket(&self, address: SocketAddr) -> Arc<dyn AsyncUdpSocket> {
        self.state().inboxes.insert(address, Inbox::default());
        Arc::new(Socket { net: self.clone(), address })
    }

    /// When each datagram was posted, between whom, how long it was, and what became of it.
    pub(super) fn trace(&self) -> Vec<String> {
        self.state().trace.clone()
    }

    /// Something that somebody else saw.
    pub(super) fn note(&self, what: &str) {
        let at = self.elapsed().as_micros();
        self.state().trace.push(format!("{at} {what}"));
    }

    /// Since it began.
    pub(super) fn elapsed(&self) -> Duration {
        self.0.begun.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    async fn carry(self) {
        loop {
            let next = self.state().under_way.peek().map(|Reverse((at, ..))| *at);
            let due = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.0.posted.notified() => {}
                () = due => self.state().deliver(),
            }
        }
    }
}

impl State {
    /// Decides what becomes of a datagram.
    fn post(&mut self, at: Duration, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let Weather { loss, duplication, flips, delay, jitter, longest, silence } = self.weather;
        let (now, length) = (Instant::now(), bytes.len());
        let is_silent = at >= silence.0 && at < silence.1;
        let fate = if is_silent || length > longest || self.chance.below(1000) < loss {
            "lost"
        } else {
            let copies = if self.chance.below(1000) < duplication { 2 } else { 1 };
            let mut fate = "sent";
            for _ in 0..copies {
                let mut bytes = bytes.to_vec();
                if self.chance.below(1000) < flips {
                    let bit = self.chance.below(8 * length as u64) as usize;
                    bytes[bit / 8] ^= 1 << (bit % 8);
                    fate = "damaged";
                }
                let late = Duration::from_millis(self.chance.below(jitter.as_millis() as u64 + 1));
                self.posted += 1;
                let number = self.posted;
                self.under_way.push(Reverse((now + delay + late, number, from, to, bytes)));
            }
            fate
        };
        self.trace.push(format!("{} {from} {to} {length} {fate}", at.as_micros()));
    }

    fn deliver(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, ..))) = self.under_way.peek() {
            if *at > now {
                return;
            }
            let Some(Reverse((_, _, from, to, bytes))) = self.under_way.pop() else { return };
            // To nobody, or to an endpoint that is gone: as lost as any.
            if let Some(inbox) = self.inboxes.get_mut(&to) {
                inbox.arrived.push_back((from, bytes));
                inbox.waker.take().into_iter().for_each(Waker::wake);
            }
        }
    }
}

/// A socket on it.
#[derive(Debug)]
struct Socket {
    net: Net,
    address: SocketAddr,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.net.state().inboxes.remove(&self.address);
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Ready)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let at = self.net.elapsed();
        let length = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        for datagram in transmit.contents.chunks(length) {
            self.net.state().post(at, self.address, transmit.destination, datagram);
        }
        self.net.0.posted.notify_one();
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.net.state();
        let Some(inbox) = state.inboxes.get_mut(&self.address) else { return Poll::Pending };
        let Some((from, bytes)) = inbox.arrived.pop_front() else {
            inbox.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        let length = bytes.len().min(buffers[0].len());
        buffers[0][..length].copy_from_slice(&bytes[..length]);
        metas[0] = RecvMeta { addr: from, len: length, stride: length, ecn: None, dst_ip: None };
        Poll::Ready(Ok(1))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

/// A network always takes what is sent.
#[derive(Debug)]
struct Ready;

impl UdpPoller for Ready {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
