//! The statistics of tiles on whole vectors, built once for each width of vectors and chosen at run time.
//!
//! All is written in lanes that the compiler turns into vectors ([`mod@crate::widths`]). Three passes go
//! over a tile that lies in the core's cache:
//! 1. extremes, of the bits themselves: they tell whether every element is finite, else the tile is not done here;
//! 2. sums, as [`super::tile`] defines them;
//! 3. exponents, [`exponents`].

use super::tile::{GROUP, LANES, bias, is_tame, least_normal, total};
use super::{Floats, Integers};
use crate::convert;
use crate::layout::Dtype;
use crate::widths::widths;

/// Vectors whose exponents are added up before the counters hear of it.
const STACK: usize = 16;
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
        Dtype::Bf16 => narrow::<7>(dtype, bytes, |bits| f32::from_bits(u32::from(bits) << 16)),
        Dtype::F16 => narrow::<10>(dtype, bytes, f32_of_f16),
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

/// The least and the greatest of elements in their own order, from their bits.
///
/// As signed integers, bits of positive numbers are in order and above all others; as unsigned ones, bits of
/// negative numbers are in reversed order and above all others.
macro_rules! extremes {
    ($name:ident, $bits:ty, $signed:ty) => {
        #[inline(always)]
        fn $name(elements: &[[u8; size_of::<$bits>()]]) -> Option<($bits, $bits)> {
            let (vectors, rest) = elements.as_chunks::<LANES>();
            let mut highest = [<$signed>::MIN; LANES];
            let (mut most, mut least) = ([<$bits>::MIN; LANES], [<$bits>::MAX; LANES]);
            in_lanes!(vectors, rest, |lane, bytes| {
                let bits = <$bits>::from_le_bytes(*bytes);
                highest[lane] = highest[lane].max(bits as $signed);
                most[lane] = most[lane].max(bits);
                least[lane] = least[lane].min(bits);
            });
            let highest = highest.into_iter().max()?;
            let (most, least) = (most.into_iter().max()?, least.into_iter().min()?);
            let is_negative = |bits| bits as $signed < 0;
            let maximum = if highest < 0 { least } else { highest as $bits };
            let minimum = if is_negative(most) { most } else { least };
            (!elements.is_empty()).then_some((minimum, maximum))
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
) -> Option<Floats> {
    let (elements, _) = bytes.as_chunks::<2>();
    let Some((minimum, maximum)) = extremes_16(elements) else { return Some(Floats::default()) };
    let infinity = 0x7fff >> FRACTION << FRACTION;
    if minimum & 0x7fff >= infinity || maximum & 0x7fff >= infinity {
        return None;
    }
    let (minimum, maximum) = (f64::from(value(minimum)), f64::from(value(maximum)));
    let is_tame = is_tame(dtype, minimum.abs().max(maximum.abs()));
    let element = |bytes| value(u16::from_le_bytes(bytes));
    let (sum, squares) = if is_tame {
        sums_in_groups(elements, element)
    } else {
        sums(elements, |bytes| f64::from(element(bytes)))
    };
    let mut found = Floats { sum, squares, ..of_range(elements.len(), minimum, maximum) };
    let top = |bytes| u16::from_le_bytes(bytes) & 0x7fff;
    exponents::<2, FRACTION>(elements, bias(dtype), top, |bytes| top(bytes) == 0, &mut found);
    Some(found)
}

#[inline(always)]
fn single(bytes: &[u8]) -> Option<Floats> {
    let (elements, _) = bytes.as_chunks::<4>();
    let Some((minimum, maximum)) = extremes_32(elements) else { return Some(Floats::default()) };
    let (minimum, maximum) = (f32::from_bits(minimum), f32::from_bits(maximum));
    if !(minimum.is_finite() && maximum.is_finite()) {
        return None;
    }
    let (sum, squares) = sums(elements, |bytes| f64::from(f32::from_le_bytes(bytes)));
    let range = of_range(elements.len(), minimum.into(), maximum.into());
    let mut found = Floats { sum, squares, ..range };
    let top = |bytes| (u32::from_le_bytes(bytes) >> 16) as u16 & 0x7fff;
    let is_zero = |bytes| f32::from_le_bytes(bytes) == 0.0;
    exponents::<4, 7>(elements, bias(Dtype::F32), top, is_zero, &mut found);
    Some(found)
}

#[inline(always)]
fn double(bytes: &[u8]) -> Option<Floats> {
    let (elements, _) = bytes.as_chunks::<8>();
    let Some((minimum, maximum)) = extremes_64(elements) else { return Some(Floats::default()) };
    let (minimum, maximum) = (f64::from_bits(minimum), f64::from_bits(maximum));
    if !(minimum.is_finite() && maximum.is_finite()) {
        return None;
    }
    let (sum, squares) = sums(elements, f64::from_le_bytes);
    let mut found = Floats { sum, squares, ..of_range(elements.len(), minimum, maximum) };
    let top = |bytes| (u64::from_le_bytes(bytes) >> 48) as u16 & 0x7fff;
    let is_zero = |bytes| f64::from_le_bytes(bytes) == 0.0;
    exponents::<8, 4>(elements, bias(Dtype::F64), top, is_zero, &mut found);
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

/// The same in binary32 within each group.
#[inline(always)]
fn sums_in_groups(elements: &[[u8; 2]], value: impl Fn([u8; 2]) -> f32 + Copy) -> (f64, f64) {
    let (mut sums, mut squares) = ([0.0; LANES], [0.0; LANES]);
    for group in elements.chunks(GROUP) {
        let (mut group_sums, mut group_squares) = ([0f32; LANES], [0f32; LANES]);
        let (vectors, rest) = group.as_chunks::<LANES>();
        in_lanes!(vectors, rest, |lane, bytes| {
            let value = value(*bytes);
            group_sums[lane] += value;
            group_squares[lane] += value * value;
        });
        for lane in 0..LANES {
            sums[lane] += f64::from(group_sums[lane]);
            squares[lane] += f64::from(group_squares[lane]);
        }
    }
    (total(&sums), total(&squares))
}

type Vector = [u16; LANES];

/// Counts zeros, subnormals, and normal numbers by their exponents.
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
    is_zero: impl Fn([u8; SIZE]) -> bool,
    found: &mut Floats,
) {
    let base = window(bias, found);
    let mut counts = [0u32; EXPONENTS];
    let (vectors, rest) = elements.as_chunks::<LANES>();
    let (stacks, loose) = vectors.as_chunks::<STACK>();
    let mut columns = Columns::default();
    for stack in stacks {
        if columns.add::<SIZE, SHIFT>(stack, base, top) {
            for vector in stack {
                count_outside::<SIZE, SHIFT>(vector, base, top, &mut counts);
            }
        }
    }
    for bytes in loose.iter().flatten().chain(rest) {
        counts[usize::from(top(*bytes) >> SHIFT)] += 1;
    }
    columns.pour(&mut counts[usize::from(base)..]);
    let least = u64::from(counts[0]);
    if least > 0 {
        let mut zeros = 0u32;
        for bytes in elements {
            // At most the elements of a tile.
            zeros = zeros.wrapping_add(u32::from(is_zero(*bytes)));
        }
        found.zeros = zeros.into();
        found.subnormals = least - found.zeros;
    }
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
                // A tile has at most 32 stacks.
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
            let mut sum = 0u32;
            for lane in 0..LANES {
                let mut of_lane = u32::from(self.sixteens[bit as usize][lane]);
                for pending in self.pending.iter().rev() {
                    let more = u32::from(pending[lane].wrapping_shr(bit) & 1);
                    of_lane = of_lane.wrapping_mul(2).wrapping_add(more);
                }
                // At most the elements of a tile.
                sum = sum.wrapping_add(of_lane);
            }
            *count += sum;
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
        found.see(value, count.into(), least_normal(dtype));
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
