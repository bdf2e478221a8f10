//! Means over seeds and prompts, their bootstrap intervals, rank correlation.
//!
//! Seeds are drawn with replacement, and in each drawn seed its prompts, the same prompts for every candidate
//! and reward: the interval holds the spread of trainings as well as that of prompts. Tests hold all of it against what
//! numpy, scipy and moocore say of the same numbers.

use super::study::Seen;

/// How often the bootstrap draws.
const DRAWS: usize = 1000;

/// The mean of every candidate's scores in one seed.
#[derive(Debug, Clone)]
pub(crate) struct Means {
    /// By candidate, then reward.
    pub(crate) scores: Vec<Vec<f64>>,
    /// By candidate, then measure.
    pub(crate) measures: Vec<Vec<f64>>,
    /// By candidate.
    pub(crate) collapsed: Vec<f64>,
}

impl Means {
    /// Over the prompts of these numbers.
    pub(crate) fn over(seen: &Seen, prompts: &[usize]) -> Self {
        let all = |rows: &[Vec<f64>]| rows.iter().map(|row| mean_at(row, prompts)).collect();
        Self {
            scores: seen.candidates.iter().map(|it| all(&it.scores)).collect(),
            measures: seen.candidates.iter().map(|it| all(&it.measures)).collect(),
            collapsed: seen.candidates.iter().map(|it| mean_at(&it.collapsed, prompts)).collect(),
        }
    }

    /// Over all prompts.
    pub(crate) fn of(seen: &Seen) -> Self {
        Self::over(seen, &(0..seen.prompts()).collect::<Vec<_>>())
    }
}

fn mean_at(values: &[f64], places: &[usize]) -> f64 {
    places.iter().map(|&place| values[place]).sum::<f64>() / places.len().max(1) as f64
}

/// The arithmetic mean; 0 of nothing.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The standard error of a mean.
pub(crate) fn standard_error(values: &[f64]) -> f64 {
    let (count, mean) = (values.len() as f64, mean(values));
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (count - 1.0).max(1.0) / count.max(1.0)).sqrt()
}

/// Figures of a study, each with the interval in which 95 of 100 draws lie. `figures` computes them from the
/// drawn seeds' means; what is not finite in a draw (a range that came out as nothing) is left out of it.
pub(crate) fn bootstrap(
    seeds: &[Seen],
    figures: impl Fn(&[(&Seen, Means)]) -> Vec<f64>,
) -> Vec<[f64; 2]> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut drawn: Vec<Vec<f64>> = Vec::new();
    for _ in 0..DRAWS {
        let sample: Vec<(&Seen, Means)> = (0..seeds.len())
            .map(|_| {
                let seen = &seeds[random.below(seeds.len())];
                let count = seen.prompts();
                let prompts: Vec<usize> = (0..count).map(|_| random.below(count)).collect();
                (seen, Means::over(seen, &prompts))
            })
            .collect();
        let values = figures(&sample);
        drawn.resize_with(values.len(), Vec::new);
        for (all, value) in drawn.iter_mut().zip(values) {
            all.extend(value.is_finite().then_some(value));
        }
    }
    drawn.into_iter().map(interval).collect()
}

/// From the 2.5th to the 97.5th percentile.
fn interval(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    [percentile(&values, 2.5), percentile(&values, 97.5)]
}

/// As numpy's, between the two nearest by a straight line; `sorted` is in ascending order.
pub(crate) fn percentile(sorted: &[f64], per_cent: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = per_cent / 100.0 * last as f64;
    let (low, share) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(last);
    sorted[low] + (sorted[high] - sorted[low]) * share
}

/// Spearman's rank correlation; equal values share the mean of their ranks.
pub(crate) fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    let (of_a, of_b) = (mean(&a), mean(&b));
    let product = |x: &[f64], of_x: f64, y: &[f64], of_y: f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - of_x) * (y - of_y)).sum()
    };
    product(&a, of_a, &b, of_b) / (product(&a, of_a, &a, of_a) * product(&b, of_b, &b, of_b)).sqrt()
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count() as f64;
        let equal = values.iter().filter(|other| *other == value).count() as f64;
        below + (equal + 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

/// Xorshift64*: enough for a bootstrap, and the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        // The high half times the bound: a number below it.
        ((u128::from(bits) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests;
