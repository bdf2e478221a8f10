//! What happens when the disk fails: writing stops, and the process ends and says so.
//!
//! After a failed fsync nobody knows what the disk holds, and a second fsync may claim success over lost
//! pages. So nothing is tried again: the first failure is remembered, every later write is refused, and
//! `main` ends the process. The next start reads what is durable, which is all that was ever acknowledged.

use std::fmt;
use std::sync::OnceLock;

use potluck_core::{Code, Refusal};
use tokio::sync::Notify;

/// The first failure to make something durable, if there was one.
#[derive(Debug, Default)]
pub struct Fault {
    first: OnceLock<String>,
    raised: Notify,
}

impl Fault {
    /// Remembers that `attempt` failed, wakes [`Self::wait`], and gives the author's answer.
    pub fn raise(&self, attempt: &str, error: &dyn fmt::Display) -> Refusal {
        tracing::error!(attempt, %error, "the store failed; no more writes");
        // Only the first failure is kept: what fails after it is its consequence.
        let _ = self.first.set(format!("{attempt}: {error}"));
        self.raised.notify_one();
        stopped()
    }

    /// Lets a write begin.
    ///
    /// # Errors
    /// `internal` once something failed.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.first.get().is_some() { Err(stopped()) } else { Ok(()) }
    }

    /// The first failure, if there was one.
    pub fn first(&self) -> Option<&str> {
        self.first.get().map(String::as_str)
    }

    /// Waits for the first failure and says what it was. One caller at a time.
    pub async fn wait(&self) -> String {
        loop {
            if let Some(first) = self.first.get() {
                return first.clone();
            }
            // A permit is kept when it is raised between the two lines.
            self.raised.notified().await;
        }
    }
}

fn stopped() -> Refusal {
    Refusal::new(Code::Internal, "the aggregator cannot write to its store and takes nothing more")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_failure_stays() {
        let fault = Fault::default();
        assert_eq!(fault.check(), Ok(()));
        assert_eq!(fault.raise("append", &"disk full").code, Code::Internal);
        fault.raise("append", &"closed");
        assert_eq!(fault.check().unwrap_err().code, Code::Internal);
        assert_eq!(fault.wait().await, "append: disk full");
    }
}
