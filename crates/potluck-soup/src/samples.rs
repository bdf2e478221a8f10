//! Small safetensors files for tests, made without the code under test, and the slow way to round.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use potluck_core::PartyId;

use crate::layout::Dtype;

/// A tensor to be written.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<u64>,
    pub(crate) bytes: Vec<u8>,
}

/// A tensor of F32.
pub(crate) fn f32s(name: &'static str, values: &[f32]) -> Sample {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Sample { name, dtype: Dtype::F32, shape: vec![values.len() as u64], bytes }
}

/// A tensor of BF16 or F16 by its bits.
pub(crate) fn halves(name: &'static str, dtype: Dtype, bits: &[u16]) -> Sample {
    let bytes = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    Sample { name, dtype, shape: vec![bits.len() as u64], bytes }
}

/// A file with this header, unpadded, and this data.
pub(crate) fn raw(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// A file with these tensors in this order.
pub(crate) fn file(tensors: &[Sample]) -> Vec<u8> {
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for Sample { name, dtype, shape, bytes } in tensors {
        let begin = data.len();
        data.extend_from_slice(bytes);
        entries.push(format!(
            r#""{name}":{{"dtype":"{}","shape":{shape:?},"data_offsets":[{begin},{}]}}"#,
            dtype.name(),
            data.len()
        ));
    }
    raw(&format!("{{{}}}", entries.join(",")), &data)
}

/// An open file without a name that holds these bytes.
pub(crate) fn open(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// The parties a, b, c, … with files of these tensors in `folder`.
pub(crate) fn experts(folder: &Path, experts: &[Vec<Sample>]) -> Vec<(PartyId, PathBuf)> {
    let write = |(tensors, letter): (&Vec<Sample>, char)| {
        let path = folder.join(format!("{letter}.safetensors"));
        std::fs::write(&path, file(tensors)).unwrap();
        (letter.to_string().parse().unwrap(), path)
    };
    experts.iter().zip('a'..='z').map(write).collect()
}

/// The values of every bit pattern from +0 up to the first that is not finite, which counts here as the number
/// that would come next. IEEE 754's definition, without any arithmetic on bits of the results.
pub(crate) fn magnitudes(dtype: Dtype) -> Vec<f64> {
    let (bias, fraction, not_finite) = match dtype {
        Dtype::Bf16 => (127, 7, 0x7f80),
        Dtype::F16 => (15, 10, 0x7c00),
        Dtype::F8E4M3 => (7, 3, 0x7f),
        Dtype::F8E5M2 => (15, 2, 0x7c),
        other => panic!("{other:?} has too many values to list"),
    };
    let value = |bits: i32| {
        let (exponent, low) = (bits >> fraction, bits % (1 << fraction));
        let (exponent, leading) = if exponent == 0 { (1, 0) } else { (exponent, 1 << fraction) };
        f64::from(leading + low) * 2f64.powi(exponent - bias - fraction)
    };
    (0..=not_finite).map(value).collect()
}

/// The bits of the element of `magnitudes` nearest to `value`, the even ones of two that are as near; with the
/// sign at the top of `bits` bits.
pub(crate) fn nearest(magnitudes: &[f64], value: f64, bits: u32) -> u16 {
    let above = magnitudes.partition_point(|candidate| *candidate <= value.abs());
    let sign = u16::from(value.is_sign_negative()) << (bits - 1);
    if above == magnitudes.len() {
        return sign | (above - 1) as u16;
    }
    // Neighbours have few bits, so their mean is exact.
    let middle = (magnitudes[above - 1] + magnitudes[above]) / 2.0;
    let below = above as u16 - 1;
    let up = value.abs() > middle || value.abs() == middle && below % 2 == 1;
    sign | (below + u16::from(up))
}
