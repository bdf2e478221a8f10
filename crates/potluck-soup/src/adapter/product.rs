//! The inner loop of a merge: rows of sums that grow by multiples of rows of a panel.
//!
//! Every product and every sum is rounded by itself, in the order of k; nothing is fused, so that the width of the
//! processor's vectors never changes a bit. The same code is compiled for several widths.

/// sums[c] := sums[c] + Σₖ coefficients[k] · panel[k · sums.len() + c], k ascending, each operation rounded.
pub(super) fn add_products(sums: &mut [f64], coefficients: &[f64], panel: &[f64]) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has been asked.
            return unsafe { avx512(sums, coefficients, panel) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has been asked.
            return unsafe { avx2(sums, coefficients, panel) };
        }
    }
    add(sums, coefficients, panel);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512(sums: &mut [f64], coefficients: &[f64], panel: &[f64]) {
    add(sums, coefficients, panel);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(sums: &mut [f64], coefficients: &[f64], panel: &[f64]) {
    add(sums, coefficients, panel);
}

/// Four rows of the panel at a time, so that a sum is loaded and stored once for four products.
#[inline(always)]
fn add(sums: &mut [f64], coefficients: &[f64], panel: &[f64]) {
    let width = sums.len();
    let (fours, rest) = coefficients.as_chunks::<4>();
    let (by_four, last) = panel.split_at(4 * fours.len() * width);
    for (f, rows) in fours.iter().zip(by_four.chunks_exact(4 * width)) {
        let (a, rows) = rows.split_at(width);
        let (b, rows) = rows.split_at(width);
        let (c, d) = rows.split_at(width);
        for ((((sum, a), b), c), d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *sum = (((*sum + f[0] * a) + f[1] * b) + f[2] * c) + f[3] * d;
        }
    }
    for (f, row) in rest.iter().zip(last.chunks_exact(width)) {
        sums.iter_mut().zip(row).for_each(|(sum, a)| *sum += f * a);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_width_gives_the_bits_of_the_plain_loop(
            (width, rank) in (1usize..70, 0usize..11),
            values in proptest::collection::vec(-1e3f64..1e3, 70 * 11 + 11 + 70),
        ) {
            let (sums, rest) = values.split_at(width);
            let (coefficients, rest) = rest.split_at(rank);
            let panel = &rest[..rank * width];
            let mut expected = sums.to_vec();
            for (c, sum) in expected.iter_mut().enumerate() {
                for k in 0..rank {
                    let product = std::hint::black_box(coefficients[k] * panel[k * width + c]);
                    *sum = std::hint::black_box(*sum + product);
                }
            }
            let mut found = sums.to_vec();
            add_products(&mut found, coefficients, panel);
            prop_assert_eq!(&found, &expected);
            let mut plain = sums.to_vec();
            add(&mut plain, coefficients, panel);
            prop_assert_eq!(&plain, &expected);
        }
    }
}
