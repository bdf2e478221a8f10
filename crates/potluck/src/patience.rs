//! Coming back when an aggregator that has no place says so.
//!
//! A refusal that names a time is asked again then, the same way, as long as all the waiting together stays within
//! ten minutes; a longer wait is left to whoever runs the command. Nothing that was transferred is sent again.

use std::time::Duration;

use potluck_net::{CallError, ConnectError};
use tokio::time::sleep;

use crate::failure::warn;

/// The most that a command waits in all.
const PATIENCE: Duration = Duration::from_secs(600);

/// The longest single wait: past it somebody has to do something first.
const LONGEST: Duration = Duration::from_secs(60);

/// Makes a call, and makes it again when it was told to come back.
pub(crate) async fn patiently<T>(
    call: impl AsyncFnMut() -> Result<T, CallError>,
) -> Result<T, CallError> {
    retrying(call, |error| match error {
        CallError::Refused(refusal) => refusal.retry_after,
        _ => None,
    })
    .await
}

/// Connects, and tries again where there was no place.
pub(crate) async fn connecting<T>(
    connect: impl AsyncFnMut() -> Result<T, ConnectError>,
) -> Result<T, ConnectError> {
    retrying(connect, |error| match error {
        ConnectError::Full { retry_after, .. } => Some(*retry_after),
        _ => None,
    })
    .await
}

async fn retrying<T, E: std::error::Error>(
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
    again: impl Fn(&E) -> Option<u32>,
) -> Result<T, E> {
    let mut waited = Duration::ZERO;
    loop {
        let error = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let Some(wait) = again(&error).map(|seconds| Duration::from_secs(seconds.into())) else {
            return Err(error);
        };
        if wait > LONGEST || waited + wait > PATIENCE {
            return Err(error);
        }
        warn(format_args!("{error}: waiting {} s", wait.as_secs()));
        sleep(wait).await;
        waited += wait;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_core::{Code, Refusal};
    use tokio::time::Instant;

    fn busy(seconds: u32) -> CallError {
        CallError::Refused(Refusal::new(Code::Busy, "later").retry_after(seconds))
    }

    /// How often it was asked and for how long, where each answer refuses for so many seconds.
    async fn asked(seconds: u32, refusals: u32) -> (u32, Duration, bool) {
        let (begun, mut count) = (Instant::now(), 0);
        let answer = patiently(async || {
            count += 1;
            if count > refusals { Ok(()) } else { Err(busy(seconds)) }
        });
        let is_done = answer.await.is_ok();
        (count, begun.elapsed(), is_done)
    }

    #[tokio::test(start_paused = true)]
    async fn it_comes_back_when_it_was_told_to_and_not_for_ever() {
        assert_eq!(asked(30, 2).await, (3, Duration::from_secs(60), true));
        assert_eq!(asked(30, 100).await, (21, PATIENCE, false));
        assert_eq!(asked(600, 100).await, (1, Duration::ZERO, false));
    }

    #[tokio::test(start_paused = true)]
    async fn other_refusals_are_final() {
        let mut count = 0;
        let refused = patiently(async || {
            count += 1;
            Err::<(), _>(CallError::Refused(Refusal::new(Code::Busy, "no time is named")))
        });
        refused.await.unwrap_err();
        assert_eq!(count, 1);
        let full = || ConnectError::Full { address: "here".into(), retry_after: 10 };
        let mut count = 0;
        let connected = connecting(async || {
            count += 1;
            if count > 3 { Ok(()) } else { Err(full()) }
        });
        connected.await.unwrap();
        assert_eq!(count, 4);
    }
}
