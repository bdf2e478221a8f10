//! Wall time, and the processor time of this whole process.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What a transfer took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// From the first byte asked for to the last one there.
    pub(crate) seconds: f64,
    /// Of both ends together, in user and system mode.
    pub(crate) cpu_seconds: f64,
}

/// A start, from which to count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    at: Instant,
    cpu: Duration,
}

impl Start {
    pub(crate) fn now() -> Self {
        Self { at: Instant::now(), cpu: cpu() }
    }

    pub(crate) fn taken(self) -> Taken {
        Taken {
            seconds: self.at.elapsed().as_secs_f64(),
            cpu_seconds: (cpu() - self.cpu).as_secs_f64(),
        }
    }
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap()
}
