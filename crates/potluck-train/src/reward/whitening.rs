//! Whitening: a reward's running mean and spread, so that rewards of different scales can be added.
//!
//! Welford's recurrence, in the order of the samples, so that the state after a batch is a function
//! of the scores alone and a resumed run goes on to the same bits.

use serde_json::{Value, json};

/// Added to the standard deviation, against a division by 0.
const EPSILON: f64 = 1e-8;

/// Mean and spread of all scores so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Whitening {
    count: u64,
    mean: f64,
    /// The sum of squared distances from the mean.
    squares: f64,
}

impl Whitening {
    /// Takes in one more score.
    pub(super) fn add(&mut self, score: f64) {
        self.count += 1;
        let off = score - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (score - self.mean);
    }

    /// The distance of a score from the mean, in standard deviations; 0 before there is a spread.
    pub(super) fn whitened(&self, score: f64) -> f64 {
        if self.squares == 0.0 {
            return 0.0;
        }
        let deviation = (self.squares / (self.count - 1) as f64).sqrt();
        (score - self.mean) / (deviation + EPSILON)
    }

    /// The state, its numbers as the bits of binary64 in hexadecimal.
    pub(super) fn state(&self) -> Value {
        let bits = |number: f64| format!("{:016x}", number.to_bits());
        json!({"count": self.count, "mean": bits(self.mean), "squares": bits(self.squares)})
    }

    /// The state that [`Self::state`] wrote; `None` where it is not one.
    pub(super) fn restored(state: &Value) -> Option<Self> {
        let number = |key| {
            let text = state.get(key)?.as_str().filter(|text| text.len() == 16)?;
            let number = f64::from_bits(u64::from_str_radix(text, 16).ok()?);
            number.is_finite().then_some(number)
        };
        let whitening = Self {
            count: state.get("count")?.as_u64()?,
            mean: number("mean")?,
            squares: number("squares")?,
        };
        // A spread needs two scores, and is no negative number.
        let is_sound = whitening.squares == 0.0 || (whitening.squares > 0.0 && whitening.count > 1);
        is_sound.then_some(whitening)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_known_answer() {
        let mut whitening = Whitening::default();
        assert_eq!(whitening.whitened(3.0), 0.0);
        for score in [1.0, 2.0, 3.0, 4.0] {
            whitening.add(score);
        }
        // mean 2.5, standard deviation √(5/3)
        let expected = 1.5 / ((5.0_f64 / 3.0).sqrt() + EPSILON);
        assert!((whitening.whitened(4.0) - expected).abs() < 1e-15);
    }

    #[test]
    fn a_foreign_state_is_refused() {
        for state in [
            json!({}),
            json!({"count": 1, "mean": "7ff8000000000000", "squares": "0000000000000000"}),
            json!({"count": 1, "mean": "0", "squares": "0000000000000000"}),
            json!({"count": -1, "mean": "0000000000000000", "squares": "0000000000000000"}),
            json!({"count": 1, "mean": "0000000000000000", "squares": "3ff0000000000000"}),
            json!({"count": 2, "mean": "0000000000000000", "squares": "bff0000000000000"}),
        ] {
            assert_eq!(Whitening::restored(&state), None, "{state}");
        }
    }

    proptest! {
        #[test]
        fn what_is_restored_goes_on_to_the_same_bits(
            scores in proptest::collection::vec(-1e3..1e3f64, 0..40), cut in 0usize..40,
        ) {
            let cut = cut.min(scores.len());
            let mut whole = Whitening::default();
            scores.iter().for_each(|score| whole.add(*score));
            let mut first = Whitening::default();
            scores[..cut].iter().for_each(|score| first.add(*score));
            let text = first.state().to_string();
            let mut second =
                Whitening::restored(&serde_json::from_str(&text).unwrap()).unwrap();
            scores[cut..].iter().for_each(|score| second.add(*score));
            prop_assert_eq!(whole.state(), second.state());
        }
    }
}
