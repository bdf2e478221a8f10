//! Single values of an inspection, in words.

use potluck_soup::Checkpoint;
use potluck_soup::checkpoint::Kind;
use potluck_soup::statistics::Magnitudes;

use crate::output::one_line;

/// How much of a metadata value is shown.
const EXCERPT: usize = 96;

/// What a checkpoint is.
pub(super) fn kind(checkpoint: &Checkpoint) -> &'static str {
    match (checkpoint.kind(), checkpoint.is_indexed()) {
        (Kind::File, _) => "file",
        (Kind::Folder, false) => "folder",
        (Kind::Folder, true) => "folder of shards",
        (Kind::Adapter, _) => "PEFT adapter",
    }
}

/// Words of a file's writer, whom nobody checked: one short line, every character that a terminal would obey or hide
/// written out.
pub(super) fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(EXCERPT).flat_map(char::escape_debug).collect();
    if text.chars().nth(EXCERPT).is_some() {
        shown.push('…');
    }
    one_line(&shown)
}

/// Counts as bars between the powers of two at their ends; a bar for whatever is not zero.
pub(super) fn bars(magnitudes: &Magnitudes) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (first, counts) = magnitudes.counted();
    let Some(most) = counts.iter().max() else { return "-".to_owned() };
    let bar = |count: &u64| match count {
        0 => ' ',
        _ => BARS[(*count as f64 / *most as f64 * 7.0).round() as usize],
    };
    let bars: String = counts.iter().map(bar).collect();
    // At most 48 counts.
    format!("2^{first} {bars} 2^{}", first + counts.len() as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_s_words_are_inert() {
        assert_eq!(excerpt("a\u{1b}[2J\n\u{202e}b"), "a\\u{1b}[2J\\n\\u{202e}b");
        assert_eq!(excerpt(&"x".repeat(1000)).chars().count(), EXCERPT + 1);
    }

    #[test]
    fn bars_stand_between_powers_of_two() {
        let mut magnitudes = Magnitudes([0; 48]);
        assert_eq!(bars(&magnitudes), "-");
        magnitudes.0[22..26].copy_from_slice(&[1, 0, 50, 100]);
        assert_eq!(bars(&magnitudes), "2^-10 ▁ ▅█ 2^-6");
    }
}
