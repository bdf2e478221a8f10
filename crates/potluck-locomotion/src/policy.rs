//! The policy: a Gaussian whose mean is a net of two hidden layers, and whose deviation does not depend on the state.

use potluck_train::stream::Stream;
use tch::{Kind, Tensor};

use crate::normaliser::Normaliser;

/// Units of each hidden layer.
pub const HIDDEN: usize = 64;
/// The logarithm of the deviation at the beginning.
const FIRST_LOG_SIGMA: f32 = -0.5;

/// Weight and bias of three layers with tanh between them, in this order.
#[derive(Debug)]
pub struct Net(pub Vec<Tensor>);

impl Net {
    /// Orthogonal weights, with √2 as the gain of hidden layers and `last` of the last one, and biases of zero.
    pub fn fresh(inputs: usize, outputs: usize, last: f64, stream: &mut Stream) -> Self {
        let mut tensors = Vec::new();
        let gain = std::f64::consts::SQRT_2;
        for (rows, columns, gain) in
            [(HIDDEN, inputs, gain), (HIDDEN, HIDDEN, gain), (outputs, HIDDEN, last)]
        {
            let weight = orthogonal(rows, columns, gain, stream);
            tensors.push(Tensor::from_slice(&weight).reshape([rows as i64, columns as i64]));
            tensors.push(Tensor::zeros([rows as i64], (Kind::Float, tch::Device::Cpu)));
        }
        Self(tensors)
    }

    /// One row of outputs for each row of inputs.
    pub fn forward(&self, inputs: &Tensor) -> Tensor {
        let layer = |inputs: &Tensor, at: usize| inputs.linear(&self.0[at], Some(&self.0[at + 1]));
        layer(&layer(&layer(inputs, 0).tanh(), 2).tanh(), 4)
    }
}

/// A policy, with the way in which it looks at the world.
#[derive(Debug)]
pub struct Policy {
    /// From observations to the means of actions.
    pub net: Net,
    /// The logarithm of each action's deviation.
    pub log_sigma: Tensor,
    /// Part of the policy; the same for a base and all its experts.
    pub normaliser: Normaliser,
}

impl Policy {
    /// One that does nearly nothing.
    pub fn fresh(normaliser: Normaliser, actions: usize, stream: &mut Stream) -> Self {
        let net = Net::fresh(normaliser.observations(), actions, 0.01, stream);
        let log_sigma = Tensor::from_slice(&vec![FIRST_LOG_SIGMA; actions]);
        Self { net, log_sigma, normaliser }
    }

    /// How many actuators it moves.
    pub fn actions(&self) -> usize {
        self.log_sigma.numel()
    }

    /// The means of actions for rows of raw observations, `rows` × observations; an action each row.
    pub fn means(&self, raw: &[f64]) -> Vec<f32> {
        let width = self.normaliser.observations();
        let mut seen = vec![0.0f32; raw.len()];
        for (raw, seen) in raw.chunks_exact(width).zip(seen.chunks_exact_mut(width)) {
            self.normaliser.apply(raw, seen);
        }
        self.means_of_seen(&seen)
    }

    /// The same for observations that are normalised already.
    pub fn means_of_seen(&self, seen: &[f32]) -> Vec<f32> {
        let width = self.normaliser.observations() as i64;
        let inputs = Tensor::from_slice(seen).reshape([-1, width]);
        let means = tch::no_grad(|| self.net.forward(&inputs));
        Vec::try_from(means.reshape([-1])).expect("a tensor of floats on the processor")
    }
}

/// A matrix whose rows, or columns if they are fewer, are orthonormal, times `gain`; by Gram and Schmidt.
fn orthogonal(rows: usize, columns: usize, gain: f64, stream: &mut Stream) -> Vec<f32> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    while basis.len() < count {
        let mut vector: Vec<f64> = (0..length).map(|_| stream.normal()).collect();
        // Twice is enough for binary64.
        for _ in 0..2 {
            for other in &basis {
                let along: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                vector.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
            }
        }
        let norm = vector.iter().map(|it| it * it).sum::<f64>().sqrt();
        if norm > 1e-6 {
            vector.iter_mut().for_each(|it| *it /= norm);
            basis.push(vector);
        }
    }
    let at = |row: usize, column: usize| match rows <= columns {
        true => basis[row][column],
        false => basis[column][row],
    };
    let indices = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    indices.map(|(row, column)| (gain * at(row, column)) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_weights_are_orthogonal() {
        for (rows, columns) in [(3, 5), (5, 3), (4, 4)] {
            let matrix = orthogonal(rows, columns, 2.0, &mut Stream::of("orthogonal", &[]));
            let matrix = Tensor::from_slice(&matrix).reshape([rows as i64, columns as i64]);
            let gram = match rows <= columns {
                true => matrix.matmul(&matrix.tr()),
                false => matrix.tr().matmul(&matrix),
            };
            let side = rows.min(columns) as i64;
            let wanted = Tensor::eye(side, (Kind::Float, tch::Device::Cpu)) * 4.0;
            assert!((gram - wanted).abs().max().double_value(&[]) < 1e-5);
        }
    }

    #[test]
    fn a_fresh_policy_does_nearly_nothing() {
        let policy = Policy::fresh(Normaliser::identity(3), 2, &mut Stream::of("policy", &[]));
        let means = policy.means(&[1.0, -2.0, 0.5, 0.0, 0.0, 0.0]);
        assert_eq!(means.len(), 4);
        assert!(means.iter().all(|it| it.abs() < 0.05), "{means:?}");
        assert_eq!(means[2..], [0.0, 0.0]);
    }
}
