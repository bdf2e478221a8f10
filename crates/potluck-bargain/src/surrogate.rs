//! A model of the scores, quadratic in λ, which suggests candidates and decides nothing.
//!
//! Where a reward is quadratic in the weights θ, its value along soups is quadratic in λ. Scheffé's form of that,
//! ŷ(λ) = Σ βᵢλᵢ + Σ_{i<j} βᵢⱼλᵢλⱼ, is fitted by least squares to what a party scored (the same idea as MAP, Li et al.,
//! ICLR 2025, arXiv:2406.07529). Floats are at home here: whatever is suggested is scored before it counts.

use crate::design::pairs;
use crate::shares::{MILLION, Shares};

/// A party's scores as a quadratic in λ.
#[derive(Debug, Clone, PartialEq)]
pub struct Quadratic {
    linear: Vec<f64>,
    /// One a pair of coordinates, in the order of [`pairs`].
    mixed: Vec<f64>,
}

/// One party's model beside what counts for it: its weight, and its score without a deal.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The party's weight.
    pub weight: f64,
    /// Its score without a deal.
    pub disagreement: f64,
    /// Its scores.
    pub scores: Quadratic,
}

/// Keeps the normal equations solvable where there are fewer scores than terms.
const RIDGE: f64 = 1e-9;

/// A suggestion is at least so far from everything evaluated, in ℓ1 (parts of one).
const APART: f64 = 0.02;

/// Steps of the grid that the search begins with: 11, 66, 286, … points for 2, 3, 4, … parties.
const GRID: u32 = 10;

/// How many points of the grid are refined.
const STARTS: usize = 6;

impl Quadratic {
    /// Fits the scores of evaluated λ by least squares; in units of the scores.
    ///
    /// Returns `None` where there are no scores, λ of different lengths, or numbers that are not finite.
    pub fn fit(scored: &[(&Shares, f64)]) -> Option<Self> {
        let width = scored.first()?.0.ppm().len();
        let sound =
            |(shares, score): &(&Shares, f64)| shares.ppm().len() == width && score.is_finite();
        if !scored.iter().all(sound) {
            return None;
        }
        let terms = width * (width + 1) / 2;
        let (mut matrix, mut right) = (vec![vec![0.0; terms]; terms], vec![0.0; terms]);
        for (shares, score) in scored {
            let row = terms_of(&parts(shares));
            for a in 0..terms {
                right[a] += row[a] * score;
                for b in 0..terms {
                    matrix[a][b] += row[a] * row[b];
                }
            }
        }
        let scale = (0..terms).map(|it| matrix[it][it]).fold(0.0, f64::max);
        (0..terms).for_each(|it| matrix[it][it] += RIDGE * scale);
        let mut linear = solve(matrix, right)?;
        let mixed = linear.split_off(width);
        Some(Self { linear, mixed })
    }

    /// The modelled score of λ, given as parts of one.
    pub fn at(&self, lambda: &[f64]) -> f64 {
        let coefficients = self.linear.iter().chain(&self.mixed);
        terms_of(lambda).iter().zip(coefficients).map(|(term, beta)| term * beta).sum()
    }

    /// βᵢ, and βᵢⱼ in the order (0, 1), (0, 2), …, (1, 2), ….
    pub fn coefficients(&self) -> (&[f64], &[f64]) {
        (&self.linear, &self.mixed)
    }
}

/// Up to `count` λ that were not evaluated yet and that the models promise most of, by the weighted Nash product of gains.
///
/// `bounds` are the least and largest shares, in parts per million; empty where there are none. Nothing is suggested where the
/// models see no gain for all.
pub fn suggest(
    models: &[Model],
    evaluated: &[Shares],
    bounds: &[(u32, u32)],
    count: usize,
) -> Vec<Shares> {
    let Some(width) = evaluated.first().map(|shares| shares.ppm().len()) else { return Vec::new() };
    let fits = |lambda: &[f64]| {
        let within = |(share, bounds): (&f64, &(u32, u32))| {
            let ppm = share * f64::from(MILLION);
            ppm >= f64::from(bounds.0) && ppm <= f64::from(bounds.1)
        };
        lambda.iter().zip(bounds).all(within)
    };
    let mut taken: Vec<Vec<f64>> = evaluated.iter().map(parts).collect();
    let mut grid: Vec<_> = lattice_points(width, GRID)
        .into_iter()
        .filter(|lambda| fits(lambda))
        .filter_map(|lambda| Some((promise(models, &lambda)?, lambda)))
        .collect();
    grid.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut peaks: Vec<_> = grid
        .iter()
        .take(STARTS)
        .map(|(_, start)| climb(models, start.clone(), &fits))
        .filter_map(|lambda| Some((promise(models, &lambda)?, lambda)))
        .collect();
    // The best first; around them, what the grid has near by.
    peaks.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut suggested = Vec::new();
    for (_, lambda) in peaks.into_iter().chain(grid) {
        if suggested.len() == count {
            break;
        }
        let far = |other: &Vec<f64>| distance(other, &lambda) >= APART;
        let Some(shares) = rounded(&lambda).filter(|_| taken.iter().all(far)) else { continue };
        taken.push(lambda);
        suggested.push(shares);
    }
    suggested
}

/// Σ wᵢ ln gᵢ of the modelled gains; nothing where one of them is not positive.
fn promise(models: &[Model], lambda: &[f64]) -> Option<f64> {
    let mut sum = 0.0;
    for model in models {
        let gain = model.scores.at(lambda) - model.disagreement;
        if gain.is_nan() || gain <= 0.0 {
            return None;
        }
        sum += model.weight * gain.ln();
    }
    Some(sum)
}

/// Moves shares from one coordinate to another, in ever smaller steps, as long as that promises more.
fn climb(models: &[Model], start: Vec<f64>, fits: &impl Fn(&[f64]) -> bool) -> Vec<f64> {
    let (mut best, mut step) = (start, 0.05);
    let Some(mut value) = promise(models, &best) else { return best };
    while step > 1e-4 {
        let mut moved = false;
        for from in 0..best.len() {
            for to in (0..best.len()).filter(|&to| to != from) {
                let part = best[from].min(step);
                let mut next = best.clone();
                (next[from], next[to]) = (best[from] - part, best[to] + part);
                if let Some(found) = promise(models, &next).filter(|_| fits(&next))
                    && found > value + 1e-12
                {
                    (best, value, moved) = (next, found, true);
                }
            }
        }
        if !moved {
            step /= 2.0;
        }
    }
    best
}

fn parts(shares: &Shares) -> Vec<f64> {
    shares.ppm().iter().map(|&ppm| f64::from(ppm) / f64::from(MILLION)).collect()
}

fn rounded(lambda: &[f64]) -> Option<Shares> {
    // Far finer than a part per million, and far from overflowing.
    let weights: Vec<u128> = lambda.iter().map(|part| (part.max(0.0) * 1e12) as u128).collect();
    Shares::from_weights(&weights)
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
}

/// λᵢ, then λᵢλⱼ.
fn terms_of(lambda: &[f64]) -> Vec<f64> {
    let mixed = pairs(lambda.len()).map(|(a, b)| lambda[a] * lambda[b]);
    lambda.iter().copied().chain(mixed).collect()
}

/// Every point of the simplex whose shares are whole parts of `steps`.
fn lattice_points(width: usize, steps: u32) -> Vec<Vec<f64>> {
    fn extend(rest: u32, left: usize, steps: u32, begun: &mut Vec<f64>, all: &mut Vec<Vec<f64>>) {
        if left == 1 {
            begun.push(f64::from(rest) / f64::from(steps));
            all.push(begun.clone());
            begun.pop();
            return;
        }
        for part in 0..=rest {
            begun.push(f64::from(part) / f64::from(steps));
            extend(rest - part, left - 1, steps, begun, all);
            begun.pop();
        }
    }
    let mut all = Vec::new();
    if width > 0 {
        extend(steps, width, steps, &mut Vec::with_capacity(width), &mut all);
    }
    all
}

/// Solves a symmetric positive definite system by Cholesky's decomposition; nothing where it is not one.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let size = right.len();
    for a in 0..size {
        for b in 0..=a {
            let dot: f64 = (0..b).map(|it| matrix[a][it] * matrix[b][it]).sum();
            let rest = matrix[a][b] - dot;
            if a == b {
                if rest.is_nan() || rest <= 0.0 {
                    return None;
                }
                matrix[a][a] = rest.sqrt();
            } else {
                matrix[a][b] = rest / matrix[b][b];
            }
        }
    }
    for a in 0..size {
        let dot: f64 = (0..a).map(|it| matrix[a][it] * right[it]).sum();
        right[a] = (right[a] - dot) / matrix[a][a];
    }
    for a in (0..size).rev() {
        let dot: f64 = (a + 1..size).map(|it| matrix[it][a] * right[it]).sum();
        right[a] = (right[a] - dot) / matrix[a][a];
    }
    right.iter().all(|it| it.is_finite()).then_some(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::design::lattice;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn the_lattice_determines_scheffes_quadratic() {
        // y = (1, .2, .4) at the vertices, .9, .95, .5 at the midpoints.
        let design = lattice(3).unwrap();
        let scores = [1.0, 0.2, 0.4, 0.9, 0.95, 0.5];
        let scored: Vec<_> = design.iter().zip(scores).collect();
        let model = Quadratic::fit(&scored).unwrap();
        let (linear, mixed) = model.coefficients();
        assert!(linear.iter().zip([1.0, 0.2, 0.4]).all(|(found, known)| close(*found, known)));
        assert!(
            mixed.iter().zip([1.2, 1.0, 0.8]).all(|(found, known)| close(*found, known)),
            "{mixed:?}"
        );
        assert!(close(model.at(&[1.0 / 3.0; 3]), 0.866_667));
        assert!(close(model.at(&[0.2, 0.3, 0.5]), 0.752));
    }

    /// A party whose score falls with the square of the distance from its own λ.
    fn party(width: usize, own: usize, reach: f64) -> Model {
        let score = |lambda: &[f64]| -> f64 {
            let apart = lambda.iter().enumerate().map(|(it, share)| {
                let wanted = if it == own { 1.0 } else { 0.0 };
                (share - wanted).powi(2)
            });
            reach - apart.sum::<f64>()
        };
        let design = lattice(width).unwrap();
        let scored: Vec<_> = design.iter().map(|it| (it, score(&parts(it)))).collect();
        Model { weight: 1.0, disagreement: 0.0, scores: Quadratic::fit(&scored).unwrap() }
    }

    #[test]
    fn the_suggestion_is_where_the_product_of_gains_is_largest() {
        // Two parties of equal reach meet in the middle; known from the closed form, 4x³ − 6x² − x + 1 = 0.
        let design = [[1, 0], [0, 1]].map(|weights| Shares::from_weights(&weights).unwrap());
        let even = [party(2, 0, 2.0), party(2, 1, 2.0)];
        let found = suggest(&even, &design, &[], 4);
        assert_eq!(found.len(), 4);
        assert!(found[0].ppm()[0].abs_diff(500_000) < 2_000, "{found:?}");
        let uneven = [party(2, 0, 2.0), party(2, 1, 1.0)];
        let found = suggest(&uneven, &design, &[], 1);
        assert!(found[0].ppm()[0].abs_diff(372_949) < 2_000, "{found:?}");
        // Bounds keep it in; what was evaluated is not suggested again; who gains nothing is not forced.
        let bounds = [(600_000, MILLION), (0, MILLION)];
        let found = suggest(&even, &design, &bounds, 1);
        assert!(found[0].ppm()[0] >= 600_000, "{found:?}");
        let middle = Shares::from_weights(&[1, 1]).unwrap();
        let again = suggest(&even, std::slice::from_ref(&middle), &[], 3);
        assert!(!again.contains(&middle));
        let greedy = [party(2, 0, 0.4), party(2, 1, 0.4)];
        assert_eq!(suggest(&greedy, &design, &[], 4), []);
    }

    #[test]
    fn what_cannot_be_fitted_gives_no_model() {
        let half = Shares::from_weights(&[1, 1]).unwrap();
        let third = Shares::from_weights(&[1, 1, 1]).unwrap();
        assert_eq!(Quadratic::fit(&[]), None);
        assert_eq!(Quadratic::fit(&[(&half, f64::NAN)]), None);
        assert_eq!(Quadratic::fit(&[(&half, 1.0), (&third, 1.0)]), None);
        // One score alone is fitted, if badly.
        assert!(
            Quadratic::fit(&[(&half, 1.0)]).is_some_and(|model| close(model.at(&[0.5, 0.5]), 1.0))
        );
    }
}
