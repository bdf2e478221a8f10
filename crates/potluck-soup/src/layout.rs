//! Where each tensor of a safetensors file lies: a strict reader of headers that may be hostile.
//!
//! ```text
//! 0        8                    data_start                         end of file
//! | N: u64 | header: N bytes of JSON | tensors, back to back, no gap |
//! ```
//!
//! It refuses more than the format's own library does (duplicate names, unknown fields, names that could not be
//! file names, other dtypes than soups have), and it measures the header against a [`HeaderLimit`] before it
//! reads or allocates anything. What it then takes is linear in the header, in time and in memory; the worst
//! that [`HeaderLimit::LOCAL`] lets in takes 64 MiB while it is read. Called by [`mod@crate::inspect`] and [`mod@crate::blend`]; nothing else in the product
//! reads safetensors.

mod dtype;
mod header;
pub(crate) mod name;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

pub use self::dtype::Dtype;
use self::header::Header;

/// The longest header that a federation admits, in bytes.
pub const MAX_HEADER: u64 = 4 << 20;
/// The longest header that is ever read, in bytes: one file of [`MAX_TENSORS`] with names of a usual length.
pub const MAX_LOCAL_HEADER: u64 = 16 << 20;
/// The most tensors of a file; the largest mixtures of experts have some 100 000.
pub const MAX_TENSORS: usize = 1 << 17;
/// What a header may take beside its tensors, in bytes.
pub const HEADER_ALLOWANCE: u64 = 8 << 10;
/// What a header may take for each tensor that its base has, in bytes.
pub const HEADER_PER_TENSOR: u64 = 512;
/// What the configuration of an adapter may take in its header, in bytes.
pub const ADAPTER_CONFIG_ALLOWANCE: u64 = 64 << 10;
/// The longest name of a tensor, in bytes.
pub const MAX_TENSOR_NAME: usize = 256;
/// The most dimensions of a tensor.
pub const MAX_DIMENSIONS: usize = 8;
/// The most keys of a file's metadata.
pub const MAX_METADATA: usize = 64;

/// How long a header may be, in bytes: decided before the header is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderLimit(u64);

impl HeaderLimit {
    /// For a base, or any other file of a federation that has no base to be measured against.
    pub const BASE: Self = Self(MAX_HEADER);

    /// For a file that somebody chose himself, to mix or to look at: nobody sent it.
    pub const LOCAL: Self = Self(MAX_LOCAL_HEADER);

    /// For an expert of `base`: [`HEADER_ALLOWANCE`] and [`HEADER_PER_TENSOR`] for each of its tensors, at most
    /// [`MAX_HEADER`].
    pub fn for_expert_of(base: &Layout) -> Self {
        let tensors = u64::try_from(base.tensors.len()).unwrap_or(u64::MAX);
        let bytes = HEADER_PER_TENSOR.saturating_mul(tensors).saturating_add(HEADER_ALLOWANCE);
        Self(bytes.min(MAX_HEADER))
    }

    /// For an adapter on `base`: as for an expert with two factors for each of the base's tensors, and
    /// [`ADAPTER_CONFIG_ALLOWANCE`] for what they mean.
    pub fn for_adapter_of(base: &Layout) -> Self {
        let tensors = u64::try_from(base.tensors.len()).unwrap_or(u64::MAX);
        let bytes = (2 * HEADER_PER_TENSOR).saturating_mul(tensors);
        Self(bytes.saturating_add(HEADER_ALLOWANCE + ADAPTER_CONFIG_ALLOWANCE).min(MAX_HEADER))
    }

    /// The limit in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

/// Why a header was refused. Each is the file's fault but [`Self::Read`].
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The file could not be read.
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    /// Not even a header's length.
    #[error("the file has {0} bytes, too few for a safetensors header")]
    TooShort(u64),
    /// More header than this file may have.
    #[error("the header claims {size} bytes; at most {limit} are allowed here")]
    HeaderTooLong {
        /// As claimed, in bytes.
        size: u64,
        /// As allowed, in bytes.
        limit: u64,
    },
    /// The file ends inside its header.
    #[error("the header claims {size} bytes, but the file ends after {available} of them")]
    HeaderCut {
        /// As claimed, in bytes.
        size: u64,
        /// As there, in bytes.
        available: u64,
    },
    /// Not the JSON that a header is.
    #[error("the header is no safetensors JSON: {0}")]
    Json(String),
    /// More entries than files have.
    #[error("the header lists more than {MAX_TENSORS} tensors")]
    TooMany,
    /// A name outside the allowed characters, empty, too long, or a folder's (`.` and `..`).
    #[error(
        "the tensor name '{0}' is refused: 1 to {MAX_TENSOR_NAME} of A-Z, a-z, 0-9, '.', '_' and '-' are allowed"
    )]
    Name(String),
    /// One name twice.
    #[error("the tensor {0} stands in the header twice")]
    Twice(String),
    /// A dtype that soups do not have.
    #[error("the tensor {tensor} is of dtype '{dtype}', which is not supported")]
    Dtype {
        /// Which tensor.
        tensor: String,
        /// As written.
        dtype: String,
    },
    /// A shape whose size does not fit 64 bits.
    #[error("the shape of tensor {0} overflows")]
    Shape(String),
    /// The shape and the range disagree.
    #[error("the tensor {tensor} needs {needed} bytes, but its data_offsets span {spanned}")]
    Span {
        /// Which tensor.
        tensor: String,
        /// By shape and dtype, in bytes.
        needed: u64,
        /// By its offsets, in bytes.
        spanned: u64,
    },
    /// A hole before the tensor, or an overlap with the one before it.
    #[error(
        "the tensor {tensor} begins at byte {begin} of the data; the one before it ends at {expected}"
    )]
    NotContiguous {
        /// Which tensor.
        tensor: String,
        /// Where it begins, in bytes from the data's start.
        begin: u64,
        /// Where it had to begin.
        expected: u64,
    },
    /// The tensors end before or after the file does.
    #[error("the tensors end at byte {tensors} of the data, but the file has {file}")]
    Length {
        /// By the header, in bytes from the data's start.
        tensors: u64,
        /// By the file's length.
        file: u64,
    },
    /// A file longer than any can be.
    #[error("header and data together would have more than 2^63 - 1 bytes")]
    FileTooLong,
}

/// One tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorLayout {
    /// Its name: 1 to [`MAX_TENSOR_NAME`] of `[A-Za-z0-9._-]`.
    pub name: String,
    /// The format of its elements.
    pub dtype: Dtype,
    /// Its dimensions, at most [`MAX_DIMENSIONS`]; none for a scalar.
    pub shape: Vec<u64>,
    /// Where its bytes lie, counted from the start of the file.
    pub range: Range<u64>,
}

impl TensorLayout {
    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// How many elements it has.
    pub fn elements(&self) -> u64 {
        self.bytes() / self.dtype.size() as u64
    }
}

/// A checked header: every tensor lies inside the file, and they cover it from the data's start to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    tensors: Vec<TensorLayout>,
    metadata: Vec<(String, String)>,
    data_start: u64,
}

impl Layout {
    /// Reads and checks the header of `file`, which is `length` bytes long.
    ///
    /// Allocates in proportion to the header, which `limit` bounds.
    ///
    /// # Errors
    /// [`LayoutError`]; a header beyond `limit` is refused before it is read.
    pub fn read(file: &File, length: u64, limit: HeaderLimit) -> Result<Self, LayoutError> {
        let available = length.checked_sub(8).ok_or(LayoutError::TooShort(length))?;
        let mut prefix = [0; 8];
        file.read_exact_at(&mut prefix, 0).map_err(LayoutError::Read)?;
        let size = u64::from_le_bytes(prefix);
        if size > limit.0 {
            return Err(LayoutError::HeaderTooLong { size, limit: limit.0 });
        }
        if size > available {
            return Err(LayoutError::HeaderCut { size, available });
        }
        let mut header = vec![0; usize::try_from(size).expect("a limited header fits memory")];
        file.read_exact_at(&mut header, 8).map_err(LayoutError::Read)?;
        Self::parse(&header, available - size)
    }

    /// Reads and checks the header of an open file of whatever length it has.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn of(file: &File, limit: HeaderLimit) -> Result<Self, LayoutError> {
        let length = file.metadata().map_err(LayoutError::Read)?.len();
        Self::read(file, length, limit)
    }

    /// Checks a header's bytes; `data_length` bytes follow them in the file.
    ///
    /// # Errors
    /// [`LayoutError`], never [`LayoutError::Read`].
    pub fn parse(header: &[u8], data_length: u64) -> Result<Self, LayoutError> {
        let data_start = 8 + header.len() as u64;
        // A longer file than file systems have: past this, positions in it are known to fit.
        if data_start.checked_add(data_length).is_none_or(|length| length > i64::MAX as u64) {
            return Err(LayoutError::FileTooLong);
        }
        let Header { metadata, mut tensors } = Header::parse(header)?;
        // Empty tensors share their start with the next one: the end decides, then the name.
        tensors.sort_unstable_by(|a, b| {
            (a.range.start, a.range.end, &a.name).cmp(&(b.range.start, b.range.end, &b.name))
        });
        let mut expected = 0;
        for tensor in &tensors {
            if tensor.range.start != expected {
                let (tensor, begin) = (tensor.name.clone(), tensor.range.start);
                return Err(LayoutError::NotContiguous { tensor, begin, expected });
            }
            expected = tensor.range.end;
        }
        if expected != data_length {
            return Err(LayoutError::Length { tensors: expected, file: data_length });
        }
        for tensor in &mut tensors {
            // Both ends lie within the data, whose end is the file's.
            tensor.range = tensor.range.start + data_start..tensor.range.end + data_start;
        }
        tensors.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        match tensors.windows(2).find(|pair| pair[0].name == pair[1].name) {
            Some(pair) => Err(LayoutError::Twice(pair[0].name.clone())),
            None => Ok(Self { tensors, metadata, data_start }),
        }
    }

    /// The tensors in byte order of their names.
    pub fn tensors(&self) -> &[TensorLayout] {
        &self.tensors
    }

    /// The tensor of that name.
    pub fn tensor(&self, name: &str) -> Option<&TensorLayout> {
        let found = self.tensors.binary_search_by(|tensor| tensor.name.as_str().cmp(name));
        found.ok().map(|position| &self.tensors[position])
    }

    /// The file's metadata in the order of the file: words of its writer, checked by nobody.
    pub fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    /// Where the tensors begin, in bytes from the start of the file.
    pub fn data_start(&self) -> u64 {
        self.data_start
    }

    /// The bytes of all tensors together.
    pub fn data_bytes(&self) -> u64 {
        self.tensors.iter().map(TensorLayout::bytes).sum()
    }
}

#[cfg(test)]
mod tests;
