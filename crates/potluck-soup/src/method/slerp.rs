//! `slerp/1`: two experts, tensor by tensor along the arc between them.
//!
//! Ken Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985, section 3.3:
//! Slerp(q₁, q₂; u) = sin((1 − u)θ)/sin θ · q₁ + sin(uθ)/sin θ · q₂ with q₁·q₂ = cos θ. A tensor is taken as one
//! vector; θ is the angle between the two, whose lengths need not agree. Sines and arc cosines differ in their last
//! bits from library to library, so the factors are found by halving the arc, with square roots alone.

use super::derived::Derive;
use super::share::MILLION;
use super::stream::{Sum, stream};
use crate::blend::{BlendError, Input};
use crate::kernel::Scale;

/// Above it, in magnitude, the cosine calls for the straight line.
const COLLINEAR: f64 = 0.9995;

/// How often the arc is halved; what is left of it is as good as straight.
const HALVINGS: u32 = 30;

/// The weights of the two experts, in parts per million; they sum to one.
#[derive(Debug)]
pub(super) struct Slerp {
    pub(super) ppm: [i64; 2],
}

impl Derive for Slerp {
    fn factors(&self, inputs: &[Input]) -> Result<(Vec<f64>, Scale), BlendError> {
        let inputs: Vec<_> = inputs.iter().collect();
        let [mut dot, mut first, mut second] = [0; 3].map(|_| Sum::default());
        stream(&inputs, |values| {
            let (a, b) = (&values[0], &values[1]);
            dot.add(a, b);
            first.add(a, a);
            second.add(b, b);
        })?;
        let cosine = dot.total() / (first.total().sqrt() * second.total().sqrt());
        // A tensor of zeros gives a cosine that is no number.
        if cosine.abs() <= COLLINEAR {
            Ok((arc(cosine, self.ppm[1]).to_vec(), Scale::One))
        } else {
            Ok((self.ppm.map(|ppm| ppm as f64).to_vec(), Scale::Millionth))
        }
    }
}

/// The factors sin((1 − u)θ)/sin θ and sin(uθ)/sin θ for a cosine between −1 and 1, u in parts per million.
fn arc(cosine: f64, ppm: i64) -> [f64; 2] {
    let (mut low, mut high) = ([1.0, 0.0], [0.0, 1.0]);
    let (mut half, mut rest) = (cosine, ppm);
    for _ in 0..HALVINGS {
        // The cosine of half the angle; the middle of two unit vectors is their sum over twice that.
        half = ((1.0 + half) / 2.0).sqrt();
        let middle = [0, 1].map(|i| (low[i] + high[i]) / (2.0 * half));
        rest *= 2;
        if rest >= MILLION {
            rest -= MILLION;
            low = middle;
        } else {
            high = middle;
        }
    }
    let rest = rest as f64 / 1e6;
    [0, 1].map(|i| low[i] + rest * (high[i] - low[i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_an_arc_gives_the_quotients_of_sines() {
        for step in -1999..=1999 {
            let cosine = f64::from(step) / 2000.0;
            let angle = cosine.acos();
            for ppm in [0, 1, 250_000, 333_333, 500_000, 999_999, 1_000_000] {
                let part = ppm as f64 / 1e6;
                let sines = [(1.0 - part) * angle, part * angle].map(|it| it.sin() / angle.sin());
                for (found, sine) in arc(cosine, ppm).iter().zip(sines) {
                    assert!((found - sine).abs() <= 2e-14 * sine.abs().max(1.0), "{cosine} {ppm}");
                }
            }
        }
    }

    #[test]
    fn the_factors_are_known() {
        // As Python computes them, too: IEEE 754's basic operations have one result everywhere.
        let bits = |cosine, ppm| arc(cosine, ppm).map(f64::to_bits);
        assert_eq!(arc(0.5, 0), [1.0, 0.0]);
        assert_eq!(bits(0.0, 500_000), [0x3fe6_a09e_667f_3bcc; 2]);
        assert_eq!(bits(-0.9995, 300_000), [0x4039_fde5_27c0_54c8, 0x4039_68b7_653c_5014]);
        assert_eq!(bits(0.75, 123_456), [0x3fec_a3b4_925a_ac10, 0x3fc1_3e6f_e6e8_9153]);
    }
}
