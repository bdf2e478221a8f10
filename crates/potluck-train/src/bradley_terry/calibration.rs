//! Whether a model that says 80 % is right in 80 of 100 pairs.
//!
//! In every pair the first text was chosen, so a pair stands for two predictions: P that it is
//! preferred, and 1 - P that the other is. One of them is at least one half: that is the model's
//! confidence, and it is right when it falls on the chosen text. Confidences are put into ten bins
//! of equal width from 0.5 to 1 (Guo et al. 2017, equations 2 and 3).

use serde::Serialize;

/// The bins of the table.
const BINS: usize = 10;

/// What a model predicted against what was so.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// The mean distance of a bin's confidence from its frequency, weighted by pairs.
    pub ece: f64,
    /// The bins that are not empty, from unsure to sure.
    pub bins: Vec<Bin>,
}

/// The predictions of about one confidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bin {
    /// The least confidence.
    pub from: f64,
    /// The least of the next bin.
    pub to: f64,
    /// How many pairs.
    pub pairs: usize,
    /// The mean confidence.
    pub predicted: f64,
    /// The share of pairs in which it fell on the chosen text.
    pub observed: f64,
}

impl Calibration {
    /// Of differences of scores, chosen minus rejected.
    pub fn of(differences: &[f64]) -> Self {
        let mut sums = [(0usize, 0.0, 0.0); BINS];
        for difference in differences {
            let confidence = sigmoid(difference.abs());
            let bin = ((confidence - 0.5) * 2.0 * BINS as f64) as usize;
            let (pairs, predicted, observed) = &mut sums[bin.min(BINS - 1)];
            *pairs += 1;
            *predicted += confidence;
            *observed += right(*difference);
        }
        let edge = |bin: usize| 0.5 + 0.5 * bin as f64 / BINS as f64;
        let bins = sums.iter().enumerate().filter(|(_, (pairs, ..))| *pairs > 0);
        let bins: Vec<Bin> = bins
            .map(|(bin, &(pairs, predicted, observed))| Bin {
                from: edge(bin),
                to: edge(bin + 1),
                pairs,
                predicted: predicted / pairs as f64,
                observed: observed / pairs as f64,
            })
            .collect();
        let apart = bins.iter().map(|bin| bin.pairs as f64 * (bin.predicted - bin.observed).abs());
        Self { ece: apart.sum::<f64>() / differences.len().max(1) as f64, bins }
    }
}

/// One where the chosen text has the higher score, and half of it where both have the same.
pub(super) fn right(difference: f64) -> f64 {
    match difference.total_cmp(&0.0) {
        _ if difference == 0.0 => 0.5,
        std::cmp::Ordering::Greater => 1.0,
        _ => 0.0,
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_knows_nothing_is_calibrated() {
        let calibration = Calibration::of(&[0.0; 8]);
        assert_eq!(calibration.ece, 0.0);
        let bin = &calibration.bins[0];
        assert_eq!((bin.pairs, bin.predicted, bin.observed), (8, 0.5, 0.5));
    }

    #[test]
    fn confidence_is_held_against_frequency() {
        // Four in five sure to 80 %, and two sure to nearly 100 %, one of them in vain.
        let sure = 4f64.ln();
        let calibration = Calibration::of(&[sure, sure, sure, sure, -sure, 40.0, -40.0]);
        let [eighty, certain] = &calibration.bins[..] else { panic!("{calibration:?}") };
        assert!((eighty.predicted - 0.8).abs() < 1e-12 && (eighty.observed - 0.8).abs() < 1e-12);
        assert_eq!((certain.pairs, certain.observed, certain.to), (2, 0.5, 1.0));
        assert!((calibration.ece - 2.0 * 0.5 / 7.0).abs() < 1e-9, "{calibration:?}");
        assert_eq!(Calibration::of(&[]).ece, 0.0);
    }
}
