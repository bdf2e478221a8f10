//! Functions of numbers, written so that a loop over many becomes vectors: no branch, no table, no call.

/// a · b + c; in one rounding where `FUSED`.
#[inline(always)]
pub(super) fn product_and_sum<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// eˣ to within two units of the last place; 0 below -87.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // The range is cut by steps of ln 2, whose upper bits times a small whole number are exact; what is
    // left goes through the polynomial of Cephes' expf (Moshier 1992).
    const UPPER: f32 = 0.693_359_4;
    const LOWER: f32 = -2.121_944_4e-4;
    // Rounds to a whole number, whose bits are then the lowest of the sum's.
    const MAGIC: f32 = 12_582_912.0;
    let cut = x.clamp(-87.3, 88.3);
    let shifted = cut * std::f32::consts::LOG2_E + MAGIC;
    let steps = shifted - MAGIC;
    let r = cut - steps * UPPER - steps * LOWER;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let near = p * r * r + r + 1.0;
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < -87.3 { 0.0 } else { near * power }
}

/// tanh x, to within some units of the last place near 0, too.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let size = x.abs();
    let far = 1.0 - 2.0 / (exp(2.0 * size) + 1.0);
    let s = x * x;
    // Cephes' tanhf below 0.625.
    let p = -5.704_988_7e-3;
    let p = p * s + 2.063_909_e-2;
    let p = p * s - 5.373_971_6e-2;
    let p = p * s + 1.333_144_2e-1;
    let p = p * s - 3.333_328e-1;
    let near = p * s * x + x;
    if size < 0.625 { near } else { far.copysign(x) }
}

/// The error function, to within 2·10⁻⁷ (Press et al. 1992, section 6.2).
#[inline(always)]
pub(super) fn erf(x: f32) -> f32 {
    let size = x.abs();
    let t = 1.0 / (1.0 + 0.5 * size);
    let p = 0.170_872_77;
    let p = p * t - 0.822_152_2;
    let p = p * t + 1.488_515_9;
    let p = p * t - 1.135_204;
    let p = p * t + 0.278_868_07;
    let p = p * t - 0.186_288_06;
    let p = p * t + 0.096_784_18;
    let p = p * t + 0.374_091_96;
    let p = p * t + 1.000_023_7;
    let rest = t * exp(-size * size - 1.265_512_2 + t * p);
    (1.0 - rest).copysign(x)
}

/// Sums of sixteen lanes that do not wait for one another.
#[inline(always)]
pub(super) fn sum(values: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let (whole, rest) = values.as_chunks::<16>();
    let mut lanes = [0f32; 16];
    for chunk in whole {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += of(value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane += of(value);
    }
    let mut half = 8;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// The largest.
#[inline(always)]
pub(super) fn most(values: &[f32]) -> f32 {
    let (whole, rest) = values.as_chunks::<16>();
    let mut lanes = [f32::NEG_INFINITY; 16];
    for chunk in whole {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_what_libtorch_has() {
        let x: Vec<f32> = (-6000..=6000).map(|n| n as f32 * 0.015).collect();
        let tensor = tch::Tensor::from_slice(&x).to_kind(tch::Kind::Double);
        type Case = (fn(f32) -> f32, tch::Tensor, f64, f64);
        let cases: [Case; 3] = [
            (exp, tensor.exp(), 2.5e-7, 1e-37),
            (tanh, tensor.tanh(), 3e-7, 0.0),
            (erf, tensor.erf(), 0.0, 3e-7),
        ];
        for (number, (own, theirs, relative, absolute)) in cases.into_iter().enumerate() {
            let theirs = Vec::<f64>::try_from(&theirs).unwrap();
            for (&x, expected) in x.iter().zip(theirs).filter(|(x, _)| **x < 88.0) {
                let far = (f64::from(own(x)) - expected).abs();
                assert!(far <= relative * expected.abs() + absolute, "{number} at {x}: {far:e}");
            }
        }
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn sums_and_the_largest_are_of_all() {
        for length in 0..70usize {
            let values: Vec<f32> = (0..length).map(|n| (n * 7 % 23) as f32).collect();
            assert_eq!(sum(&values, |x| 2.0 * x), values.iter().map(|x| 2.0 * x).sum::<f32>());
            assert_eq!(most(&values), values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
