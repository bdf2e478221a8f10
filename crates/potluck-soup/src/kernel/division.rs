//! A correctly rounded division by a million that costs two operations.
//!
//! Let s be a sum, and z = zₕ + zₗ(1 + ε) the number 10⁻⁶, where zₕ is 10⁻⁶ rounded to binary64 and zₗ the rest
//! of it, rounded again: |zₗ| ≤ 2⁻⁵³·z and |ε| ≤ 2⁻⁵³. Then fma(s, zₕ, RN(s·zₗ)) = RN(s/10⁶):
//!
//! 1. Before the last rounding, the sum s·zₕ + RN(s·zₗ) is off s/10⁶ by at most |s·zₗ|·(2⁻⁵³ + 2⁻⁵³), which is
//!    less than 2⁻¹⁰⁵·|s/10⁶|, and so less than 2⁻⁵² units in the last place of the result.
//! 2. s/10⁶ = s/(2⁶·15 625). With S the 53-bit integer significand of s and j ≥ 0 such that S·2^j/15 625 is
//!    s/10⁶ in units of the last place, a midpoint between two results is q + ½ for an integer q. The distance
//!    is |S·2^(j+1) − 15 625·(2q + 1)|/31 250; its numerator is even minus odd, so at least 1.
//! 3. So no midpoint lies between s/10⁶ and what is rounded in its place, and both round alike.
//!
//! (j is at least 13: the quotient of 53 bits by 14 has its last place that much further down.) No step may
//! underflow or overflow; [`super::Term::has_exact_products`] sees to that: |s| is 0, or between 2⁻²⁷⁸ and 2²⁵³
//! times the number of terms. For s = +0 the result is +0, and a sum that begins at +0 is never −0.

use super::Scale;

/// What `scale` divides by.
pub(super) const fn divisor(scale: Scale) -> f64 {
    match scale {
        Scale::Millionth => 1e6,
        Scale::One => 1.0,
    }
}

/// The two parts of the reciprocal of what `scale` divides by. (1, 0) leaves every finite sum as it is.
pub(super) const fn reciprocal(scale: Scale) -> (f64, f64) {
    match scale {
        Scale::Millionth => (1e-6, 4.525188817411374e-23),
        Scale::One => (1.0, 0.0),
    }
}
