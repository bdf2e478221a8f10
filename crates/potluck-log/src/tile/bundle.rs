//! Entry bundles: up to 256 entries in one file, each behind its length.

use super::id::TILE_WIDTH;

/// The longest entry, in bytes, that the two bytes of its length can speak of.
pub const MAX_ENTRY_BYTES: usize = u16::MAX as usize;

/// Why entries make no bundle, or bytes are no bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// An entry is longer than [`MAX_ENTRY_BYTES`].
    #[error("a logged entry has at most {MAX_ENTRY_BYTES} bytes, and this one {bytes}")]
    EntryTooLong {
        /// How many bytes it has.
        bytes: usize,
    },
    /// More entries than [`TILE_WIDTH`].
    #[error("an entry bundle holds at most {TILE_WIDTH} entries")]
    TooMany,
    /// The bytes end within an entry.
    #[error("the bundle ends within entry {entry}")]
    Truncated {
        /// Which entry of the bundle, counted from 0.
        entry: u16,
    },
    /// The bytes go on after the last entry.
    #[error("the bundle goes on after its {width} entries")]
    TrailingBytes {
        /// How many entries it has by its name.
        width: u16,
    },
}

/// Writes entries as one bundle; that of a full tile has [`TILE_WIDTH`] of them.
pub fn encode_bundle<'a>(
    entries: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, BundleError> {
    let mut bundle = Vec::new();
    for (entry, before) in entries.into_iter().zip(0u64..) {
        if before >= TILE_WIDTH.into() {
            return Err(BundleError::TooMany);
        }
        let too_long = BundleError::EntryTooLong { bytes: entry.len() };
        let length = u16::try_from(entry.len()).map_err(|_| too_long)?;
        bundle.extend(length.to_be_bytes());
        bundle.extend(entry);
    }
    Ok(bundle)
}

/// Reads the `width` entries of a bundle, which must be all that it holds.
///
/// What an entry hashes to, and whether that is the leaf, is for the caller to see.
pub fn decode_bundle(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    let (entries, rest) = decode_first(bundle, width)?;
    if rest.is_empty() { Ok(entries) } else { Err(BundleError::TrailingBytes { width }) }
}

/// Reads the first `width` entries of a bundle that may hold more, and what follows them.
pub(super) fn decode_first(
    mut bundle: &[u8],
    width: u16,
) -> Result<(Vec<&[u8]>, &[u8]), BundleError> {
    if width > TILE_WIDTH {
        return Err(BundleError::TooMany);
    }
    let mut entries = Vec::with_capacity(width.into());
    for entry in 0..width {
        let truncated = BundleError::Truncated { entry };
        let (length, rest) = bundle.split_first_chunk().ok_or(truncated)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (bytes, rest) = rest.split_at_checked(length).ok_or(truncated)?;
        entries.push(bytes);
        bundle = rest;
    }
    Ok((entries, bundle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_are_written_and_read() {
        let long = vec![7; MAX_ENTRY_BYTES];
        let entries: [&[u8]; 4] = [b"", b"ab", b"c", &long];
        let bundle = encode_bundle(entries).unwrap();
        assert_eq!(bundle[..9], [0, 0, 0, 2, b'a', b'b', 0, 1, b'c']);
        assert_eq!(decode_bundle(&bundle, 4).unwrap(), entries);
        assert_eq!(decode_bundle(&[], 0).unwrap().len(), 0);
        assert_eq!(decode_first(&bundle, 2).unwrap().0, entries[..2]);
    }

    #[test]
    fn each_wrong_bundle_has_its_name() {
        let bundle = encode_bundle([&b"ab"[..], b"c"]).unwrap();
        for cut in 0..bundle.len() {
            let entry = u16::from(cut >= 4);
            let refused = decode_bundle(&bundle[..cut], 2);
            assert_eq!(refused, Err(BundleError::Truncated { entry }), "{cut}");
        }
        assert_eq!(decode_bundle(&bundle, 1), Err(BundleError::TrailingBytes { width: 1 }));
        assert_eq!(decode_bundle(&bundle, 3), Err(BundleError::Truncated { entry: 2 }));
        assert_eq!(decode_bundle(&[0; 600], 257), Err(BundleError::TooMany));
        let bytes = MAX_ENTRY_BYTES + 1;
        let refused = encode_bundle([&vec![0; bytes][..]]);
        assert_eq!(refused, Err(BundleError::EntryTooLong { bytes }));
        assert_eq!(encode_bundle([&b""[..]; 257]), Err(BundleError::TooMany));
        assert!(encode_bundle([&b""[..]; 256]).is_ok());
    }
}
