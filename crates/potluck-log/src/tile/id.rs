//! Which tile: its level, its number, its width, and the path that says them.

use std::fmt;
use std::str::FromStr;

use crate::decimal;
use crate::hash::Hash;
use crate::tree::MAX_TREE_SIZE;

/// How many hashes, or entries, a full tile holds.
pub const TILE_WIDTH: u16 = 256;

/// One level of tiles spans eight of the tree, since a full tile holds 2⁸ hashes.
pub(super) const TILE_HEIGHT: u32 = 8;

/// The highest level with a tile in a tree of [`MAX_TREE_SIZE`] leaves.
const MAX_LEVEL: u8 = 7;

/// What every path begins with.
const PREFIX: &str = "tile/";

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileLevel {
    /// The entries themselves: an entry bundle.
    Entries,
    /// Hashes of subtrees of 256 to the power of this many leaves; 0 for leaf hashes. At most 7,
    /// beyond which no tree reaches.
    Hashes(u8),
}

/// The name of one tile of a tree of at most [`MAX_TREE_SIZE`] leaves.
///
/// As text it is the path under which C2SP tlog-tiles serves it, relative to the log's prefix and
/// with `/` between the parts, such as `tile/0/x001/x234/067.p/12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    level: TileLevel,
    index: u64,
    /// 1 to [`TILE_WIDTH`].
    width: u16,
}

/// A level, number or width, or a path, that names no tile of any tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no tile has that path: it reads tile/LEVEL/NUMBER or tile/LEVEL/NUMBER.p/WIDTH")]
pub struct TileIdError;

impl TileLevel {
    /// How many entries, or hashes of complete subtrees, this level has in a tree of `size` leaves.
    pub(super) fn hashes(self, size: u64) -> u64 {
        match self {
            Self::Entries => size,
            Self::Hashes(level) => size.checked_shr(u32::from(level) * TILE_HEIGHT).unwrap_or(0),
        }
    }
}

impl TileId {
    /// Names a tile, if a tree of at most [`MAX_TREE_SIZE`] leaves has it.
    pub fn new(level: TileLevel, index: u64, width: u16) -> Result<Self, TileIdError> {
        let end = index.checked_mul(TILE_WIDTH.into()).and_then(|n| n.checked_add(width.into()));
        let exists = end.is_some_and(|end| end <= level.hashes(MAX_TREE_SIZE));
        if exists && (1..=TILE_WIDTH).contains(&width) {
            Ok(Self { level, index, width })
        } else {
            Err(TileIdError)
        }
    }

    /// The tile that a tree of `size` leaves has under this level and number, full or partial.
    pub(super) fn in_tree(level: TileLevel, index: u64, size: u64) -> Option<Self> {
        let width = level.hashes(size).checked_sub(index.checked_mul(TILE_WIDTH.into())?)?;
        let width = u16::try_from(width.min(TILE_WIDTH.into())).ok()?;
        Self::new(level, index, width).ok()
    }

    /// The tiles, entry bundles among them, that a tree of `new` leaves has and the tree of `old`
    /// leaves did not: what a log writes when it grows, and what a mirror that has the old tree
    /// fetches. Empty if `new` is not larger.
    ///
    /// In order: entries, then level by level, each from left to right. From size 0 these are all
    /// tiles of the tree. `new` is taken for [`MAX_TREE_SIZE`] if it is larger.
    pub fn added(old: u64, new: u64) -> impl Iterator<Item = Self> {
        let new = new.min(MAX_TREE_SIZE);
        let levels = (0..=MAX_LEVEL).map(TileLevel::Hashes);
        std::iter::once(TileLevel::Entries).chain(levels).flat_map(move |level| {
            let (before, after) = (level.hashes(old), level.hashes(new));
            let first = before / u64::from(TILE_WIDTH);
            let end = if before < after { after.div_ceil(TILE_WIDTH.into()) } else { first };
            (first..end).filter_map(move |index| Self::in_tree(level, index, new))
        })
    }

    /// All tiles of a tree of `size` leaves, entry bundles among them.
    pub fn of_tree(size: u64) -> impl Iterator<Item = Self> {
        Self::added(0, size)
    }

    /// What the tile holds.
    pub fn level(&self) -> TileLevel {
        self.level
    }

    /// The tile's number within its level, counted from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries it holds, 1 to [`TILE_WIDTH`].
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether it will be as it is however the tree grows.
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full tile in whose beginning this one is, or itself; nothing where no tree is so large.
    pub fn full(&self) -> Option<Self> {
        Self::new(self.level, self.index, TILE_WIDTH).ok()
    }

    /// How many bytes a tile of hashes has; nothing for an entry bundle.
    pub fn hash_bytes(&self) -> Option<usize> {
        let bytes = usize::from(self.width) * size_of::<Hash>();
        matches!(self.level, TileLevel::Hashes(_)).then_some(bytes)
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        match self.level {
            TileLevel::Entries => f.write_str("entries/")?,
            TileLevel::Hashes(level) => write!(f, "{level}/")?,
        }
        // Groups of three digits, an `x` before each but the last.
        let groups = self.index.max(1).ilog(1000);
        for group in (1..=groups).rev() {
            write!(f, "x{:03}/", self.index / 1000u64.pow(group) % 1000)?;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl FromStr for TileId {
    type Err = TileIdError;

    fn from_str(path: &str) -> Result<Self, TileIdError> {
        let (level, rest) =
            path.strip_prefix(PREFIX).and_then(|rest| rest.split_once('/')).ok_or(TileIdError)?;
        let level = match level {
            "entries" => TileLevel::Entries,
            level => {
                let level = decimal::parse(level).and_then(|level| u8::try_from(level).ok());
                TileLevel::Hashes(level.ok_or(TileIdError)?)
            }
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, parse_width(width).ok_or(TileIdError)?),
            None => (rest, TILE_WIDTH),
        };
        Self::new(level, parse_number(number).ok_or(TileIdError)?, width)
    }
}

fn parse_width(text: &str) -> Option<u16> {
    let width = u16::try_from(decimal::parse(text)?).ok()?;
    (width < TILE_WIDTH).then_some(width)
}

fn parse_number(text: &str) -> Option<u64> {
    let (high, last) = match text.rsplit_once('/') {
        Some((high, last)) => (Some(high), last),
        None => (None, text),
    };
    let mut number = 0u64;
    for group in high.into_iter().flat_map(|high| high.split('/')) {
        number = number.checked_mul(1000)?.checked_add(parse_group(group.strip_prefix('x')?)?)?;
        // One path a number: no leading groups of nothing.
        if number == 0 {
            return None;
        }
    }
    number.checked_mul(1000)?.checked_add(parse_group(last)?)
}

fn parse_group(text: &str) -> Option<u64> {
    let digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes(level: u8, index: u64, width: u16) -> TileId {
        TileId::new(TileLevel::Hashes(level), index, width).unwrap()
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        for (tile, path) in [
            (hashes(0, 1_234_067, 256), "tile/0/x001/x234/067"),
            (hashes(1, 1_234_067, 8), "tile/1/x001/x234/067.p/8"),
            (hashes(0, 0, 256), "tile/0/000"),
            (hashes(3, 999, 255), "tile/3/999.p/255"),
            (hashes(0, 1000, 1), "tile/0/x001/000.p/1"),
            (TileId::new(TileLevel::Entries, 67, 112).unwrap(), "tile/entries/067.p/112"),
        ] {
            assert_eq!(tile.to_string(), path);
            assert_eq!(path.parse(), Ok(tile));
        }
    }

    #[test]
    fn one_path_a_tile() {
        for wrong in [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/0000",
            "tile/0/x001",
            "tile/00/000",
            "tile/8/000",
            "tile/64/000",
            "tile/data/000",
            "tile/-1/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p",
            "tile/0/000.p/1/",
            "tile/0/000/",
            "/tile/0/000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x1/000",
            "tile/0/xx001/000",
            "tile/0/+01",
            "tile/0/../000",
            "tile/0/000.p/1.p/1",
            "tile/0/x018/x014/x398/x509/x481/984",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/7/001",
            "tile/entries/x018/x014/x398/x509/x481/984",
            "tile/Entries/000",
        ] {
            assert_eq!(wrong.parse::<TileId>(), Err(TileIdError), "{wrong:?}");
        }
        // The last tiles of the largest tree, and none beyond them.
        assert_eq!(
            "tile/0/x018/x014/x398/x509/x481/983".parse(),
            Ok(hashes(0, (1 << 54) - 1, 256))
        );
        assert_eq!("tile/7/000.p/64".parse(), Ok(hashes(7, 0, 64)));
        assert_eq!("tile/7/000.p/65".parse::<TileId>(), Err(TileIdError));
        assert_eq!(hashes(7, 0, 64).full(), None);
        assert_eq!(hashes(6, 63, 3).full(), Some(hashes(6, 63, 256)));
    }

    #[test]
    fn the_specifications_trees_have_their_tiles() {
        let tiles: Vec<TileId> = TileId::of_tree(70_000).collect();
        let of = |level| tiles.iter().filter(move |tile| tile.level() == level);
        for level in [TileLevel::Entries, TileLevel::Hashes(0)] {
            assert_eq!(of(level).filter(|tile| tile.is_full()).count(), 273);
            assert_eq!(of(level).next_back().map(TileId::width), Some(112));
        }
        let upper: Vec<TileId> = tiles.iter().copied().skip(2 * 274).collect();
        assert_eq!(upper, [hashes(1, 0, 256), hashes(1, 1, 17), hashes(2, 0, 1)]);
        let square: Vec<String> = TileId::of_tree(256).map(|tile| tile.to_string()).collect();
        assert_eq!(square, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
        assert_eq!(TileId::of_tree(0).count(), 0);
        assert_eq!(TileId::added(7, 7).count(), 0);
        assert_eq!(TileId::added(8, 7).count(), 0);
        assert_eq!(TileId::added(u64::MAX, u64::MAX).count(), 0);
        let last: Vec<TileId> = TileId::added(MAX_TREE_SIZE - 1, u64::MAX).collect();
        assert_eq!(last.len(), 9);
        assert_eq!(last.last(), Some(&hashes(7, 0, 64)));
    }
}
