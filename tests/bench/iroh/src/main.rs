//! iroh-blobs: one blob from a store on disk into another, over loopback without relays; both ends in this process, so that
//! its processor time is that of both.
//!
//! ```text
//! potluck-bench-iroh SOURCE FOLDER RUNS
//! ```
//!
//! The blob is in the provider's store before the time begins; an upload of ours hashes its file within the time. The last
//! line is one JSON object.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use iroh::endpoint::presets;
use iroh::protocol::Router;
use iroh::{Endpoint, RelayMode};
use iroh_blobs::BlobsProtocol;
use iroh_blobs::store::fs::FsStore;
use rustix::time::{ClockId, clock_gettime};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let mut next = || arguments.next().context("SOURCE FOLDER RUNS");
    let (source, folder) = (PathBuf::from(next()?), PathBuf::from(next()?));
    let runs: usize = next()?.to_string_lossy().parse()?;
    let (mut seconds, mut cpu) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let place = folder.join(format!("run-{run}"));
        let (wall, used) = fetch(&source, &place).await?;
        eprintln!("iroh-blobs: {wall:.3} s, {used:.3} CPU s");
        seconds.push(wall);
        cpu.push(used);
        std::fs::remove_dir_all(&place)?;
    }
    let row =
        serde_json::json!({"contender": "iroh-blobs", "seconds": seconds, "cpu_seconds": cpu});
    println!("{}", serde_json::json!({"rows": [row]}));
    Ok(())
}

async fn fetch(source: &Path, place: &Path) -> Result<(f64, f64)> {
    let there = FsStore::load(place.join("there")).await?;
    let here = FsStore::load(place.join("here")).await?;
    let tag = there.blobs().add_path(source).await?;
    let provider = endpoint().await?;
    let router = Router::builder(provider)
        .accept(iroh_blobs::ALPN, BlobsProtocol::new(&there, None))
        .spawn();
    let getter = endpoint().await?;
    let connection = getter.connect(router.endpoint().addr(), iroh_blobs::ALPN).await?;
    let (begin, before) = (Instant::now(), processor()?);
    here.remote().fetch(connection, tag.hash).await?;
    let taken = (begin.elapsed().as_secs_f64(), (processor()? - before).as_secs_f64());
    // With it the protocol's store is shut.
    router.shutdown().await?;
    getter.close().await;
    here.shutdown().await?;
    Ok(taken)
}

async fn endpoint() -> Result<Endpoint> {
    Ok(Endpoint::builder(presets::Minimal).relay_mode(RelayMode::Disabled).bind().await?)
}

fn processor() -> Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::ProcessCPUTime))?)
}
