//! AdamW (Loshchilov and Hutter 2019, algorithm 2), with moments that can be saved.
//!
//! Libtorch's own optimiser keeps its moments to itself, so a run could not resume exactly.

mod fused;

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
        let mut gradients: Vec<Tensor> = weights.iter().map(|weight| weight.grad()).collect();
        let mut weights: Vec<Tensor> = weights.into_iter().map(Tensor::detach).collect();
        let squares = fused::squares(&mut gradients).unwrap_or_else(|| by_libtorch(&gradients));
        let norm = squares.sqrt();
        if !norm.is_finite() {
            gradients.into_iter().for_each(|mut gradient| drop(gradient.zero_()));
            return norm;
        }
        self.taken += 1;
        let by = self.next_move(rate, if norm > most { most / (norm + 1e-6) } else { 1.0 });
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((weight, gradient), (first, second)) in
            weights.iter_mut().zip(&mut gradients).zip(moments)
        {
            let is_decayed = decay > 0.0 && weight.dim() > 1;
            let by = Move { keep: if is_decayed { 1.0 - rate * decay } else { 1.0 }, ..by };
            if !fused::moved(weight, gradient, first, second, &by) {
                by.by_libtorch(weight, gradient, first, second);
            }
        }
        // Every way of training comes by here, at the moment at which least is in use.
        give_back_at_times(self.taken);
        norm
    }

    /// Of the step that is the `taken`th.
    fn next_move(&self, rate: f64, cut: f64) -> Move {
        let taken = self.taken as f64;
        let Betas { first, second } = self.betas;
        let corrections = (1.0 - first.powf(taken), 1.0 - second.powf(taken));
        Move {
            cut,
            keep: 1.0,
            toward: (1.0 - first, 1.0 - second),
            rate: rate / corrections.0,
            root: 1.0 / corrections.1.sqrt(),
        }
    }
}

/// What a step does to each number.
#[derive(Clone, Copy)]
struct Move {
    /// What is left of a gradient.
    cut: f64,
    /// What decay leaves of a weight.
    keep: f64,
    /// How far the moments go towards what is new.
    toward: (f64, f64),
    /// The learning rate over the first moment's correction.
    rate: f64,
    /// One over the root of the second moment's correction.
    root: f64,
}

impl Move {
    /// The same as [`fused::moved`] wherever tensors lie.
    fn by_libtorch(
        &self,
        weight: &mut Tensor,
        gradient: &mut Tensor,
        first: &mut Tensor,
        second: &mut Tensor,
    ) {
        let cut = &*gradient * self.cut;
        let _ = first.lerp_(&cut, self.toward.0);
        let _ = second.lerp_(&cut.square(), self.toward.1);
        let spread = second.sqrt() * self.root + EPSILON;
        let _ = weight.g_mul_scalar_(self.keep);
        *weight -= (&*first * self.rate) / spread;
        let _ = gradient.zero_();
    }
}

fn by_libtorch(gradients: &[Tensor]) -> f64 {
    let squares: Vec<Tensor> =
        gradients.iter().map(|gradient| gradient.square().sum(None)).collect();
    Tensor::stack(&squares, 0).sum(None).double_value(&[])
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
    fn one_pass_is_what_libtorch_does_in_many() {
        let by = Move { cut: 0.5, keep: 0.999, toward: (0.1, 0.01), rate: 0.02, root: 3.0 };
        // Longer than a piece, and not a multiple of one.
        let drawn = |seed: i64| {
            tch::manual_seed(seed);
            Tensor::randn([40_003], (tch::Kind::Float, tch::Device::Cpu))
        };
        let mut ours = [drawn(1), drawn(2), drawn(3), drawn(4).square()];
        let mut theirs = ours.each_ref().map(Tensor::copy);
        let norm = fused::squares(&mut ours[1..2]).unwrap();
        assert!((norm / by_libtorch(&theirs[1..2]) - 1.0).abs() < 1e-5);
        let [weight, gradient, first, second] = &mut ours;
        assert!(fused::moved(weight, gradient, first, second, &by));
        let [weight, gradient, first, second] = &mut theirs;
        by.by_libtorch(weight, gradient, first, second);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert!((ours - theirs).abs().max().double_value(&[]) < 1e-5);
        }
        let mut apart = Tensor::zeros([4, 6], (tch::Kind::Float, tch::Device::Cpu)).tr();
        assert!(fused::squares(std::slice::from_mut(&mut apart)).is_none());
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
