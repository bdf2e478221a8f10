//! From an evaluator's scores to a ballot: gains over no deal, as parts of the party's own range.
//!
//! The zero is what the party has without a deal; a million is its best gain in the first batch, and stays that for the round.
//! So every rule that does not look at scale decides as it would by the raw scores, which nobody else sees.

use potluck_core::entry::{MAX_SCORE, Row};

use super::judge::mean_and_error;
use super::notebook::Verdict;

/// A gain over no deal, in the evaluator's units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gain {
    /// The gain.
    pub(super) mean: f64,
    /// Its standard error; paired by prompt where both were scored on the same ones.
    pub(super) error: f64,
}

/// What a model gains over no deal: over `zero`, or over `reserve` where that is higher.
pub(super) fn gain(model: &Verdict, zero: &Verdict, reserve: Option<f64>) -> Gain {
    if let Some(reserve) = reserve.filter(|reserve| *reserve > zero.mean) {
        return Gain { mean: model.mean - reserve, error: model.error };
    }
    if model.scores.len() == zero.scores.len() && model.scores.len() > 1 {
        let differences: Vec<_> =
            model.scores.iter().zip(&zero.scores).map(|(a, b)| a - b).collect();
        let (mean, error) = mean_and_error(&differences);
        return Gain { mean, error };
    }
    Gain { mean: model.mean - zero.mean, error: model.error.hypot(zero.error) }
}

/// What a million is: the best gain, or where nothing is gained the largest loss.
pub(super) fn unit(gains: &[Gain]) -> f64 {
    let best = gains.iter().map(|gain| gain.mean).fold(0.0, f64::max);
    let largest = gains.iter().map(|gain| gain.mean.abs()).fold(0.0, f64::max);
    match (best > 0.0, largest > 0.0) {
        (true, _) => best,
        (false, true) => largest,
        (false, false) => 1.0,
    }
}

/// The row of a candidate. A gain that rounds to nothing is none.
pub(super) fn row(gain: Gain, unit: f64, accept: bool) -> Row {
    let ppm = |value: f64| (value / unit * 1e6).round();
    #[expect(clippy::cast_possible_truncation, reason = "clamped to what a ballot takes")]
    let score = ppm(gain.mean).clamp(-(MAX_SCORE as f64), MAX_SCORE as f64) as i64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to what a ballot takes"
    )]
    let error = ppm(gain.error).clamp(0.0, MAX_SCORE as f64) as u32;
    Row { score, error, accept }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn verdict(scores: &[f64]) -> Verdict {
        let (mean, error) = mean_and_error(scores);
        Verdict { mean, error, prompts: 3, scores: scores.to_vec(), samples: Vec::new() }
    }

    #[test]
    fn gains_are_paired_by_prompt_where_they_can_be() {
        let (zero, model) = (verdict(&[1.0, 5.0, 9.0]), verdict(&[2.0, 6.0, 10.0]));
        assert_eq!(gain(&model, &zero, None), Gain { mean: 1.0, error: 0.0 });
        // A reserve below the base is none; one above it is the zero.
        assert_eq!(gain(&model, &zero, Some(3.0)), Gain { mean: 1.0, error: 0.0 });
        assert_eq!(gain(&model, &zero, Some(5.5)).mean, 0.5);
        let alone = Verdict { scores: Vec::new(), ..model };
        assert!(gain(&alone, &zero, None).error > 3.0);
    }

    #[test]
    fn a_million_is_the_best_gain() {
        let gains = [-3.0, 0.5, 2.0].map(|mean| Gain { mean, error: 0.1 });
        assert_eq!(unit(&gains), 2.0);
        assert_eq!(row(gains[0], 2.0, true).score, -1_500_000);
        assert_eq!(row(gains[2], 2.0, true), Row { score: 1_000_000, error: 50_000, accept: true });
        assert_eq!(unit(&[-4.0, -1.0].map(|mean| Gain { mean, error: 0.0 })), 4.0);
        assert_eq!(unit(&[Gain { mean: 0.0, error: 0.0 }]), 1.0);
        assert_eq!(row(Gain { mean: 1e300, error: 1e300 }, 1e-9, true).score, MAX_SCORE);
    }

    proptest! {
        /// Scale and shift of a party's scores leave its ballot as it is.
        #[test]
        fn raw_scores_do_not_show(
            scores in prop::collection::vec(-1.0f64..1.0, 4), scale in 0.01f64..1000.0, shift in -50.0f64..50.0,
        ) {
            let rows = |change: &dyn Fn(f64) -> f64| {
                let at = |value: f64| Verdict {
                    mean: change(value), error: 0.0, prompts: 1, scores: Vec::new(), samples: Vec::new(),
                };
                let zero = at(0.0);
                let gains: Vec<_> = scores.iter().map(|it| gain(&at(*it), &zero, None)).collect();
                let unit = unit(&gains);
                gains.into_iter().map(|it| row(it, unit, true).score).collect::<Vec<_>>()
            };
            let (plain, moved) = (rows(&|it| it), rows(&|it| it * scale + shift));
            for (a, b) in plain.iter().zip(&moved) {
                // Up to rounding: shifting a double loses its last digits.
                let close = (1 + a.abs() / 1_000_000) * 10_000;
                prop_assert!((a - b).abs() <= close, "{plain:?} {moved:?}");
            }
        }
    }
}
