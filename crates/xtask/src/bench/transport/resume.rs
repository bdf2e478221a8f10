//! A push that goes on after the aggregator was killed in the middle of it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::bench::federation::Federation;

/// What a resume cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resumed {
    /// What was sent again, of what was there.
    pub(super) resent_share: f64,
    /// From the start of the program to the first byte that arrived.
    pub(super) seconds: f64,
}

const MIB: u64 = 1024;

/// A file that was changed within the last two seconds is not trusted to stay what it is.
const SETTLED: Duration = Duration::from_secs(4);

/// How exactly it is told when the first byte arrived.
const LOOK: Duration = Duration::from_millis(1);

/// Kills and resumes, `runs` times, each with a file of its own.
pub(super) fn measure(programs: &Path, dir: &Path, runs: usize) -> Result<Vec<Resumed>> {
    let parties = ["solo".to_owned()];
    let mut federation = Federation::found(programs, dir, &parties, MIB)?;
    let mut resumed = Vec::new();
    for run in 1..=runs {
        let outbox = federation.expert("solo", u32::try_from(run)?)?;
        // What a trainer left is older than a tick of the file system's clock, or its digests are not remembered.
        std::thread::sleep(SETTLED);
        let mut cut = federation.push("solo", &outbox)?;
        while federation.arrived() < MIB << 19 {
            anyhow::ensure!(cut.try_wait()?.is_none(), "the push was over before it was cut");
            std::thread::yield_now();
        }
        federation.kill_and_restart()?;
        cut.kill()?;
        cut.wait()?;
        let there = federation.arrived();

        let begin = Instant::now();
        let mut push = federation.push("solo", &outbox)?;
        while federation.arrived() == there {
            anyhow::ensure!(push.try_wait()?.is_none(), "the push ended before a byte arrived");
            // Who looks without a pause takes one of the cores that the push is to have.
            std::thread::sleep(LOOK);
        }
        let seconds = begin.elapsed().as_secs_f64();
        let output = push.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let said: Value = serde_json::from_str(said.lines().last().unwrap_or_default())?;
        let from = said["resumed_from"].as_u64().context("push did not say where it went on")?;
        let resent_share = there.saturating_sub(from) as f64 / there as f64;
        eprintln!(
            "resume, run {run} of {runs}: {there} bytes were there, {from} are not sent again, {seconds:.3} s"
        );
        resumed.push(Resumed { resent_share, seconds });
    }
    Ok(resumed)
}
