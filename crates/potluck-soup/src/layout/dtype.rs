//! The formats of elements that checkpoints are made of, by the names that safetensors gives them.

/// The format of a tensor's elements, all little-endian.
///
/// Floating-point elements are mixed. The others (counters, masks, positions) cannot be: they must be equal in
/// all of a soup's inputs, and are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// IEEE 754 binary64.
    F64,
    /// IEEE 754 binary32.
    F32,
    /// The upper half of a binary32: 8 exponent bits, 7 fraction bits.
    Bf16,
    /// IEEE 754 binary16.
    F16,
    /// 4 exponent bits, 3 fraction bits, as OCP's E4M3 ("FN"): no infinity, one NaN of each sign, up to 448.
    F8E4M3,
    /// 5 exponent bits, 2 fraction bits, as OCP's E5M2: with infinities and NaNs, up to 57 344.
    F8E5M2,
    /// Signed, 64 bits.
    I64,
    /// Unsigned, 64 bits.
    U64,
    /// Signed, 32 bits.
    I32,
    /// Unsigned, 32 bits.
    U32,
    /// Signed, 16 bits.
    I16,
    /// Unsigned, 16 bits.
    U16,
    /// Signed, 8 bits.
    I8,
    /// Unsigned, 8 bits.
    U8,
    /// One byte.
    Bool,
}

impl Dtype {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::F64,
        Self::F32,
        Self::Bf16,
        Self::F16,
        Self::F8E4M3,
        Self::F8E5M2,
        Self::I64,
        Self::U64,
        Self::I32,
        Self::U32,
        Self::I16,
        Self::U16,
        Self::I8,
        Self::U8,
        Self::Bool,
    ];

    /// Bytes an element.
    pub const fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::Bf16 | Self::F16 | Self::I16 | Self::U16 => 2,
            Self::F8E4M3 | Self::F8E5M2 | Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// Its name in safetensors headers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::Bf16 => "BF16",
            Self::F16 => "F16",
            Self::F8E4M3 => "F8_E4M3",
            Self::F8E5M2 => "F8_E5M2",
            Self::I64 => "I64",
            Self::U64 => "U64",
            Self::I32 => "I32",
            Self::U32 => "U32",
            Self::I16 => "I16",
            Self::U16 => "U16",
            Self::I8 => "I8",
            Self::U8 => "U8",
            Self::Bool => "BOOL",
        }
    }

    /// Whether its elements are floating-point numbers, which can be mixed.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F64 | Self::F32 | Self::Bf16 | Self::F16 | Self::F8E4M3 | Self::F8E5M2)
    }

    /// The dtype of that name, as it stands in safetensors headers.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}
