//! A name for each request, by which all that is said of it can be found in a log.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The name of one request: sixteen hexadecimal digits that this process gives to no other one, and that another process
/// would give by chance alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(u64);

impl RequestId {
    /// A new one.
    #[must_use]
    pub fn fresh() -> Self {
        static CAME: AtomicU64 = AtomicU64::new(0);
        static SEED: OnceLock<u64> = OnceLock::new();
        // What the system gave to make hash tables unpredictable: enough to tell one start of the program from another.
        let seed = SEED.get_or_init(|| RandomState::new().hash_one(std::process::id()));
        // The odd factor permutes all numbers, so that none comes twice and neighbours look different.
        let came = CAME.fetch_add(1, Ordering::Relaxed);
        Self(seed.wrapping_add(came).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn none_comes_twice() {
        let names: HashSet<_> = (0..1000).map(|_| RequestId::fresh().to_string()).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| name.len() == 16));
    }
}
