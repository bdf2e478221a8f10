//! This machine's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::failure::Failure;

/// Seconds since 1970-01-01 UTC.
pub(crate) fn now() -> Result<u64, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map(|since| since.as_secs()).map_err(|_| Failure::system("the clock stands before 1970"))
}
