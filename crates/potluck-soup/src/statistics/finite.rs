//! The statistics of tiles on whole vectors, built once for each width of vectors and chosen at run time.
//!
//! All is written in lanes that the compiler turns into vectors ([`mod@crate::widths`]). Three passes go
//! over a tile that lies in the core's cache:
//! 1. extremes, of the bits themselves: they tell whether every element is finite, else the tile is not done here;
//! 2. sums, as [`super::tile`] defines them;
//! 3. exponents of the sample, [`exponents`].

use super::tile::{EVERY, GROUP, LANES, RUN, bias, is_tame, least_normal, total};
use super::{Floats, Integers};
use crate::convert;
use crate::layout::Dtype;
use crate::widths::widths;

/// Vectors whose exponents are added up before the counters hear of it.
const STACK: usize = RUN / LANES;
/// Exponents that are counted in vectors; the few others are counted one at a time.
const WINDOW: u16 = 16;
/// Exponent fields of the widest format.
const EXPONENTS: usize = 1 << 11;

widths! {
    /// Of a tile of F64, F32, BF16 or F16 whose elements are all finite; `None` where one is not.
    pub(super) fn floats(dtype: Dtype, bytes: &[u8]) -> Option<Floats> = floats_of
}

widths! {
    /// Of a tile of integers or truth values.
    pub(super) fn integers(dtype: Dtype, bytes: &[u8]) -> Integers = integers_of
}

#[inline(always)]
fn floats_of(dtype: Dtype, bytes: &[u8]) -> Option<Floats> {
    match dtype {
        Dtype::Bf16 => {
            let pair = |word: u32| (f32::from_bits(word << 16), f32::from_bits(word & 0xffff_0000));
            narrow::<7>(dtype, bytes, |bits| f32::from_bits(u32::from(bits) << 16), pair)
        }
        Dtype::F16 => {
            let pair = |word: u32| (f32_of_f16(word as u16), f32_of_f16((word >> 16) as u16));
            narrow::<10>(dtype, bytes, f32_of_f16, pair)
        }
        Dtype::F32 => single(bytes),
        _ => double(bytes),
    }
}

/// A finite binary16. Shifted, its bits are those of a binary32 that is 2^112 times too small.
#[inline(always)]
fn f32_of_f16(bits: u16) -> f32 {
    const SCALE: f32 = f32::from_bits((127 + 112) << 23);
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = f32::from_bits(u32::from(bits & 0x7fff) << 13) * SCALE;
    f32::from_bits(magnitude.to_bits() | sign)
}

/// Does the same for every element, with its lane. Not a closure: one that the compiler does not inline is built for
/// no width of vectors at all.
macro_rules! in_lanes {
    ($vectors:expr, $rest:expr, |$lane:ident, $bytes:ident| $body:block) => {
        for vector in $vectors {
            for $lane in 0..LANES {
                let $bytes = &vector[$lane];
                $body
            }
        }
        for ($lane, $bytes) in $rest.iter().enumerate() $body
    };
}

/// The least and the greatest of elements in their own order, from their bits; and how many are less than normal.
///
/// As signed integers, bits of positive numbers are in order and above all others; as unsigned ones, bits of
/// negative numbers are in reversed order and above all others.
macro_rules! extremes {
    ($name:ident, $bits:ty, $signed:ty) => {
        #[inline(always)]
        fn $name(
            elements: &[[u8; size_of::<$bits>()]],
            least_normal: $bits,
        ) -> Option<($bits, $bits, u64)> {
            let (vectors, rest) = elements.as_chunks::<LANES>();
            let (mut highest, mut low) = ([<$signed>::MIN; LANES], [0 as $bits; LANES]);
            let (mut most, mut least) = ([<$bits>::MIN; LANES], [<$bits>::MAX; LANES]);
            in_lanes!(vectors, rest, |lane, bytes| {
                let bits = <$bits>::from_le_bytes(*bytes);
                highest[lane] = highest[lane].max(bits as $signed);
                most[lane] = most[lane].max(bits);
                least[lane] = least[lane].min(bits);
                // A tile has less elements a lane than any of these formats can count.
                let is_low = bits & <$bits>::MAX >> 1 < least_normal;
                low[lane] = low[lane].wrapping_add(<$bits>::from(is_low));
            });
            let highest = highest.into_iter().max()?;
            let (most, least) = (most.into_iter().max()?, least.into_iter().min()?);
            let is_negative = |bits| bits as $signed < 0;
            let maximum = if highest < 0 { least } else { highest as $bits };
            let minimum = if is_negative(most) { most } else { least };
            let mut all_low = 0u64;
            for count in low {
                all_low = all_low.wrapping_add(u64::from(count));
            }
            (!elements.is_empty()).then_some((minimum, maximum, all_low))
        }
    };
}

extremes!(extremes_16, u16, i16);
extremes!(extremes_32, u32, i32);
extremes!(extremes_64, u64, i64);

/// A tile of BF16 or F16, of `FRACTION` fraction bits.
#[inline(always)]
fn narrow<const FRACTION: u32>(
    dtype: Dtype,
    bytes: &[u8],
    value: impl Fn(u16) -> f32 + Copy,
    pair: impl Fn(u32) -> (f32, f32),
) -> Option<Floats> {
    let (elements, _) = bytes.as_chunks::<2>();
    let Some((minimum, maximum, low)) = extremes_16(elements, 1 << FRACTION) else {
        return Some(Floats::default());
    };
    let infinity = 0x7fff >> FRACTION << FRACTION;
    if minimum & 0x7fff >= infinity || maximum & 0x7fff >= infinity {
        return None;
    }
    let (minimum, maximum) = (f64::from(value(minimum)), f64::from(value(maximum)));
    let is_tame = is_tame(dtype, minimum.abs().max(maximum.abs()));
    let (sum, squares) = if is_tame {
        sums_in_groups(elements, value, pair)
    } else {
        sums(elements, |bytes| f64::from(value(u16::from_le_bytes(bytes))))
    };
    let mut found = Floats { sum, squares, ..of_range(elements.len(), minimum, maximum) };
    let top = |bytes| u16::from_le_bytes(bytes) & 0x7fff;
    exponents::<2, FRACTION>(elements, bias(dtype), top, &mut found);
    zeros(elements, low, |bytes| top(bytes) == 0, &mut found);
    Some(found)
}

#[inline(always)]
fn single(bytes: &[u8]) -> Option<Floats> {
    let (elements, _) = bytes.as_chunks::<4>();
    let Some((minimum, maximum, low)) = extremes_32(elements, 1 << 23) else {
        return Some(Floats::default());
    };
    let (minimum, maximum) = (f32::from_bits(minimum), f32::from_bits(maximum));
    if !(minimum.is_finite() && maximum.is_finite()) {
        return None;
    }
    let (sum, squares) = sums(elements, |bytes| f64::from(f32::from_le_bytes(bytes)));
    let range = of_range(elements.len(), minimum.into(), maximum.into());
    let mut found = Floats { sum, squares, ..range };
    let top = |bytes| (u32::from_le_bytes(bytes) >> 16) as u16 & 0x7fff;
    exponents::<4, 7>(elements, bias(Dtype::F32), top, &mut found);
    zeros(elements, low, |bytes| f32::from_le_bytes(bytes) == 0.0, &mut found);
    Some(found)
}

#[inline(always)]
fn double(bytes: &[u8]) -> Option<Floats> {
    let (elements, _) = bytes.as_chunks::<8>();
    let Some((minimum, maximum, low)) = extremes_64(elements, 1 << 52) else {
        return Some(Floats::default());
    };
    let (minimum, maximum) = (f64::from_bits(minimum), f64::from_bits(maximum));
    if !(minimum.is_finite() && maximum.is_finite()) {
        return None;
    }
    let (sum, squares) = sums(elements, f64::from_le_bytes);
    let mut found = Floats { sum, squares, ..of_range(elements.len(), minimum, maximum) };
    let top = |bytes| (u64::from_le_bytes(bytes) >> 48) as u16 & 0x7fff;
    exponents::<8, 4>(elements, bias(Dtype::F64), top, &mut found);
    zeros(elements, low, |bytes| f64::from_le_bytes(bytes) == 0.0, &mut found);
    Some(found)
}

fn of_range(elements: usize, minimum: f64, maximum: f64) -> Floats {
    let (minimum, maximum) = (Some(minimum), Some(maximum));
    Floats { elements: elements as u64, minimum, maximum, ..Floats::default() }
}

/// Sums and sums of squares in binary64.
#[inline(always)]
fn sums<const SIZE: usize>(
    elements: &[[u8; SIZE]],
    value: impl Fn([u8; SIZE]) -> f64,
) -> (f64, f64) {
    let (mut sums, mut squares) = ([0.0; LANES], [0.0; LANES]);
    let (vectors, rest) = elements.as_chunks::<LANES>();
    in_lanes!(vectors, rest, |lane, bytes| {
        let value = value(*bytes);
        sums[lane] += value;
        squares[lane] += value * value;
    });
    (total(&sums), total(&squares))
}

/// The same in binary32 within each group. `pair` gives the two elements of a word of 32 bits, the lower one first:
/// two neighbours are taken apart faster than each is widened.
#[inline(always)]
fn sums_in_groups(
    elements: &[[u8; 2]],
    value: impl Fn(u16) -> f32,
    pair: impl Fn(u32) -> (f32, f32),
) -> (f64, f64) {
    const HALF: usize = LANES / 2;
    // Even lanes and odd ones.
    let (mut sums, mut squares) = ([[0.0; HALF]; 2], [[0.0; HALF]; 2]);
    for group in elements.chunks(GROUP) {
        let (mut group_sums, mut group_squares) = ([[0f32; HALF]; 2], [[0f32; HALF]; 2]);
        let (words, _) = group.as_flattened().as_chunks::<4>();
        let (vectors, _) = words.as_chunks::<HALF>();
        for vector in vectors {
            for lane in 0..HALF {
                let (even, odd) = pair(u32::from_le_bytes(vector[lane]));
                group_sums[0][lane] += even;
                group_squares[0][lane] += even * even;
                group_sums[1][lane] += odd;
                group_squares[1][lane] += odd * odd;
            }
        }
        for (lane, bytes) in group[vectors.len() * LANES..].iter().enumerate() {
            let value = value(u16::from_le_bytes(*bytes));
            group_sums[lane % 2][lane / 2] += value;
            group_squares[lane % 2][lane / 2] += value * value;
        }
        for half in 0..2 {
            for lane in 0..HALF {
                sums[half][lane] += f64::from(group_sums[half][lane]);
                squares[half][lane] += f64::from(group_squares[half][lane]);
            }
        }
    }
    let in_order =
        |halves: [[f64; HALF]; 2]| std::array::from_fn(|lane| halves[lane % 2][lane / 2]);
    (total(&in_order(sums)), total(&in_order(squares)))
}

type Vector = [u16; LANES];

/// Tells zeros and subnormals apart, of which there are `low` together.
#[inline(always)]
fn zeros<const SIZE: usize>(
    elements: &[[u8; SIZE]],
    low: u64,
    is_zero: impl Fn([u8; SIZE]) -> bool,
    found: &mut Floats,
) {
    if low == 0 {
        return;
    }
    let mut zeros = 0u32;
    for bytes in elements {
        // At most the elements of a tile.
        zeros = zeros.wrapping_add(u32::from(is_zero(*bytes)));
    }
    found.zeros = zeros.into();
    found.subnormals = low - found.zeros;
}

/// Counts the sampled normal numbers by their exponents.
///
/// `top` gives an element's last two bytes without the sign: the exponent, and `SHIFT` bits of the fraction.
/// Each element becomes a word with one bit set: which, says how far its exponent is above the window's base.
/// Words are added bit by bit, as a column of carry-save adders does (Harley and Seal's way of counting bits), so
/// that sixteen exponents are counted for the price of two logical operations an element. Where the window lies,
/// about the root mean square, changes the speed only.
#[inline(always)]
fn exponents<const SIZE: usize, const SHIFT: u32>(
    elements: &[[u8; SIZE]],
    bias: i32,
    top: impl Fn([u8; SIZE]) -> u16 + Copy,
    found: &mut Floats,
) {
    let base = window(bias, found);
    let mut counts = [0u32; EXPONENTS];
    let mut columns = Columns::default();
    for run in elements.chunks(RUN).step_by(EVERY) {
        let (vectors, rest) = run.as_chunks::<LANES>();
        let (stacks, loose) = vectors.as_chunks::<STACK>();
        for bytes in loose.iter().flatten().chain(rest) {
            counts[usize::from(top(*bytes) >> SHIFT)] += 1;
        }
        let Some(stack) = stacks.first() else { continue };
        if columns.add::<SIZE, SHIFT>(stack, base, top) {
            for vector in stack {
                count_outside::<SIZE, SHIFT>(vector, base, top, &mut counts);
            }
        }
    }
    columns.pour(&mut counts[usize::from(base)..]);
    let fields = &counts[..1 << (15 - SHIFT)];
    for (field, count) in (0..).zip(fields).skip(1).filter(|(_, count)| **count > 0) {
        found.magnitudes.count(field - bias, u64::from(*count));
    }
}

/// The least exponent field of the window: from 12 powers of two below the root mean square to 3 above.
fn window(bias: i32, found: &Floats) -> u16 {
    let mean_square = found.squares / found.elements as f64;
    let exponent = (mean_square.sqrt().to_bits() >> 52) as i32 - 1023;
    let base = exponent + bias - i32::from(WINDOW) + 4;
    u16::try_from(base).unwrap_or(0).min(EXPONENTS as u16 - WINDOW)
}

/// Counts those elements of a vector whose exponents are outside the window: most are zeros.
#[inline(always)]
fn count_outside<const SIZE: usize, const SHIFT: u32>(
    vector: &[[u8; SIZE]; LANES],
    base: u16,
    top: impl Fn([u8; SIZE]) -> u16,
    counts: &mut [u32; EXPONENTS],
) {
    let (mut least, mut others) = (0u16, 0u16);
    for bytes in vector {
        let field = top(*bytes) >> SHIFT;
        let is_outside = field.wrapping_sub(base) >= WINDOW;
        least = least.wrapping_add(u16::from(is_outside & (field == 0)));
        others |= u16::from(is_outside & (field != 0));
    }
    counts[0] += u32::from(least);
    if others != 0 {
        for bytes in vector {
            let field = top(*bytes) >> SHIFT;
            if field.wrapping_sub(base) >= WINDOW && field != 0 {
                counts[usize::from(field)] += 1;
            }
        }
    }
}

/// Sixteen counters a lane, one for each bit of a word.
#[derive(Default)]
struct Columns {
    /// Bits of weight 1, 2, 4 and 8 that are not yet counted.
    pending: [Vector; 4],
    /// Sixteens, for each bit of a word.
    sixteens: [Vector; WINDOW as usize],
}

impl Columns {
    /// Adds the exponents of sixteen vectors; says whether some are outside the window.
    #[inline(always)]
    fn add<const SIZE: usize, const SHIFT: u32>(
        &mut self,
        stack: &[[[u8; SIZE]; LANES]; STACK],
        base: u16,
        top: impl Fn([u8; SIZE]) -> u16 + Copy,
    ) -> bool {
        let [ones, twos, fours, eights] = &mut self.pending;
        let mut outside = [0; LANES];
        macro_rules! two {
            ($row:expr) => {{
                let a = words::<SIZE, SHIFT>(&stack[$row], base, top, &mut outside);
                let b = words::<SIZE, SHIFT>(&stack[$row + 1], base, top, &mut outside);
                carry(ones, &a, &b)
            }};
        }
        macro_rules! four {
            ($row:expr) => {{
                let (a, b) = (two!($row), two!($row + 2));
                carry(twos, &a, &b)
            }};
        }
        macro_rules! eight {
            ($row:expr) => {{
                let (a, b) = (four!($row), four!($row + 4));
                carry(fours, &a, &b)
            }};
        }
        let (a, b) = (eight!(0), eight!(8));
        let sixteen = carry(eights, &a, &b);
        for bit in 0..WINDOW {
            let counter = &mut self.sixteens[usize::from(bit)];
            for lane in 0..LANES {
                let more = sixteen[lane].wrapping_shr(bit.into()) & 1;
                // A tile has at most eight stacks in the sample.
                counter[lane] = counter[lane].wrapping_add(more);
            }
        }
        let mut all = 0;
        for above in outside {
            all |= above;
        }
        all >= WINDOW
    }

    /// Adds what was counted to `counts`, the base's counter first.
    #[inline(always)]
    fn pour(&self, counts: &mut [u32]) {
        for (bit, count) in (0..u32::from(WINDOW)).zip(counts) {
            let mut sum = self.sixteens[bit as usize];
            for pending in self.pending.iter().rev() {
                for lane in 0..LANES {
                    let more = pending[lane].wrapping_shr(bit) & 1;
                    // At most the elements of a tile, as are all sums here.
                    sum[lane] = sum[lane].wrapping_mul(2).wrapping_add(more);
                }
            }
            for lane in sum {
                *count = count.wrapping_add(u32::from(lane));
            }
        }
    }
}

/// A word for each element, with the bit set that says how far its exponent is above the base; none outside the
/// window.
#[inline(always)]
fn words<const SIZE: usize, const SHIFT: u32>(
    vector: &[[u8; SIZE]; LANES],
    base: u16,
    top: impl Fn([u8; SIZE]) -> u16,
    outside: &mut Vector,
) -> Vector {
    let mut words = [0; LANES];
    for lane in 0..LANES {
        let above = top(vector[lane]).wrapping_sub(base << SHIFT) >> SHIFT;
        outside[lane] |= above;
        words[lane] = if above < WINDOW { 1u16.wrapping_shl(above.into()) } else { 0 };
    }
    words
}

/// Adds two bits to one, in every bit of every word; the sum stays, the carry is handed on.
#[inline(always)]
fn carry(sum: &mut Vector, a: &Vector, b: &Vector) -> Vector {
    let mut carry = [0; LANES];
    for lane in 0..LANES {
        let (x, y, z) = (sum[lane], a[lane], b[lane]);
        carry[lane] = x & y | (x ^ y) & z;
        sum[lane] = x ^ y ^ z;
    }
    carry
}

/// Of a tile of either F8: all follows from how often each pattern occurs.
pub(super) fn bytes(dtype: Dtype, bytes: &[u8]) -> Floats {
    // Four tables, so that a run of one pattern does not wait for itself.
    let mut tables = [[0u32; 256]; 4];
    let (quads, rest) = bytes.as_chunks::<4>();
    for quad in quads {
        (0..4).for_each(|table| tables[table][usize::from(quad[table])] += 1);
    }
    rest.iter().for_each(|byte| tables[0][usize::from(*byte)] += 1);
    let mut found = Floats { elements: bytes.len() as u64, ..Floats::default() };
    for pattern in 0..=u8::MAX {
        let count: u32 = tables.iter().map(|table| table[usize::from(pattern)]).sum();
        if count == 0 {
            continue;
        }
        let value = match dtype {
            Dtype::F8E4M3 => convert::f64_of_f8_e4m3(pattern),
            _ => convert::f64_of_f8_e5m2(pattern),
        };
        found.see(value, count.into(), least_normal(dtype), true);
        if value.is_finite() {
            found.sum += f64::from(count) * value;
            found.squares += f64::from(count) * (value * value);
        }
    }
    found
}

#[inline(always)]
fn integers_of(dtype: Dtype, bytes: &[u8]) -> Integers {
    macro_rules! of {
        ($type:ty) => {
            Integers::of(bytes.as_chunks().0.iter().map(|bytes| <$type>::from_le_bytes(*bytes)))
        };
    }
    match dtype {
        Dtype::I64 => of!(i64),
        Dtype::U64 => of!(u64),
        Dtype::I32 => of!(i32),
        Dtype::U32 => of!(u32),
        Dtype::I16 => of!(i16),
        Dtype::U16 => of!(u16),
        Dtype::I8 => of!(i8),
        // Truth values are bytes.
        _ => of!(u8),
    }
}
