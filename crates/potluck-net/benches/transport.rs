//! Our transfers beside what bounds them: quinn at our settings, quinn and BLAKE3, TLS over TCP.
//!
//! ```text
//! cargo bench -p potluck-net --bench transport [-- --dir DIR] [--mib N] [--runs N] [--only NAME]
//! ```
//!
//! DIR should lie on the disk that is meant; it holds a source and a copy of N MiB. All contenders run in turn, over and
//! over; both ends of each stand in this process, so that its processor time is that of both. The last line is one
//! JSON object. `cargo xtask bench transport` adds what takes processes, and writes the page.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

#[path = "transport/clock.rs"]
mod clock;
#[path = "transport/ours.rs"]
mod ours;
#[path = "transport/quic.rs"]
mod quic;
#[path = "transport/tcp.rs"]
mod tcp;
#[path = "../src/tests/weather.rs"]
#[allow(dead_code, reason = "tests use the rest of it")]
mod weather;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use potluck_net::Congestion;
use serde_json::{Value, json};

use self::clock::Taken;
use self::weather::Weather;

#[derive(Parser)]
struct Args {
    /// Where to put the source and the copies
    #[arg(long)]
    dir: Option<PathBuf>,
    /// How many MiB go over
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// Runs of each contender
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Run the contenders alone whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Of a thousand packets so many are lost
    #[arg(long)]
    loss: Option<u64>,
    /// Milliseconds there and back
    #[arg(long, default_value_t = 100, requires = "loss")]
    delay_ms: u64,
    /// Over how many connections at once
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4, 6], requires = "loss")]
    connections: Vec<usize>,
    /// By which rule to send
    #[arg(long, requires = "loss")]
    bbr: bool,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// The longest datagram that a usual path takes, of 1500 bytes with IPv4's and UDP's headers.
const INTERNET: usize = 1472;

fn main() {
    let args = Args::parse();
    let dir = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&dir).unwrap();
    // Deleted when all is measured.
    let dir = tempfile::tempdir_in(dir).unwrap();
    let bytes = args.mib << 20;
    let ours = ours::Ours::new(dir.path(), bytes);
    if let Some(loss) = args.loss {
        let delay = Duration::from_millis(args.delay_ms) / 2;
        let weather = Weather { loss, delay, longest: Some(INTERNET), ..Weather::default() };
        for connections in &args.connections {
            for _ in 0..args.runs {
                let congestion = if args.bbr { Congestion::Bbr } else { Congestion::Cubic };
                let seconds = ours.upload_over(weather, *connections, congestion).seconds;
                let rate = bytes as f64 * 8.0 / seconds / 1e6;
                println!("{connections} connections: {seconds:.2} s, {rate:.1} Mbit/s");
            }
        }
        return;
    }
    let contenders: [(&str, &dyn Fn() -> Taken); 6] = [
        ("quinn", &|| quic::transfer(bytes, false)),
        ("quinn and BLAKE3", &|| quic::transfer(bytes, true)),
        ("TLS over TCP", &|| tcp::transfer(bytes)),
        ("hashing", &|| ours.hash()),
        ("upload", &|| ours.upload()),
        ("download", &|| ours.download()),
    ];
    let mut taken: [Vec<Taken>; 6] = Default::default();
    for _ in 0..args.runs {
        for ((name, run), taken) in contenders.iter().zip(&mut taken) {
            if name.contains(&args.only) {
                let run = run();
                eprintln!("{name}: {:.3} s, {:.3} CPU s", run.seconds, run.cpu_seconds);
                taken.push(run);
            }
        }
    }
    let rows: Vec<Value> = contenders
        .iter()
        .zip(&taken)
        .filter(|(_, taken)| !taken.is_empty())
        .map(|((name, _), taken)| row(name, taken))
        .collect();
    println!("{}", json!({"rows": rows, "bytes": bytes}));
}

fn row(contender: &str, taken: &[Taken]) -> Value {
    let seconds: Vec<f64> = taken.iter().map(|taken| taken.seconds).collect();
    let cpu: Vec<f64> = taken.iter().map(|taken| taken.cpu_seconds).collect();
    json!({
        "contender": contender, "seconds": seconds, "cpu_seconds": cpu,
    })
}
