//! A safetensors file full of weights that look trained, from a counter and a seed, at the speed of the disk.
//!
//! Each element is a hash of where it stands: sign and fraction even, exponents falling off by halves below
//! 2^-6, as they do where values are spread evenly around zero. The same seed gives the same bytes anywhere.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::str::FromStr;

/// Changes when the same seed gives other bytes; stands in the header, so that old files are made again.
const RECIPE: &str = "potluck bench 1";

/// Bytes made and written at a time.
const CHUNK: usize = 1 << 20;

/// What the elements are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dtype {
    Bf16,
    F32,
}

impl FromStr for Dtype {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "BF16" => Ok(Self::Bf16),
            "F32" => Ok(Self::F32),
            _ => Err(format!("{name}: write BF16 or F32")),
        }
    }
}

impl Dtype {
    fn name(self) -> &'static str {
        match self {
            Self::Bf16 => "BF16",
            Self::F32 => "F32",
        }
    }

    fn size(self) -> u64 {
        match self {
            Self::Bf16 => 2,
            Self::F32 => 4,
        }
    }

    /// Four elements, or two, from eight random bytes.
    fn elements(self, random: u64) -> [u8; 8] {
        let quarters = [0, 16, 32, 48].map(|shift| (random >> shift) as u16);
        let words = match self {
            Self::Bf16 => quarters.map(weight),
            Self::F32 => [quarters[0], weight(quarters[1]), quarters[2], weight(quarters[3])],
        };
        let [a, b, c, d] = words.map(u16::to_le_bytes);
        [a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1]]
    }
}

/// Sixteen random bits as a BF16 of at most 2^-5: a sign, seven bits of fraction, and an exponent that is one
/// less for every zero that the other bits begin with.
fn weight(random: u16) -> u16 {
    let zeros = ((random >> 7) as u8 | 0x80).trailing_zeros() as u16;
    (random & 0x8000) | ((127 - 6 - zeros) << 7) | (random & 0x7f)
}

/// Writes `path` unless it holds these tensors by this recipe already. `tensors` are names and shapes in byte
/// order of names.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn safetensors(
    path: &Path,
    dtype: Dtype,
    tensors: &[(String, Vec<u64>)],
    seed: u64,
) -> io::Result<()> {
    let (header, length) = header(dtype, tensors);
    if is_there(path, &header, length) {
        return Ok(());
    }
    let part = path.with_extension("part");
    let mut file = File::create(&part)?;
    file.write_all(&header)?;
    let mut left = length;
    let mut counter = seed << 40;
    let mut chunk = vec![0; CHUNK];
    while left > 0 {
        for bytes in chunk.chunks_exact_mut(8) {
            bytes.copy_from_slice(&dtype.elements(hash(counter)));
            counter += 1;
        }
        let now = left.min(CHUNK as u64);
        file.write_all(&chunk[..now as usize])?;
        left -= now;
    }
    // Written back now, and not during the runs that are timed.
    file.sync_all()?;
    fs::rename(&part, path)
}

/// The header with the length before it, and how many bytes of tensors follow.
fn header(dtype: Dtype, tensors: &[(String, Vec<u64>)]) -> (Vec<u8>, u64) {
    let mut json = format!(r#"{{"__metadata__":{{"format":"pt","recipe":"{RECIPE}"}}"#);
    let mut at = 0;
    for (name, shape) in tensors {
        let end = at + shape.iter().product::<u64>() * dtype.size();
        let dtype = dtype.name();
        json += &format!(
            r#","{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{at},{end}]}}"#
        );
        at = end;
    }
    json.push('}');
    let padded = json.len().next_multiple_of(8);
    let header = format!("{json:padded$}");
    ([&(padded as u64).to_le_bytes(), header.as_bytes()].concat(), at)
}

fn is_there(path: &Path, header: &[u8], length: u64) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let whole = file.metadata().is_ok_and(|it| it.len() == header.len() as u64 + length);
    let mut found = Vec::new();
    whole && file.take(header.len() as u64).read_to_end(&mut found).is_ok() && found == header
}

/// The finaliser of SplitMix64.
fn hash(counter: u64) -> u64 {
    let mut x = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
