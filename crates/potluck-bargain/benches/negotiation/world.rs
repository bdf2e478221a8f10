//! A federation whose rewards are quadratic in the weights θ: each party has an optimum of its own, which is its expert,
//! and minds some directions more than others. The base is where all began.

use potluck_bargain::design::lattice;
use potluck_bargain::surrogate::{Model, Quadratic, suggest};
use potluck_bargain::{MILLION, Shares};

use crate::random::Random;

/// Directions in which weights differ.
const DIMENSIONS: usize = 24;

/// Optima and curvatures.
pub(crate) struct World {
    optima: Vec<Vec<f64>>,
    curvatures: Vec<Vec<f64>>,
}

impl World {
    pub(crate) fn new(parties: usize, random: &mut Random) -> Self {
        let mut each = |of: &mut dyn FnMut(&mut Random) -> f64| -> Vec<Vec<f64>> {
            let mut one = || (0..DIMENSIONS).map(|_| of(random)).collect();
            (0..parties).map(|_| one()).collect()
        };
        // Optima have something in common, or there would be nothing to agree on.
        let mut optima = each(&mut |random| random.normal());
        let common = each(&mut |random| random.normal()).swap_remove(0);
        for optimum in &mut optima {
            optimum.iter_mut().zip(&common).for_each(|(own, common)| *own += common);
        }
        let curvatures = each(&mut |random| (1.4 * random.unit() - 0.7).exp());
        Self { optima, curvatures }
    }

    pub(crate) fn parties(&self) -> usize {
        self.optima.len()
    }

    /// What a soup gives a party: nothing for the base, one for its own expert.
    pub(crate) fn score(&self, party: usize, lambda: &[f64]) -> f64 {
        let (optimum, curvature) = (&self.optima[party], &self.curvatures[party]);
        let loss = |theta: &dyn Fn(usize) -> f64| -> f64 {
            (0..DIMENSIONS).map(|it| curvature[it] * (theta(it) - optimum[it]).powi(2)).sum()
        };
        let mixed = |it: usize| -> f64 {
            lambda.iter().zip(&self.optima).map(|(share, expert)| share * expert[it]).sum()
        };
        1.0 - loss(&mixed) / loss(&|_| 0.0)
    }

    /// The geometric mean of all gains over the base; 0 where somebody gains nothing.
    pub(crate) fn value(&self, lambda: &[f64]) -> f64 {
        let gains = (0..self.parties()).map(|party| self.score(party, lambda).max(0.0));
        gains.product::<f64>().powf(1.0 / self.parties() as f64)
    }

    /// The largest that [`Self::value`] can be.
    pub(crate) fn best(&self) -> f64 {
        let design = lattice(self.parties()).unwrap();
        let model = |party| {
            let scored: Vec<_> =
                design.iter().map(|it| (it, self.score(party, &parts(it)))).collect();
            let scores = Quadratic::fit(&scored).unwrap();
            Model { weight: 1.0, disagreement: 0.0, scores }
        };
        let models: Vec<_> = (0..self.parties()).map(model).collect();
        let found = suggest(&models, &design[..1], &[], 1);
        let found = found.iter().chain(&design).map(|it| self.value(&parts(it)));
        found.fold(0.0, f64::max)
    }
}

/// λ in parts of one.
pub(crate) fn parts(shares: &Shares) -> Vec<f64> {
    shares.ppm().iter().map(|&ppm| f64::from(ppm) / f64::from(MILLION)).collect()
}
