//! The definition, slow and short, and every level held against it.

use proptest::prelude::*;

use super::*;

const FLOATS: [Dtype; 6] =
    [Dtype::F64, Dtype::F32, Dtype::Bf16, Dtype::F16, Dtype::F8E4M3, Dtype::F8E5M2];

/// Fraction bits, exponent bias, and the first magnitude that is not finite.
fn format(dtype: Dtype) -> (i32, i32, u64) {
    match dtype {
        Dtype::F64 => (52, 1023, 0x7ff << 52),
        Dtype::F32 => (23, 127, 0xff << 23),
        Dtype::Bf16 => (7, 127, 0xff << 7),
        Dtype::F16 => (10, 15, 0x1f << 10),
        Dtype::F8E4M3 => (3, 7, 0x7f),
        Dtype::F8E5M2 => (2, 15, 0x1f << 2),
        _ => unreachable!(),
    }
}

/// What the magnitude `bits` stand for; what is not finite, as the number that would come next.
fn magnitude(dtype: Dtype, bits: u64) -> f64 {
    let (fraction, bias, _) = format(dtype);
    if dtype == Dtype::F64 {
        return f64::from_bits(bits);
    }
    let (exponent, low) = ((bits >> fraction) as i32, bits & ((1 << fraction) - 1));
    let (exponent, leading) = if exponent == 0 { (1, 0) } else { (exponent, 1 << fraction) };
    (leading + low) as f64 * 2f64.powi(exponent - bias - fraction)
}

fn sign(dtype: Dtype) -> u64 {
    1 << (8 * dtype.size() - 1)
}

/// An element's value, if it is finite.
fn value(dtype: Dtype, bits: u64) -> Option<f64> {
    let (sign, (.., not_finite)) = (sign(dtype), format(dtype));
    let value = (bits & !sign < not_finite).then(|| magnitude(dtype, bits & !sign))?;
    Some(if bits & sign == 0 { value } else { -value })
}

/// The nearest element, ties to even, if it is finite.
fn nearest(dtype: Dtype, value: f64) -> Option<u64> {
    let (mut below, (.., not_finite)) = (0, format(dtype));
    if !value.is_finite() {
        return None;
    }
    let mut above = not_finite;
    while above - below > 1 {
        let between = below + (above - below) / 2;
        if magnitude(dtype, between) <= value.abs() { below = between } else { above = between }
    }
    let up = dtype != Dtype::F64 && {
        // Neighbours have at most 24 bits, so their mean is exact.
        let middle = (magnitude(dtype, below) + magnitude(dtype, above)) / 2.0;
        value.abs() > middle || value.abs() == middle && below % 2 == 1
    };
    let bits = below + u64::from(up);
    let sign = if value.is_sign_negative() { sign(dtype) } else { 0 };
    (bits < not_finite).then_some(bits | sign)
}

/// One input: its elements' bits.
#[derive(Debug, Clone)]
struct Input {
    dtype: Dtype,
    factor: f64,
    bits: Vec<u64>,
}

/// The definition of [`mix`].
fn specified(inputs: &[Input], scale: Scale, to: Dtype, count: usize) -> Result<Vec<u64>, usize> {
    let element = |index: usize| {
        let mut sum = 0.0;
        for input in inputs {
            sum += input.factor * value(input.dtype, input.bits[index])?;
        }
        nearest(to, if scale == Scale::Millionth { sum / 1_000_000.0 } else { sum })
    };
    (0..count).map(|index| element(index).ok_or(index)).collect()
}

/// The elements' bytes at an address that is aligned to nothing.
fn unaligned(dtype: Dtype, bits: &[u64]) -> Vec<u8> {
    let bytes = bits.iter().flat_map(|bits| bits.to_le_bytes()[..dtype.size()].to_vec());
    std::iter::once(0xff).chain(bytes).collect()
}

fn bits_of(dtype: Dtype, bytes: &[u8]) -> Vec<u64> {
    let element = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    };
    bytes.chunks(dtype.size()).map(element).collect()
}

/// Every level gives what is specified, error or elements.
fn assert_mixed(inputs: &[Input], scale: Scale, to: Dtype) {
    let count = inputs.first().map_or(70, |input| input.bits.len());
    let expected = specified(inputs, scale, to, count);
    let bytes: Vec<_> = inputs.iter().map(|input| unaligned(input.dtype, &input.bits)).collect();
    let terms: Vec<_> = inputs
        .iter()
        .zip(&bytes)
        .map(|(input, bytes)| Term { bytes: &bytes[1..], dtype: input.dtype, factor: input.factor })
        .collect();
    for level in Level::available() {
        let mut output = vec![0xa5; 1 + count * to.size()];
        let mut scratch = vec![f64::NAN; 3];
        let mixed = level.mix(&terms, scale, to, &mut scratch, &mut output[1..]);
        let mixed = mixed.map(|()| bits_of(to, &output[1..]));
        if mixed != expected {
            let first =
                mixed.iter().flatten().zip(expected.iter().flatten()).position(|(a, b)| a != b);
            let column: Vec<_> = first.map_or(vec![], |index| {
                inputs.iter().map(|input| (input.factor, input.bits[index])).collect()
            });
            panic!(
                "{} to {to:?}, element {first:?}, {column:x?}: {:?} is not {:?}",
                level.name(),
                first.map(|i| mixed.as_ref().map(|bits| bits[i])),
                first.map(|i| expected.as_ref().map(|bits| bits[i]))
            );
        }
    }
}

/// Numbers without a pattern, but the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// A finite element of any exponent.
    fn finite(&mut self, dtype: Dtype) -> u64 {
        let bits = self.next() & (sign(dtype) | (sign(dtype) - 1));
        if value(dtype, bits).is_some() { bits } else { self.finite(dtype) }
    }
}

#[test]
fn every_finite_half_alone_is_itself_but_for_minus_zero() {
    for dtype in [Dtype::Bf16, Dtype::F16, Dtype::F8E4M3, Dtype::F8E5M2] {
        let bits: Vec<_> =
            (0..2 * sign(dtype)).filter(|bits| value(dtype, *bits).is_some()).collect();
        let kept = bits.iter().map(|bits| if *bits == sign(dtype) { 0 } else { *bits });
        let inputs = [Input { dtype, factor: 1e6, bits: bits.clone() }];
        let expected = specified(&inputs, Scale::Millionth, dtype, bits.len());
        assert_eq!(expected, Ok(kept.collect()));
        assert_mixed(&inputs, Scale::Millionth, dtype);
    }
}

#[test]
fn every_half_is_mixed_with_others() {
    let mut random = Random(1);
    for dtype in [Dtype::Bf16, Dtype::F16] {
        let bits: Vec<_> = (0..=0xffff).filter(|bits| value(dtype, *bits).is_some()).collect();
        for factors in [[500_000.0, 500_000.0], [300_000.0, 700_000.0], [999_999.0, 1.0]] {
            let near = bits.iter().map(|bits| (bits ^ random.next() & 0x8007) & 0xffff);
            let near =
                near.map(|bits| if value(dtype, bits).is_some() { bits } else { 0 }).collect();
            let any = bits.iter().map(|_| random.finite(dtype)).collect();
            for other in [near, any] {
                let [first, second] = factors;
                let inputs = [
                    Input { dtype, factor: first, bits: bits.clone() },
                    Input { dtype, factor: second, bits: other },
                ];
                assert_mixed(&inputs, Scale::Millionth, dtype);
            }
        }
    }
}

#[test]
fn every_element_that_is_not_finite_is_found() {
    let mut random = Random(2);
    for dtype in [Dtype::Bf16, Dtype::F16, Dtype::F8E4M3, Dtype::F8E5M2] {
        for bad in (0..2 * sign(dtype)).filter(|bits| value(dtype, *bits).is_none()) {
            let count = 130;
            let [mut first, mut second] = [0, 0].map(|_| vec![1; count]);
            let index = random.next() as usize % count;
            first[index] = bad;
            // Beside one that might hide it: an infinity of the other sign.
            second[index] = if bad % 2 == 0 { bad ^ sign(dtype) } else { 1 };
            let inputs = [
                Input { dtype, factor: 500_000.0, bits: first },
                Input { dtype, factor: 500_000.0, bits: second },
            ];
            assert_eq!(specified(&inputs, Scale::Millionth, dtype, count), Err(index));
            assert_mixed(&inputs, Scale::Millionth, dtype);
        }
    }
}

#[test]
fn every_pair_of_f8_is_mixed() {
    for dtype in [Dtype::F8E4M3, Dtype::F8E5M2] {
        let finite: Vec<_> = (0..=0xff).filter(|bits| value(dtype, *bits).is_some()).collect();
        let pairs = finite.iter().flat_map(|a| finite.iter().map(|b| (*a, *b)));
        let (a, b): (Vec<_>, Vec<_>) = pairs.unzip();
        for [first, second] in [[500_000.0, 500_000.0], [123_456.0, 876_544.0]] {
            let inputs = [
                Input { dtype, factor: first, bits: a.clone() },
                Input { dtype, factor: second, bits: b.clone() },
            ];
            assert_mixed(&inputs, Scale::Millionth, dtype);
        }
    }
}

/// x + ½ unit of x + something much smaller: the middle of two results, and what lies just beside it.
#[test]
fn middles_and_what_is_near_them_round_once() {
    let mut random = Random(3);
    for dtype in [Dtype::Bf16, Dtype::F16, Dtype::F32] {
        let mut rows: Vec<[u64; 3]> = Vec::new();
        while rows.len() < 20_000 {
            let bits = random.finite(dtype);
            let x = value(dtype, bits).unwrap();
            let magnitude_bits = bits & !sign(dtype);
            let half =
                (magnitude(dtype, magnitude_bits + 1) - magnitude(dtype, magnitude_bits)) / 2.0;
            let half = if random.next().is_multiple_of(2) { half } else { -half };
            let beside = half * 2f64.powi(-((random.next() % 40) as i32));
            let beside = [0.0, beside, -beside][random.next() as usize % 3];
            // The sum may be too large, and ½ of the smallest unit is no element: then it is another case.
            if let Some(row) = elements(dtype, [x, half, beside])
                && nearest(dtype, x + half + beside).is_some()
            {
                rows.push(row);
            }
        }
        let column = |i: usize, factor| {
            let bits = rows.iter().map(|row| row[i]).collect();
            Input { dtype, factor, bits }
        };
        for (factor, scale) in [(1.0, Scale::One), (1e6, Scale::Millionth)] {
            assert_mixed(&[0, 1, 2].map(|i| column(i, factor)), scale, dtype);
        }
    }
}

fn elements(dtype: Dtype, values: [f64; 3]) -> Option<[u64; 3]> {
    let [a, b, c] = values.map(|value| nearest(dtype, value));
    Some([a?, b?, c?])
}

#[test]
fn every_element_is_widened_exactly_and_the_first_bad_one_found() {
    let mut random = Random(4);
    for dtype in FLOATS {
        let all = 2 * u128::from(sign(dtype)) <= 0x1_0000;
        let bits: Vec<_> = (0..0x1_0000)
            .filter(|bits| !all || *bits < 2 * sign(dtype))
            .map(|bits| if all { bits } else { random.finite(dtype) })
            .filter(|bits| value(dtype, *bits).is_some())
            .collect();
        let expected: Vec<_> =
            bits.iter().map(|bits| value(dtype, *bits).unwrap().to_bits()).collect();
        let mut bytes = unaligned(dtype, &bits);
        for level in Level::available() {
            let mut values = vec![f64::NAN; bits.len()];
            level.widen(dtype, &bytes[1..], &mut values);
            assert!(values.iter().map(|value| value.to_bits()).eq(expected.iter().copied()));
            assert_eq!(level.first_not_finite(dtype, &bytes[1..]), None);
        }
        let index = random.next() as usize % bits.len();
        let bad = (sign(dtype) - 1) | (random.next() & sign(dtype));
        for index in [bits.len() - 1, index] {
            let at = 1 + index * dtype.size();
            bytes[at..at + dtype.size()].copy_from_slice(&bad.to_le_bytes()[..dtype.size()]);
            for level in Level::available() {
                assert_eq!(level.first_not_finite(dtype, &bytes[1..]), Some(index));
            }
        }
    }
    assert_eq!(first_not_finite(Dtype::I16, &[0xff; 4]), None);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_division_by_two_operations_is_the_division() {
    let (high, low) = division::reciprocal(Scale::Millionth);
    // `high` times a million is 1 less something that binary64 holds, and `low` is a millionth of that.
    assert_eq!(low, high.mul_add(-1e6, 1.0) / 1e6);
    let mut random = Random(5);
    let mut check = |sum: f64| {
        assert_eq!(sum.mul_add(high, sum * low).to_bits(), (sum / 1e6).to_bits(), "{sum:e}");
    };
    check(0.0);
    for _ in 0..4_000_000 {
        // Every exponent that sums of products may have, see `Term::has_exact_products`.
        let exponent = 1023 - 278 + random.next() % (278 + 260);
        let bits = random.next();
        check(f64::from_bits(bits & !(0x7ff << 52) | exponent << 52));
        // Significands with few bits, and with many at their end.
        let few = (bits << 40 | exponent << 52) & 0x7fff_ffff_ffff_ffff;
        check(f64::from_bits(few & !(0x7ff << 52) | exponent << 52));
        check(f64::from_bits(
            few & !(0x7ff << 52) | exponent << 52 | (((1 << 40) - 1) & !(bits & 3)),
        ));
        // Quotients of few bits, and what is beside them.
        let quotient =
            f64::from((bits >> 8) as u32) * 2f64.powi((random.next() % 200) as i32 - 100);
        let sum = quotient * 1e6;
        [sum.next_down(), sum, sum.next_up()].into_iter().for_each(&mut check);
    }
}

#[test]
fn only_products_that_are_exact_are_fused() {
    let is_exact = |dtype, factor| Term { bytes: &[], dtype, factor }.has_exact_products();
    let most = f64::from((1 << 29) - 1);
    for factor in [0.0, 1.0, -999_999.0, 1e6, most, 0.375, 2f64.powi(100), 2f64.powi(-100)] {
        assert!(is_exact(Dtype::F32, factor), "{factor:e}");
        assert!(!is_exact(Dtype::F64, factor), "{factor:e}");
    }
    let subnormal = f64::from_bits(1 << 30);
    for factor in [most + 2.0, 0.1, 2f64.powi(101), 2f64.powi(-101), subnormal, f64::INFINITY] {
        assert!(!is_exact(Dtype::F32, factor), "{factor:e}");
    }
}

#[test]
fn no_terms_give_zeros() {
    for to in FLOATS {
        assert_mixed(&[], Scale::Millionth, to);
    }
}

/// Values in and around what `dtype` holds: any bits, its numbers, their middles, and the neighbours of both.
fn around(dtype: Dtype) -> impl Strategy<Value = f64> {
    let steps = prop_oneof![Just(0i64), Just(0), -2i64..=2];
    let near = (any::<u64>(), any::<bool>(), steps).prop_map(move |(bits, is_middle, steps)| {
        let (.., not_finite) = format(dtype);
        let below = (bits & (sign(dtype) - 1)).min(not_finite - 1);
        let (below, above) = (magnitude(dtype, below), magnitude(dtype, below + 1));
        let value = if is_middle { below / 2.0 + above / 2.0 } else { below };
        let value = if bits >> 63 == 0 { value } else { -value };
        f64::from_bits(value.to_bits().wrapping_add_signed(steps))
    });
    prop_oneof![any::<u64>().prop_map(f64::from_bits), near.clone(), near]
}

fn float() -> impl Strategy<Value = Dtype> {
    proptest::sample::select(&FLOATS[..])
}

/// Parts per million of either sign, round ones among them; and any other number.
fn factor() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-1_000_000i32..=1_000_000).prop_map(f64::from),
        (0i32..=64).prop_map(|part| f64::from(part * 15_625)),
        Just(1e6),
        -3.0..3.0f64,
        any::<f64>().prop_filter("finite", |factor| factor.is_finite()),
    ]
}

/// Elements of either kind in turn: of any exponent, subnormal, near the largest, zeros, or close to 1.
fn element(dtype: Dtype, bits: u64, may_be_bad: bool) -> u64 {
    let (fraction, bias, not_finite) = format(dtype);
    let low = bits >> 8 & (sign(dtype) - 1);
    let fraction_bits = low & ((1 << fraction) - 1);
    let magnitude = match bits & 7 {
        0 | 1 => low,
        2 => fraction_bits,
        3 => not_finite - 1 - (fraction_bits & 3),
        4 => 0,
        _ => ((bias as u64) << fraction) + fraction_bits,
    };
    let is_bad = magnitude >= not_finite;
    let magnitude = if is_bad && !may_be_bad { magnitude % not_finite } else { magnitude };
    if bits >> 7 & 1 == 0 { magnitude } else { magnitude | sign(dtype) }
}

/// Inputs of one dtype or of several, with few elements that are not finite, of a length that is no block's.
fn inputs() -> impl Strategy<Value = (Vec<Input>, Dtype)> {
    let dtypes = prop_oneof![
        (float(), 1usize..9).prop_map(|(dtype, count)| vec![dtype; count + 1]),
        proptest::collection::vec(float(), 2..6),
    ];
    let length = prop_oneof![Just(64), Just(128), 0usize..200, 1000usize..1100];
    (dtypes, length, any::<u64>(), any::<bool>()).prop_flat_map(
        |(dtypes, length, seed, may_be_bad)| {
            let to = dtypes[0];
            let factors = proptest::collection::vec(factor(), dtypes.len() - 1);
            factors.prop_map(move |factors| {
                let mut random = Random(seed);
                let inputs = dtypes[1..].iter().zip(factors).map(|(dtype, factor)| {
                    let bits = (0..length)
                        .map(|_| {
                            element(
                                *dtype,
                                random.next(),
                                may_be_bad && random.next().is_multiple_of(500),
                            )
                        })
                        .collect();
                    Input { dtype: *dtype, factor, bits }
                });
                (inputs.collect(), to)
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn every_level_is_as_specified((inputs, to) in inputs(), is_one: bool) {
        assert_mixed(&inputs, if is_one { Scale::One } else { Scale::Millionth }, to);
    }

    #[test]
    fn every_level_narrows_to_the_nearest(
        dtype in float(),
        seed in 0usize..5,
        values in float().prop_flat_map(|dtype| proptest::collection::vec(around(dtype), 1..200)),
    ) {
        let expected: Result<Vec<_>, _> = values
            .iter()
            .enumerate()
            .map(|(index, value)| nearest(dtype, *value).ok_or(index))
            .collect();
        for level in Level::available() {
            let mut bytes = vec![0; seed + values.len() * dtype.size()];
            let narrowed = level.narrow(dtype, &values, &mut bytes[seed..]);
            let narrowed = narrowed.map(|()| bits_of(dtype, &bytes[seed..]));
            prop_assert_eq!(&narrowed, &expected, "{}", level.name());
        }
    }
}

#[test]
fn converting_is_widening_folding_and_narrowing() {
    // More than one piece, and every bit pattern of 16 bits among them.
    let patterns: Vec<u8> = (0..=u16::MAX).flat_map(|bits| bits.to_le_bytes()).collect();
    let folds = [None, Some(Fold { multiply: 375_000.0 * 32.0, divide: 16e6 })];
    for (from, to) in FLOATS.into_iter().flat_map(|from| FLOATS.map(|to| (from, to))) {
        let count = patterns.len() / from.size();
        for fold in folds {
            let mut values = vec![0.0; count];
            Level::available()[0].widen(from, &patterns, &mut values);
            if let Some(Fold { multiply, divide }) = fold {
                values.iter_mut().for_each(|value| *value = *value * multiply / divide);
            }
            let expected: Vec<_> = values.iter().map(|value| nearest(to, *value)).collect();
            for level in Level::available() {
                let mut output = vec![0xa5; count * to.size()];
                level.convert(from, &patterns, fold, to, &mut output);
                let found = bits_of(to, &output);
                for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    let finite = value(to, *found).map(|_| *found);
                    assert_eq!(finite, *expected, "{from:?} to {to:?}, {index}, {}", level.name());
                }
            }
        }
    }
}

/// Where binary32 is certain, and where it is not: shares that it holds and shares that it does not, ties, zeros of
/// both signs, sums that cancel, and elements from subnormal to nearly too large.
#[test]
fn bounds_of_bf16_meet_only_where_the_result_is_certain() {
    let mut random = Random(7);
    let shares = [[500_000.0, 500_000.0], [625_000.0, 375_000.0], [612_345.0, 387_655.0]];
    let more = [[0.0, 1e6], [1e6, -1e6], [1.0, 999_999.0], [1e6, 1.0], [-333_333.0, 666_667.0]];
    for factors in shares.into_iter().chain(more) {
        for count in [2, 3, 9] {
            for spread in [0x7f80, 0x0400, 0x0080] {
                let input = |index: usize| {
                    let element = |_| {
                        let bits = random.next();
                        let sign = bits >> 63 << 15;
                        match bits & 15 {
                            0 => sign,
                            1 => sign | 0x0001,
                            2 if bits >> 40 & 63 == 0 => sign | 0x7f7f,
                            _ => sign | ((0x3c00 + (bits >> 8 & 0xffff) % spread) % 0x7f80),
                        }
                    };
                    let bits: Vec<_> = (0..64 * 40).map(element).collect();
                    Input { dtype: Dtype::Bf16, factor: factors[index % 2], bits }
                };
                let inputs: Vec<_> = (0..count).map(input).collect();
                assert_each_block(&inputs);
            }
        }
    }
}

/// Block by block, since an element that is refused hides all that follow.
fn assert_each_block(inputs: &[Input]) {
    for start in (0..inputs[0].bits.len()).step_by(64) {
        let block = |it: &Input| Input { bits: it.bits[start..start + 64].to_vec(), ..it.clone() };
        let block: Vec<_> = inputs.iter().map(block).collect();
        assert_mixed(&block, Scale::Millionth, Dtype::Bf16);
        assert_mixed(&block, Scale::One, Dtype::Bf16);
    }
}
