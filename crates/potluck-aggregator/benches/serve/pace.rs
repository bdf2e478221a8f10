//! The API at a fixed pace: requests come when they are due, whether those before are answered or not, and how long one took
//! is counted from when it was due. So a server that stalls is not asked less while it does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::Connection;

/// More than are ever under way at once, while answers take less than 100 ms.
const CONNECTIONS: usize = 48;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Of the server
    #[arg(long)]
    address: SocketAddr,
    /// Requests a second
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// For how long
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Entries of the ledger
    #[arg(long)]
    entries: u64,
    /// Rounds of the ledger
    #[arg(long)]
    rounds: u64,
}

/// One answer.
struct Answer {
    /// The endpoint.
    kind: &'static str,
    /// From when it was due to when it was read.
    late: Duration,
    failure: Option<String>,
}

pub(crate) fn run(args: &Args) -> Value {
    let count = args.rate as usize * args.seconds as usize;
    let (next, begun) = (AtomicUsize::new(0), Instant::now() + Duration::from_millis(100));
    let answers: Vec<Answer> = thread::scope(|scope| {
        let one = |_| scope.spawn(|| work(args, count, &next, begun));
        let all: Vec<_> = (0..CONNECTIONS).map(one).collect();
        all.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let failures: Vec<_> = answers.iter().filter_map(|it| it.failure.clone()).collect();
    let mut by_kind: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for answer in &answers {
        by_kind.entry(answer.kind).or_default().push(answer.late);
    }
    let kinds: Vec<_> = by_kind.into_iter().map(|(kind, late)| told(kind, late)).collect();
    let all = told("all", answers.iter().map(|it| it.late).collect());
    json!({"all": all, "kinds": kinds, "failed": failures.len(), "failures": failures.first()})
}

fn told(kind: &str, mut late: Vec<Duration>) -> Value {
    late.sort_unstable();
    let at = |permille: usize| late[(late.len() - 1) * permille / 1000].as_secs_f64() * 1e3;
    json!({"kind": kind, "count": late.len(), "p50_ms": at(500), "p99_ms": at(990), "max_ms": at(1000)})
}

fn work(args: &Args, count: usize, next: &AtomicUsize, begun: Instant) -> Vec<Answer> {
    let (mut answers, mut connection) = (Vec::new(), None);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return answers;
        }
        let due = begun + Duration::from_secs(1) * number as u32 / args.rate;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let (kind, path) = target(number, args);
        let asked = ask(&mut connection, args.address, &path);
        let failure = asked.err().map(|error| {
            connection = None;
            format!("{path}: {error}")
        });
        answers.push(Answer { kind, late: due.elapsed(), failure });
    }
}

fn ask(
    connection: &mut Option<Connection>,
    address: SocketAddr,
    path: &str,
) -> std::io::Result<()> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(Connection::open(address)?),
    };
    let head = connection.ask(path, None)?;
    if head.status != 200 {
        return Err(std::io::Error::other(format!("status {}", head.status)));
    }
    while !connection.next()?.is_empty() {}
    Ok(())
}

/// What request `number` asks for: each endpoint in turn, anywhere in the ledger.
fn target(number: usize, args: &Args) -> (&'static str, String) {
    // Another place each time: an odd multiplier visits far places.
    let random = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
    let (entry, round) = (random % args.entries, 1 + random % args.rounds);
    let share = 1 + random % 999_999;
    match number % 16 {
        0 => ("federation", "/api/v1/federation".into()),
        1 => ("parties", "/api/v1/parties".into()),
        2 => ("parties/{party}", format!("/api/v1/parties/p{}", random % 4)),
        3 => ("experts", "/api/v1/experts".into()),
        4 => ("rounds", format!("/api/v1/rounds?from={round}")),
        5 => ("rounds/{round}", format!("/api/v1/rounds/{round}")),
        6 => ("agreements", format!("/api/v1/agreements?from={round}")),
        7 => ("agreements/{round}", format!("/api/v1/agreements/{round}")),
        8 => ("soups", format!("/api/v1/soups?from={round}")),
        9 => ("soups/{soup}", format!("/api/v1/soups/{round}")),
        10 => ("front", format!("/api/v1/front?round={round}")),
        11 => ("lambda", format!("/api/v1/lambda?lambda=p0={share},p1={}", 1_000_000 - share)),
        12 => ("ledger/entries", format!("/api/v1/ledger/entries?from={entry}")),
        13 => (
            "ledger/entries, of a kind and an author",
            format!(
                "/api/v1/ledger/entries?kind=submit&author=p{}&order=desc&from={entry}",
                random % 4
            ),
        ),
        14 => ("ledger/entries/{index}", format!("/api/v1/ledger/entries/{entry}")),
        _ => ("the Hub's tree of main", "/api/models/bench/model/tree/main".into()),
    }
}
