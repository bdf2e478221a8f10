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
fn every_f8_is_what_its_definition_says_and_comes_back() {
    type Format = (Dtype, fn(u8) -> f64, fn(f64) -> u8);
    let formats: [Format; 2] = [
        (Dtype::F8E4M3, f64_of_f8_e4m3, f8_e4m3_of_f64),
        (Dtype::F8E5M2, f64_of_f8_e5m2, f8_e5m2_of_f64),
    ];
    for (dtype, widen, narrow) in formats {
        let magnitudes = magnitudes(dtype);
        let finite = magnitudes.len() - 1;
        for bits in 0..=0x7fu8 {
            let (positive, negative) = (widen(bits), widen(bits | 0x80));
            assert!(same(positive, -negative), "{dtype:?} {bits:#04x}");
            assert_eq!(
                first_not_finite(dtype, &[0, bits | 0x80]),
                (usize::from(bits) >= finite).then_some(1)
            );
            if usize::from(bits) < finite {
                assert_eq!(positive.to_bits(), magnitudes[usize::from(bits)].to_bits());
                assert_eq!((narrow(positive), narrow(negative)), (bits, bits | 0x80));
            }
        }
    }
    assert_eq!((f64_of_f8_e4m3(0x7e), f64_of_f8_e5m2(0x7b)), (448.0, 57344.0));
    assert!(f64_of_f8_e4m3(0x7f).is_nan() && f64_of_f8_e5m2(0x7d).is_nan());
    assert_eq!(f64_of_f8_e5m2(0xfc), f64::NEG_INFINITY);
    // 464 is the tie between the largest number and what would come next.
    assert_eq!(
        (f8_e4m3_of_f64(464.0), f8_e4m3_of_f64(464.1), f8_e4m3_of_f64(-1e9)),
        (0x7e, 0x7f, 0xff)
    );
}

#[test]
fn integers_are_finite() {
    assert_eq!(first_not_finite(Dtype::I32, &[0xff; 8]), None);
}

#[test]
fn ties_and_their_neighbours_round_as_a_search_does() {
    let formats = [
        (Dtype::F16, f16_of_f64 as fn(f64) -> u16),
        (Dtype::Bf16, bf16_of_f64),
        (Dtype::F8E4M3, |value| f8_e4m3_of_f64(value).into()),
        (Dtype::F8E5M2, |value| f8_e5m2_of_f64(value).into()),
    ];
    for (dtype, narrow) in formats {
        let bits = 8 * dtype.size() as u32;
        let magnitudes = magnitudes(dtype);
        for pair in magnitudes.windows(2) {
            let middle = (pair[0] + pair[1]) / 2.0;
            for value in [middle.next_down(), middle, middle.next_up(), pair[1].next_down()] {
                for value in [value, -value] {
                    assert_eq!(
                        narrow(value),
                        nearest(&magnitudes, value, bits),
                        "{dtype:?} {value:e}"
                    );
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
    let mut values = [0.0; 2];
    widen_all(Dtype::F16, &bytes[..4], &mut values);
    assert_eq!(values, [1.0, f64::INFINITY]);
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
                prop_assert_eq!(f16_of_f64(value), nearest(&f16, value, 16));
                prop_assert_eq!(bf16_of_f64(value), nearest(&bf16, value, 16));
            }
        }
    }
}
