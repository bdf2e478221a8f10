//! What of the transport is the user's to choose, because it depends on the line and not on us.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use quinn::congestion::{BbrConfig, ControllerFactory, CubicConfig};

/// How a side uses its line. The defaults suit lines up to a gigabit between continents without much loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tuning {
    /// How much may be under way at once.
    pub window: Window,
    /// How fast this side sends.
    pub congestion: Congestion,
}

/// How many bytes of one stream may be under way, sent and not yet taken: bandwidth × delay of the line, or the
/// line is not filled. The smaller of both sides' windows counts.
///
/// A connection may have twice as much under way, so that a stream that nobody reads stops no other. That is
/// also the most memory that a peer can make this side hold for one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window(u32);

/// A window that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a window is a whole number of MiB from 1 to {}", Window::MAX_MIB)]
pub struct NoWindow;

impl Window {
    /// The most: 1 GiB fills 10 Gbit/s over 800 ms. Twice as much must fit in 32 bits.
    pub const MAX_MIB: u32 = 1024;

    /// So many MiB.
    ///
    /// # Errors
    /// [`NoWindow`] for 0, and for more than [`Self::MAX_MIB`].
    pub fn mebibytes(count: u32) -> Result<Self, NoWindow> {
        if (1..=Self::MAX_MIB).contains(&count) { Ok(Self(count << 20)) } else { Err(NoWindow) }
    }

    /// Of one stream, in bytes.
    pub(crate) fn of_stream(self) -> u32 {
        self.0
    }

    /// Of one connection, in bytes.
    pub(crate) fn of_connection(self) -> u32 {
        // No overflow: at most 2^30, twice.
        self.0 * 2
    }
}

impl Default for Window {
    /// 125 MB/s over 100 ms: one stream fills a gigabit between continents. Not more, because quinn copies together what waits
    /// in more than 2048 packets: at our largest that is 12.7 MiB, and a receiver that its disk holds up would pay a sixth of a
    /// transfer's processor time for it.
    fn default() -> Self {
        Self(12 << 20)
    }
}

impl FromStr for Window {
    type Err = NoWindow;

    fn from_str(text: &str) -> Result<Self, NoWindow> {
        Self::mebibytes(text.parse().map_err(|_| NoWindow)?)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.0 >> 20)
    }
}

/// By which rule a side sends faster and slower. Each side chooses for what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Congestion {
    /// Slows down when packets are lost (RFC 9438), as TCP does: fair to others on the line, and slow where packets
    /// are lost for other reasons than a full line.
    #[default]
    Cubic,
    /// Measures the line's rate and delay and sends at that rate: fast in spite of loss, at the expense of others on the
    /// line. quinn calls its own experimental.
    Bbr,
}

impl Congestion {
    pub(crate) fn controller(self) -> Arc<dyn ControllerFactory + Send + Sync> {
        match self {
            Self::Cubic => Arc::new(CubicConfig::default()),
            Self::Bbr => Arc::new(BbrConfig::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_whole_mebibytes_within_bounds() {
        assert_eq!("12".parse(), Ok(Window::default()));
        assert_eq!(Window::mebibytes(1024).unwrap().of_connection(), 1 << 31);
        for text in ["0", "1025", "-1", "16M", "", "4294967296"] {
            assert_eq!(text.parse::<Window>(), Err(NoWindow), "{text}");
        }
        assert_eq!(Window::default().to_string(), "12 MiB");
    }
}
