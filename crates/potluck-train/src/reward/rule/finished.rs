//! `finished`: whether the completion came to its end.

use super::super::error::Unscored;
use super::super::sample::Sample;
use super::Rule;

/// 1 where an end token or a stop string ended it, 0 where the limit of tokens did.
#[derive(Debug)]
pub(super) struct Finished;

impl Rule for Finished {
    fn score(&self, sample: &Sample) -> Result<f64, Unscored> {
        Ok(f64::from(u8::from(sample.is_finished)))
    }
}
