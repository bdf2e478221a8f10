//! What a batch's scores come to: the total of each sample, and each reward's part in it.

use std::collections::BTreeMap;

/// A batch, scored.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Each sample's weighted sum over the rewards that scored it; `None` where none did.
    pub total: Vec<Option<f64>>,
    /// Each reward's part, in the order of the list.
    pub parts: Vec<Part>,
}

/// One reward's part: its scores as it gave them, before clipping, whitening and weighting.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The reward's name.
    pub name: String,
    /// Its weight in the total.
    pub weight: f64,
    /// Its score of each sample.
    pub scores: Vec<Option<f64>>,
    /// The mean of the scores; 0 where there is none.
    pub mean: f64,
    /// Their standard deviation, with one degree of freedom less; 0 for fewer than two.
    pub std: f64,
    /// The least of them; 0 where there is none.
    pub min: f64,
    /// The greatest of them; 0 where there is none.
    pub max: f64,
    /// How many samples it was asked about and did not score.
    pub unscored: usize,
    /// What else the program behind it reports.
    pub metrics: BTreeMap<String, f64>,
}

impl Part {
    /// The part with its statistics.
    pub(super) fn new(
        name: &str,
        weight: f64,
        scores: Vec<Option<f64>>,
        unscored: usize,
        metrics: BTreeMap<String, f64>,
    ) -> Self {
        let known: Vec<f64> = scores.iter().copied().flatten().collect();
        let count = known.len() as f64;
        let mean = if known.is_empty() { 0.0 } else { known.iter().sum::<f64>() / count };
        let squares: f64 = known.iter().map(|score| (score - mean).powi(2)).sum();
        let std = if known.len() < 2 { 0.0 } else { (squares / (count - 1.0)).sqrt() };
        let extreme = |choose: fn(f64, f64) -> f64| known.iter().copied().reduce(choose);
        let (min, max) = (extreme(f64::min).unwrap_or(0.0), extreme(f64::max).unwrap_or(0.0));
        Self { name: name.to_owned(), weight, scores, mean, std, min, max, unscored, metrics }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_over_what_was_scored() {
        let scores = vec![Some(1.0), None, Some(3.0)];
        let part = Part::new("a", 1.0, scores, 1, BTreeMap::new());
        assert_eq!((part.mean, part.min, part.max, part.unscored), (2.0, 1.0, 3.0, 1));
        assert!((part.std - 2.0_f64.sqrt()).abs() < 1e-15);
        let part = Part::new("a", 1.0, vec![None], 1, BTreeMap::new());
        assert_eq!((part.mean, part.std, part.min, part.max), (0.0, 0.0, 0.0, 0.0));
    }
}
