//! A network that loses, doubles, delays and reorders datagrams, falls silent, lets no long ones through, and changes a
//! client's address, as its seed has it: a proxy between a real client and a real server. The bench of transfers uses it too.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// How bad the network is. Chances are in thousandths.
#[derive(Clone, Copy, Default)]
pub(crate) struct Weather {
    pub(crate) loss: u64,
    pub(crate) duplication: u64,
    pub(crate) delay: Duration,
    /// Each datagram may take up to so much longer, and then comes after those behind it.
    pub(crate) jitter: Duration,
    /// Nothing passes before.
    pub(crate) silent_until: Option<Instant>,
    /// Nothing longer passes, in bytes; nothing is too long where this is none.
    pub(crate) longest: Option<usize>,
}

/// The network's chance and its counts.
#[derive(Default)]
pub(crate) struct Sky {
    weather: Mutex<Weather>,
    random: AtomicU64,
    lost: AtomicU64,
    pub(crate) doubled: AtomicU64,
    moved: Notify,
    pub(crate) moves: AtomicU64,
}

impl Sky {
    /// The next number below `bound` (SplitMix64).
    fn below(&self, bound: u64) -> u64 {
        let state = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mut bits = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % bound.max(1)
    }

    /// When the copies of a datagram arrive; none where it is lost.
    fn arrivals(&self, length: usize) -> Vec<Instant> {
        let weather = *self.weather.lock().unwrap();
        let silent = weather.silent_until.is_some_and(|until| Instant::now() < until)
            || weather.longest.is_some_and(|longest| length > longest);
        if silent || self.below(1000) < weather.loss {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return Vec::new();
        }
        let copies = if self.below(1000) < weather.duplication { 2 } else { 1 };
        self.doubled.fetch_add(copies - 1, Ordering::Relaxed);
        let jitter = weather.jitter.as_micros() as u64;
        let arrival = |_| {
            let late = Duration::from_micros(self.below(jitter + 1));
            Instant::now() + weather.delay + late
        };
        (0..copies).map(arrival).collect()
    }
}

/// A proxy for one client.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) sky: Arc<Sky>,
    task: JoinHandle<()>,
}

/// What is under way: when it arrives, its number, whether it goes to the server, and the datagram.
type UnderWay = BinaryHeap<Reverse<(Instant, u64, bool, Vec<u8>)>>;

impl Proxy {
    pub(crate) async fn start(server: SocketAddr, seed: u64, weather: Weather) -> Self {
        let front = socket();
        let address = front.local_addr().unwrap();
        let sky = Arc::new(Sky { random: seed.into(), ..Sky::default() });
        *sky.weather.lock().unwrap() = weather;
        let task = tokio::spawn(carry(front, server, Arc::clone(&sky)));
        Self { address, sky, task }
    }

    /// The server sees the client at another address from now on, as behind a router that forgot it.
    pub(crate) fn move_client(&self) {
        self.sky.moved.notify_one();
    }

    /// Nothing longer than so many bytes passes from now on.
    pub(crate) fn narrow(&self, longest: usize) {
        self.sky.weather.lock().unwrap().longest = Some(longest);
    }

    /// Nothing passes for so long.
    pub(crate) fn fall_silent(&self, time: Duration) {
        self.sky.weather.lock().unwrap().silent_until = Some(Instant::now() + time);
    }

    pub(crate) fn lost(&self) -> u64 {
        self.sky.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A socket with room for bursts: what is lost is to be lost on purpose.
fn socket() -> UdpSocket {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    socket.set_recv_buffer_size(4 << 20).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    UdpSocket::from_std(socket.into()).unwrap()
}

async fn carry(front: UdpSocket, server: SocketAddr, sky: Arc<Sky>) {
    let mut back = socket();
    let (mut client, mut came) = (None, 0);
    let mut under_way = UnderWay::new();
    let (mut from_client, mut from_server) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let next = under_way.peek().map(|Reverse((at, ..))| *at);
        let due = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let (datagram, up) = tokio::select! {
            () = due => {
                if let Some(Reverse((_, _, up, datagram))) = under_way.pop() {
                    // A datagram that the system does not take is lost, as any other.
                    let _ = match (up, client) {
                        (true, _) => back.send_to(&datagram, server).await,
                        (false, Some(client)) => front.send_to(&datagram, client).await,
                        (false, None) => Ok(0),
                    };
                }
                continue;
            }
            () = sky.moved.notified() => {
                back = socket();
                sky.moves.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            // An error is an answer to an earlier datagram (ICMP), and nothing that came.
            Ok((length, from)) = front.recv_from(&mut from_client) => {
                client = Some(from);
                (from_client[..length].to_vec(), true)
            }
            Ok((length, _)) = back.recv_from(&mut from_server) => {
                (from_server[..length].to_vec(), false)
            }
        };
        for arrival in sky.arrivals(datagram.len()) {
            came += 1;
            under_way.push(Reverse((arrival, came, up, datagram.clone())));
        }
    }
}
