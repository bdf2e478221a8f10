//! Bad networks: a proxy of our own between the real client and the real server, which loses, doubles, delays and
//! reorders datagrams, falls silent, lets no long ones through, and changes the client's address, as its seed has it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::toy::{content, envelope};
use super::*;
use crate::{CallError, Content, Receipt, Transfer};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The longest that a transfer over a bad network is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// How bad the network is. Chances are in thousandths.
#[derive(Clone, Copy, Default)]
struct Weather {
    loss: u64,
    duplication: u64,
    delay: Duration,
    /// Each datagram may take up to so much longer, and then comes after those behind it.
    jitter: Duration,
    /// Nothing passes before.
    silent_until: Option<Instant>,
    /// Nothing longer passes, in bytes; nothing is too long where this is none.
    longest: Option<usize>,
}

/// The network's chance and its counts.
#[derive(Default)]
struct Sky {
    weather: Mutex<Weather>,
    random: AtomicU64,
    lost: AtomicU64,
    doubled: AtomicU64,
    moved: Notify,
    moves: AtomicU64,
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
struct Proxy {
    address: SocketAddr,
    sky: Arc<Sky>,
    task: JoinHandle<()>,
}

/// What is under way: when it arrives, its number, whether it goes to the server, and the datagram.
type UnderWay = BinaryHeap<Reverse<(Instant, u64, bool, Vec<u8>)>>;

impl Proxy {
    async fn start(server: SocketAddr, seed: u64, weather: Weather) -> Self {
        let front = socket();
        let address = front.local_addr().unwrap();
        let sky = Arc::new(Sky { random: seed.into(), ..Sky::default() });
        *sky.weather.lock().unwrap() = weather;
        let task = tokio::spawn(carry(front, server, Arc::clone(&sky)));
        Self { address, sky, task }
    }

    /// The server sees the client at another address from now on, as behind a router that forgot it.
    fn move_client(&self) {
        self.sky.moved.notify_one();
    }

    /// Nothing longer than so many bytes passes from now on.
    fn narrow(&self, longest: usize) {
        self.sky.weather.lock().unwrap().longest = Some(longest);
    }

    /// Nothing passes for so long.
    fn fall_silent(&self, time: Duration) {
        self.sky.weather.lock().unwrap().silent_until = Some(Instant::now() + time);
    }

    fn lost(&self) -> u64 {
        self.sky.lost.load(Ordering::Relaxed)
    }

    /// Connects through it. A handshake has a deadline on both sides, so that a bad network may need several.
    async fn client(&self) -> Client {
        for _ in 0..20 {
            let address = self.address.to_string();
            match connect(&address, &server_key().public(), &party_key()).await {
                Ok(client) => return client,
                Err(error) => eprintln!("{error}"),
            }
        }
        panic!("no handshake in twenty came through");
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

/// Uploads until it is through: each attempt goes on where the one before ended.
async fn push(proxy: &Proxy, files: &[Content]) -> Receipt {
    let envelope = envelope(files, &party_key());
    for _ in 0..20 {
        match proxy.client().await.submit(&envelope, files, |_| ()).await {
            Ok(receipt) => return receipt,
            Err(CallError::Lost { reason, .. }) => eprintln!("lost: {reason}"),
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("no upload in twenty came through");
}

/// Downloads until it is through.
async fn pull(proxy: &Proxy, file: &Content, target: &std::path::Path) {
    for _ in 0..20 {
        match proxy.client().await.fetch(&file.file, target, |_| ()).await {
            Ok(()) => return,
            Err(CallError::Lost { reason, .. }) => eprintln!("lost: {reason}"),
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("no download in twenty came through");
}

/// Sends so many bytes up and down again through `weather`, and compares.
async fn there_and_back(seed: u64, weather: Weather, size: usize) -> Proxy {
    let running = Running::start(Limits::default());
    let proxy = Proxy::start(running.address, seed, weather).await;
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", size)];
    let transfers = async {
        push(&proxy, &files).await;
        let stored = fs::read(running.toy.data(&files[0].file.blake3)).unwrap();
        assert!(stored == fs::read(&files[0].path).unwrap());
        let target = folder.path().join("pulled");
        pull(&proxy, &files[0], &target).await;
        assert!(fs::read(&target).unwrap() == stored);
    };
    tokio::time::timeout(PATIENCE, transfers).await.expect("transfers end on a bad network");
    running.stop().await;
    proxy
}

#[tokio::test(flavor = "multi_thread")]
async fn one_datagram_in_a_hundred_is_lost() {
    let weather = Weather { loss: 10, ..Weather::default() };
    let proxy = there_and_back(1, weather, 8 * MIB).await;
    assert!(proxy.lost() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_in_twenty_is_lost_over_a_long_way() {
    let delay = Duration::from_millis(25);
    let weather = Weather { loss: 50, delay, ..Weather::default() };
    let proxy = there_and_back(2, weather, MIB).await;
    assert!(proxy.lost() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_in_five_is_lost() {
    let weather = Weather { loss: 200, ..Weather::default() };
    let proxy = there_and_back(3, weather, 512 * KIB).await;
    assert!(proxy.lost() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_come_twice_and_out_of_order() {
    let jitter = Duration::from_millis(5);
    let weather = Weather { duplication: 200, jitter, ..Weather::default() };
    let proxy = there_and_back(4, weather, 4 * MIB).await;
    assert!(proxy.sky.doubled.load(Ordering::Relaxed) > 0);
}

/// Uploads in one attempt, and lets `trouble` come once when half of it is sent.
async fn troubled_half_way(trouble: impl Fn(&Proxy) + Send + Sync) -> Proxy {
    let running = Running::start(Limits::default());
    let proxy = Proxy::start(running.address, 5, Weather::default()).await;
    let folder = TempDir::new().unwrap();
    let files = [content(folder.path(), "expert", 40 * MIB)];
    let envelope = envelope(&files, &party_key());
    let client = proxy.client().await;
    let mut troubled = false;
    let submitting = client.submit(&envelope, &files, |at: Transfer| {
        if at.done > at.total / 2 && !troubled {
            troubled = true;
            trouble(&proxy);
        }
    });
    tokio::time::timeout(PATIENCE, submitting).await.unwrap().unwrap();
    let stored = fs::read(running.toy.data(&files[0].file.blake3)).unwrap();
    assert!(stored == fs::read(&files[0].path).unwrap());
    running.stop().await;
    proxy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_address_changes_keeps_its_connection() {
    let proxy = troubled_half_way(Proxy::move_client).await;
    assert_eq!(proxy.sky.moves.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_of_silence_ends_no_connection() {
    let proxy = troubled_half_way(|proxy| proxy.fall_silent(Duration::from_secs(1))).await;
    assert!(proxy.lost() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_becomes_narrow_ends_no_connection() {
    // Until then packets have up to 6500 bytes.
    let proxy = troubled_half_way(|proxy| proxy.narrow(1300)).await;
    assert!(proxy.lost() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_takes_no_long_packets_at_all_is_found_out() {
    let weather = Weather { longest: Some(1252), ..Weather::default() };
    let proxy = there_and_back(6, weather, 4 * MIB).await;
    assert!(proxy.lost() > 0, "longer ones were tried");
}
