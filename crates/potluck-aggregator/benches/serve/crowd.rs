//! Many readers at once, each of another file: how long each took, and what failed.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use super::fetch::fetch;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Of the server
    #[arg(long)]
    address: SocketAddr,
    /// How much of each file to read, in bytes
    #[arg(long)]
    bytes: u64,
    /// What to read, one reader each
    paths: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Value {
    let barrier = Barrier::new(args.paths.len());
    let ended: Vec<_> = thread::scope(|scope| {
        let one = |path: &String| {
            let (path, barrier) = (path.clone(), &barrier);
            scope.spawn(move || {
                barrier.wait();
                fetch(args.address, &path, Some(args.bytes), |_, _| true)
            })
        };
        let all: Vec<_> = args.paths.iter().map(one).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (mut first_bytes, mut seconds, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for end in ended {
        match end {
            Ok(fetched) if fetched.bytes == args.bytes => {
                first_bytes.push(fetched.first_byte);
                seconds.push(fetched.seconds);
            }
            Ok(fetched) => failures.push(format!("{} bytes came", fetched.bytes)),
            Err(error) => failures.push(error.to_string()),
        }
    }
    json!({"first_byte": first_bytes, "seconds": seconds, "failures": failures})
}
