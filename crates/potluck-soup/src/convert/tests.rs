use proptest::prelude::*;

use super::*;
use crate::samples::{magnitudes, nearest};

/// Equal bits; one NaN is as good as another.
fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

#[test]
fn every_half_widens_as_the_half_crate_says() {
    for bits in 0..=u16::MAX {
        assert!(same(f64_of_f16(bits), half::f16::from_bits(bits).to_f64()), "F16 {bits:#06x}");
        assert!(same(f64_of_bf16(bits), half::bf16::from_bits(bits).to_f64()), "BF16 {bits:#06x}");
    }
}

#[test]
fn every_finite_half_comes_back() {
    for bits in 0..=u16::MAX {
        let (f16, bf16) = (f64_of_f16(bits), f64_of_bf16(bits));
        if !f16.is_nan() {
            assert_eq!(f16_of_f64(f16), bits);
        }
        if !bf16.is_nan() {
            assert_eq!(bf16_of_f64(bf16), bits);
        }
    }
}

#[test]
fn ties_and_their_neighbours_round_as_a_search_does() {
    for (dtype, narrow) in [(Dtype::F16, f16_of_f64 as fn(f64) -> u16), (Dtype::Bf16, bf16_of_f64)]
    {
        let magnitudes = magnitudes(dtype);
        for pair in magnitudes.windows(2) {
            let middle = (pair[0] + pair[1]) / 2.0;
            for value in [middle.next_down(), middle, middle.next_up(), pair[1].next_down()] {
                for value in [value, -value] {
                    assert_eq!(narrow(value), nearest(&magnitudes, value), "{dtype:?} {value:e}");
                }
            }
        }
    }
}

#[test]
fn one_rounding_is_not_two() {
    // Just above the middle of two BF16 numbers, by less than binary32 can tell: by way of binary32 it would
    // become the tie, and go down.
    let value = 1.0 + 2f64.powi(-8) + 2f64.powi(-40);
    assert_eq!(bf16_of_f64(value), 0x3f81);
    assert_eq!(bf16_of_f64(f64::from(value as f32)), 0x3f80);
}

#[test]
fn too_large_and_nan_give_infinity() {
    assert_eq!(f32_of_f64(f64::MAX), f32::INFINITY.to_bits());
    assert_eq!(f32_of_f64(-f64::INFINITY), f32::NEG_INFINITY.to_bits());
    assert_eq!(f32_of_f64(f64::NAN) & 0x7fff_ffff, f32::INFINITY.to_bits());
    assert_eq!((f16_of_f64(65519.99), f16_of_f64(65520.0)), (0x7bff, 0x7c00));
    assert_eq!(f16_of_f64(f64::from_bits(1)), 0);
}

#[test]
fn elements_are_little_endian_and_the_first_bad_one_is_found() {
    let bytes = [0, 0x3c, 0, 0x7c, 1, 0x7c];
    let mut seen = Vec::new();
    for_each(Dtype::F16, &bytes[..4], |index, value| seen.push((index, value)));
    assert_eq!(seen, [(0, 1.0), (1, f64::INFINITY)]);
    assert_eq!(first_not_finite(Dtype::F16, &bytes), Some(1));
    assert_eq!(first_not_finite(Dtype::F16, &bytes[..2]), None);
    assert_eq!(first_not_finite(Dtype::F16, &bytes[4..]), Some(0));
}

/// Values at and around what binary32 can hold, beside arbitrary bits.
fn around_binary32() -> impl Strategy<Value = f64> {
    let near = (any::<u32>(), -3i32..=3, any::<bool>()).prop_map(|(bits, steps, tie)| {
        let exact = f64::from(f32::from_bits(bits));
        let next = f64::from(f32::from_bits(bits.wrapping_add(1)));
        let value = if tie { (exact + next) / 2.0 } else { exact };
        f64::from_bits(value.to_bits().wrapping_add_signed(steps.into()))
    });
    prop_oneof![any::<u64>().prop_map(f64::from_bits), near]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn binary32_widens_as_the_language_says(bits: u32) {
        prop_assert!(same(f64_of_f32(bits), f64::from(f32::from_bits(bits))));
    }

    #[test]
    fn binary32_narrows_as_the_language_says(value in around_binary32()) {
        let expected = value as f32;
        let expected = if expected.is_nan() { f32::INFINITY.copysign(expected) } else { expected };
        prop_assert_eq!(f32_of_f64(value) << 1, expected.to_bits() << 1);
        prop_assert!(value.is_nan() || f32_of_f64(value) == expected.to_bits());
    }

    #[test]
    fn halves_narrow_as_a_search_does(bits: u64, exponent in 980u64..1060) {
        let (f16, bf16) = (magnitudes(Dtype::F16), magnitudes(Dtype::Bf16));
        for value in [bits, bits & !(0x7ff << 52) | exponent << 52].map(f64::from_bits) {
            if !value.is_nan() {
                prop_assert_eq!(f16_of_f64(value), nearest(&f16, value));
                prop_assert_eq!(bf16_of_f64(value), nearest(&bf16, value));
            }
        }
    }
}
