//! The promises of the readers of tile paths and of entry bundles.

use potluck_log::{MAX_TREE_SIZE, TileId, TileLevel, decode_bundle, encode_bundle};

/// Reads two bytes as a width, and all others as a bundle of so many entries; all of them as a path.
pub fn tile(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        path(text);
    }
    if let Some((width, rest)) = bytes.split_first_chunk() {
        bundle(u16::from_be_bytes(*width), rest);
    }
}

fn path(text: &str) {
    let theirs = as_theirs(text).and_then(|path| tlog_tiles::Tile::from_path(&path).ok());
    let Ok(tile) = text.parse::<TileId>() else {
        // What another implementation takes and this one does not is outside every tree.
        let is_outside = theirs.is_none_or(|theirs| {
            let level = u32::from(theirs.level());
            let end = (u128::from(theirs.level_index()) << 8) + u128::from(theirs.width());
            level > 7 || theirs.width() == 0 || end << (8 * level) > u128::from(MAX_TREE_SIZE)
        });
        return assert!(is_outside, "{text}");
    };
    assert_eq!(tile.to_string(), text, "one path a tile");
    assert_eq!(TileId::new(tile.level(), tile.index(), tile.width()), Ok(tile));
    let width = usize::from(tile.width());
    assert!((1..=256).contains(&width) && tile.is_full() == (width == 256));
    let theirs = theirs.unwrap();
    assert_eq!((theirs.level_index(), theirs.width()), (tile.index(), tile.width().into()));
    match tile.level() {
        TileLevel::Entries => assert!(theirs.is_data() && tile.hash_bytes().is_none()),
        TileLevel::Hashes(level) => {
            assert_eq!((theirs.level(), theirs.is_data()), (level, false));
            assert_eq!(tile.hash_bytes(), Some(32 * width));
        }
    }
}

/// The path as Go's implementation has it: with the tiles' height, and its own word for entries. Nothing for what
/// `tlog_tiles` 0.2.0 panics at, which is no tile: a level of 64 or more, a width of 0.
fn as_theirs(text: &str) -> Option<String> {
    let rest = text.strip_prefix("tile/")?;
    let rest = match rest.strip_prefix("entries/") {
        Some(rest) => format!("data/{rest}"),
        // Its own word is none of ours.
        None if rest.starts_with("data") => return None,
        None => rest.to_owned(),
    };
    let number = |text: &str| text.parse::<u32>().ok();
    let level = rest.split('/').next().and_then(number);
    let width = rest.rsplit_once(".p/").and_then(|(_, width)| number(width));
    let panics = level.is_some_and(|level| level >= 64) || width == Some(0);
    (!panics).then(|| format!("tile/8/{rest}"))
}

fn bundle(width: u16, bytes: &[u8]) {
    let Ok(entries) = decode_bundle(bytes, width) else { return };
    assert_eq!(entries.len(), usize::from(width));
    assert_eq!(encode_bundle(entries.iter().copied()).unwrap(), bytes);
    for other in [width.checked_sub(1), width.checked_add(1)].into_iter().flatten() {
        assert!(decode_bundle(bytes, other).is_err(), "{width} and {other} entries both pass");
    }
}
