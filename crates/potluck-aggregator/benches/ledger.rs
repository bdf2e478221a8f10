//! The ledger beside what bounds it: replay and signatures, appends and fsyncs, proofs and tiles.
//!
//! ```text
//! cargo bench -p potluck-aggregator --bench ledger [-- --dir DIR] [--entries N] [--leaves N] [--runs N]
//! ```
//!
//! DIR is where stores and logs are put, which should lie on the disk that is meant. The last line is one JSON
//! object. `cargo xtask bench ledger` adds an audit and writes the page.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

#[path = "ledger/append.rs"]
mod append;
#[path = "ledger/federation.rs"]
mod federation;
#[path = "ledger/proof.rs"]
mod proof;
#[path = "ledger/replay.rs"]
mod replay;

use std::path::PathBuf;

use clap::Parser;
use serde_json::{Value, json};

/// Threads that append at once; the last is a thousand entries at the same time.
const THREADS: [usize; 4] = [1, 16, 256, 1000];

#[derive(Parser)]
struct Args {
    /// Where to put stores and logs
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Entries of the ledger that is replayed
    #[arg(long, default_value_t = 100_000)]
    entries: usize,
    /// Leaves of the log in which inclusion is proved
    #[arg(long, default_value_t = 10_000_000)]
    leaves: u64,
    /// Replays
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let args = Args::parse();
    let dir = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&dir).unwrap();
    // Deleted when all is measured.
    let stores = tempfile::tempdir_in(&dir).unwrap();
    let mut rows = Vec::new();

    let fsync = append::fsync(stores.path());
    rows.push(row("append", "the pages of a commit and their fsync", &[fsync]));
    let (alone, per_append) = append::alone(stores.path());
    rows.push(row("append", "alone, from an authentic statement to its receipt", &[alone]));
    let appends = THREADS.map(|threads| append::row(stores.path(), threads));
    for append in &appends {
        let contender = format!("{} at once: {} commits", append.threads, append.commits);
        rows.push(row("1000 appends", &contender, &[append.seconds]));
    }

    let stored = replay::stored(args.entries);
    let (mut verify, mut replay) = (Vec::new(), Vec::new());
    for _ in 0..args.runs {
        verify.push(stored.verify());
        replay.push(stored.replay());
    }
    let work = format!("{} entries", args.entries);
    rows.push(row(&work, "strict verification alone", &verify));
    rows.push(row(&work, "replay", &replay));

    let mirrors: Vec<Value> = [args.entries / 10, args.entries]
        .into_iter()
        .map(|entries| {
            let mirror = dir.join(format!("mirror-{entries}"));
            let _ = std::fs::remove_dir_all(&mirror);
            let log_key = replay::stored(entries).mirror(&mirror);
            json!({"entries": entries, "dir": mirror, "log_key": log_key})
        })
        .collect();

    let (proofs, bytes) = proof::proofs(&dir, args.leaves, 1000);
    rows.push(row(&format!("proof in {}", args.leaves), "from tiles", &proofs));

    let together = &appends[THREADS.len() - 1];
    let said = json!({
        "rows": rows,
        "mirrors": mirrors,
        "ratios": {
            "replay_share_of_strict_verify": median(&verify) / median(&replay),
            "append_over_fsync": alone / (fsync * per_append),
            "fsyncs_per_1000_appends": together.commits as f64 * 1000.0 / together.appends as f64,
            "proof_ms_10m": median(&proofs) * 1e3,
            "proof_bytes": bytes,
        },
    });
    println!("{said}");
}

fn row(work: &str, contender: &str, seconds: &[f64]) -> Value {
    let lowest = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = seconds.iter().copied().fold(0.0, f64::max);
    json!({
        "work": work, "contender": contender, "seconds": median(seconds),
        "lowest": lowest, "highest": highest, "n": seconds.len(),
    })
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
