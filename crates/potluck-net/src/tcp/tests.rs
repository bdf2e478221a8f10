//! Callers over real sockets: the silent, the greedy, the late, and one too many. Nothing here is timed: each test waits
//! for what must come, and fails where it does not come at all.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;

use super::*;

/// Limits that nobody reaches.
fn endless() -> Manners {
    let long = Duration::from_secs(86_400);
    Manners {
        callers: 2,
        patience: long,
        life: long,
        floor: 1,
        grace: long,
        traffic: Arc::default(),
    }
}

const SHORT: Duration = Duration::from_millis(30);

/// Far more than any machine needs.
const LIMIT: Duration = Duration::from_secs(120);

struct Attended {
    address: SocketAddr,
    end: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Attended {
    async fn start<F>(manners: Manners, serve: impl Fn(Caller, Leave) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = watch::channel(());
        let task = tokio::spawn(async move { attend(listener, manners, ended, serve).await });
        Self { address, end, task }
    }

    async fn call(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// Sends back what comes, until it ends or fails, or the connection is to end.
async fn echo(mut caller: Caller, leave: Leave) {
    let echoing = async {
        let mut bytes = [0; 1024];
        loop {
            match caller.read(&mut bytes).await {
                Ok(count) if count > 0 => match caller.write_all(&bytes[..count]).await {
                    Ok(()) => (),
                    Err(_) => return,
                },
                _ => return,
            }
        }
    };
    tokio::select! {
        () = echoing => (),
        () = leave.asked() => (),
    }
}

/// Completes once the other end is gone.
async fn gone(stream: &mut TcpStream) {
    let mut bytes = [0; 1024];
    let gone = async { while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {} };
    timeout(LIMIT, gone).await.unwrap();
}

#[tokio::test]
async fn whoever_is_silent_is_cut() {
    let served = Attended::start(Manners { patience: SHORT, ..endless() }, echo).await;
    let mut nothing = served.call().await;
    let mut one_byte = served.call().await;
    one_byte.write_all(b"x").await.unwrap();
    gone(&mut nothing).await;
    gone(&mut one_byte).await;
}

#[tokio::test]
async fn whoever_never_reads_is_cut() {
    let served = Attended::start(Manners { patience: SHORT, ..endless() }, echo).await;
    let mut greedy = served.call().await;
    // Until the buffers between are full, and the silence too long: then this end hears of it.
    let cut = async { while greedy.write_all(&[0; 4096]).await.is_ok() {} };
    timeout(LIMIT, cut).await.unwrap();
}

#[tokio::test]
async fn whoever_is_never_silent_is_asked_to_leave_and_then_cut() {
    // One that leaves when it is asked, and one that does not, and moves nothing.
    let polite = Manners { life: SHORT, ..endless() };
    let deaf = Manners { life: SHORT, patience: SHORT, ..endless() };
    let served = Attended::start(polite, echo).await;
    gone(&mut served.call().await).await;
    let served = Attended::start(deaf, |caller, leave| async move {
        let _held = (caller, leave);
        std::future::pending().await
    });
    gone(&mut served.await.call().await).await;
}

/// Sends zeros for as long as somebody takes them, and does not leave before there were `count` of them.
async fn send(mut caller: Caller, leave: Leave, count: u64) {
    leave.asked().await;
    let mut sent = 0;
    while sent < count {
        match caller.write(&[0; 64 << 10]).await {
            Ok(bytes) => sent += bytes as u64,
            Err(_) => return,
        }
    }
}

#[tokio::test]
async fn an_answer_under_way_goes_on_past_the_life_while_it_moves() {
    // Nothing but the shutdown's grace, which is over at once, bounds it from above.
    let manners = Manners { life: SHORT, grace: Duration::ZERO, ..endless() };
    let whole = 32 << 20;
    let served = Attended::start(manners, move |caller, leave| send(caller, leave, whole)).await;
    let mut caller = served.call().await;
    let mut taken = 0;
    let mut bytes = vec![0; 1 << 20];
    let taking = async {
        while let Ok(count @ 1..) = caller.read(&mut bytes).await {
            taken += count as u64;
        }
    };
    timeout(LIMIT, taking).await.unwrap();
    assert!(taken >= whole, "{taken}");
}

#[tokio::test]
async fn a_trickle_past_the_life_is_cut() {
    // Whoever takes a byte at a time is never silent, and never done.
    let manners = Manners { life: SHORT, patience: SHORT, floor: u64::MAX, ..endless() };
    let served = Attended::start(manners, |caller, leave| send(caller, leave, u64::MAX)).await;
    gone(&mut served.call().await).await;
}

#[tokio::test]
async fn one_too_many_waits_until_another_is_gone() {
    let manners = Manners { callers: 1, ..endless() };
    let served = Attended::start(manners, echo).await;
    let mut bytes = [0; 1];
    let mut first = served.call().await;
    first.write_all(b"1").await.unwrap();
    first.read_exact(&mut bytes).await.unwrap();
    let mut second = served.call().await;
    second.write_all(b"2").await.unwrap();
    // The first is still heard while the second waits.
    first.write_all(b"3").await.unwrap();
    first.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, *b"3");
    let nothing = second.try_read(&mut [0; 1]).unwrap_err();
    assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    drop(first);
    second.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, *b"2");
}

#[tokio::test]
async fn at_the_end_everybody_is_asked_to_leave() {
    let served = Attended::start(endless(), echo).await;
    let mut caller = served.call().await;
    let mut bytes = [0; 1];
    caller.write_all(b"1").await.unwrap();
    caller.read_exact(&mut bytes).await.unwrap();
    drop(served.end);
    gone(&mut caller).await;
    served.task.await.unwrap();
}
