//! A number that comes back from JSON as it was, infinities and all: it stands there as its bits.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number, kept by its bits.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Bits(pub(super) f64);

impl Serialize for Bits {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.to_bits().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Bits {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        u64::deserialize(from).map(|bits| Self(f64::from_bits(bits)))
    }
}
