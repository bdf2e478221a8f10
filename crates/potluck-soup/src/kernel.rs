//! Temporary.
use crate::convert;
use crate::layout::Dtype;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Millionth,
    One,
}
pub(crate) struct Term<'a> {
    pub bytes: &'a [u8],
    pub dtype: Dtype,
    pub factor: f64,
}
pub(crate) fn mix(
    terms: &[Term<'_>],
    scale: Scale,
    to: Dtype,
    scratch: &mut Vec<f64>,
    output: &mut [u8],
) -> Result<(), usize> {
    scratch.clear();
    scratch.resize(output.len() / to.size(), 0.0);
    for t in terms {
        let f = t.factor;
        convert::for_each(t.dtype, t.bytes, |i, v| scratch[i] += f * v);
    }
    let d = match scale {
        Scale::Millionth => 1e6,
        Scale::One => 1.0,
    };
    convert::narrow_all(to, scratch.iter().map(|s| s / d), output);
    first_not_finite(to, output).map_or(Ok(()), Err)
}
pub(crate) fn first_not_finite(dtype: Dtype, bytes: &[u8]) -> Option<usize> {
    convert::first_not_finite(dtype, bytes)
}
pub(crate) fn widen(dtype: Dtype, bytes: &[u8], values: &mut [f64]) {
    convert::for_each(dtype, bytes, |i, v| values[i] = v);
}
pub(crate) fn narrow(dtype: Dtype, values: &[f64], bytes: &mut [u8]) -> Result<(), usize> {
    convert::narrow_all(dtype, values.iter().copied(), bytes);
    first_not_finite(dtype, bytes).map_or(Ok(()), Err)
}
