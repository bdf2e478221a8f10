//! AdamW (Loshchilov and Hutter 2019, algorithm 2), with moments that can be saved.
//!
//! Libtorch's own optimiser keeps its moments to itself, so a run could not resume exactly.

use tch::Tensor;

use crate::allocator::give_back_at_times;

const EPSILON: f64 = 1e-8;

/// How slowly the moments forget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Betas {
    /// Of the mean of gradients.
    pub first: f64,
    /// Of the mean of their squares.
    pub second: f64,
}

impl Default for Betas {
    fn default() -> Self {
        Self { first: 0.9, second: 0.99 }
    }
}

/// The optimiser's moments.
#[derive(Debug)]
pub struct AdamW {
    betas: Betas,
    /// Steps taken.
    pub taken: u64,
    /// The mean of gradients, one tensor a weight.
    pub first: Vec<Tensor>,
    /// The mean of squared gradients.
    pub second: Vec<Tensor>,
}

impl AdamW {
    /// Moments of zero for `weights`.
    pub fn new<'a>(weights: impl IntoIterator<Item = &'a Tensor>, betas: Betas) -> Self {
        let weights: Vec<&Tensor> = weights.into_iter().collect();
        let zeros = || weights.iter().map(|weight| weight.zeros_like().detach()).collect();
        Self { betas, taken: 0, first: zeros(), second: zeros() }
    }

    /// Moments that a state kept.
    pub fn resumed(taken: u64, first: Vec<Tensor>, second: Vec<Tensor>) -> Self {
        Self { betas: Betas::default(), taken, first, second }
    }

    /// Moves `weights` along their gradients, whose common norm is first cut to `most`, and clears
    /// them. Decay touches matrices alone. Returns the norm before the cut; where that is not finite,
    /// nothing is moved.
    pub fn step<'a>(
        &mut self,
        weights: impl IntoIterator<Item = &'a Tensor>,
        rate: f64,
        decay: f64,
        most: f64,
    ) -> f64 {
        let _guard = tch::no_grad_guard();
        let weights: Vec<&Tensor> = weights.into_iter().collect();
        let gradients: Vec<Tensor> = weights.iter().map(|weight| weight.grad()).collect();
        let squares: Vec<Tensor> =
            gradients.iter().map(|gradient| gradient.square().sum(None)).collect();
        let norm = Tensor::stack(&squares, 0).sum(None).sqrt().double_value(&[]);
        if !norm.is_finite() {
            gradients.into_iter().for_each(|mut gradient| drop(gradient.zero_()));
            return norm;
        }
        let cut = if norm > most { most / (norm + 1e-6) } else { 1.0 };
        self.taken += 1;
        let taken = self.taken as f64;
        let Betas { first: beta1, second: beta2 } = self.betas;
        let (correction1, correction2) = (1.0 - beta1.powf(taken), 1.0 - beta2.powf(taken));
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((weight, mut gradient), (first, second)) in weights.iter().zip(gradients).zip(moments)
        {
            let mut weight = weight.detach();
            if decay > 0.0 && weight.dim() > 1 {
                let _ = weight.g_mul_scalar_(1.0 - rate * decay);
            }
            let cut_gradient = &gradient * cut;
            let _ = first.lerp_(&cut_gradient, 1.0 - beta1);
            let _ = second.lerp_(&cut_gradient.square(), 1.0 - beta2);
            let spread = (second.sqrt() / correction2.sqrt()) + EPSILON;
            weight -= (&*first * (rate / correction1)) / spread;
            let _ = gradient.zero_();
        }
        // Every way of training comes by here, at the moment at which least is in use.
        give_back_at_times(self.taken);
        norm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BETA1: f64 = 0.9;
    const BETA2: f64 = 0.99;

    #[test]
    fn three_steps_equal_those_of_the_formula_by_hand() {
        let weight = Tensor::from_slice(&[1.0f32, -2.0]).view([1, 2]).set_requires_grad(true);
        let weights = [weight];
        let mut optimiser = AdamW::new(&weights, Betas::default());
        let (mut by_hand, mut m, mut v) = ([1.0f64, -2.0], [0.0; 2], [0.0; 2]);
        for t in 1..=3 {
            weights[0].square().sum(None).backward();
            optimiser.step(&weights, 0.1, 0.01, f64::INFINITY);
            for i in 0..2 {
                let gradient = 2.0 * by_hand[i];
                m[i] = BETA1 * m[i] + (1.0 - BETA1) * gradient;
                v[i] = BETA2 * v[i] + (1.0 - BETA2) * gradient * gradient;
                let (mh, vh) = (m[i] / (1.0 - BETA1.powi(t)), v[i] / (1.0 - BETA2.powi(t)));
                by_hand[i] -= 0.1 * (0.01 * by_hand[i] + mh / (vh.sqrt() + EPSILON));
            }
        }
        for (i, by_hand) in by_hand.into_iter().enumerate() {
            let value = weights[0].double_value(&[0, i as i64]);
            assert!((value - by_hand).abs() < 1e-5, "{value} {by_hand}");
        }
    }

    #[test]
    fn a_large_gradient_is_cut() {
        let weights = [Tensor::from_slice(&[30.0f32, 40.0]).set_requires_grad(true)];
        (weights[0].square().sum(None) * 0.5).backward();
        let mut optimiser = AdamW::new(&weights, Betas::default());
        assert!((optimiser.step(&weights, 0.1, 0.0, 1.0) - 50.0).abs() < 1e-3);
        assert!((optimiser.first[0].double_value(&[0]) - 0.06).abs() < 1e-4);
    }
}
