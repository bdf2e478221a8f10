//! What a child says: lines of bounded length from its standard output, and its last words.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};

/// The longest line of an answer, in bytes: ten bytes for each of a million and a half scores.
pub(super) const LONGEST_LINE: usize = 16 << 20;

/// How large a log may grow, in bytes; what comes after is dropped.
const LARGEST_LOG: u64 = 64 << 20;

/// How many last lines of standard error are kept, and how much of each, in characters.
const LAST_LINES: usize = 8;
const LAST_CHARS: usize = 300;

/// What came from standard output.
#[derive(Debug)]
pub(super) enum Heard {
    /// A line, without its end.
    Line(Vec<u8>),
    /// A line that grew past [`LONGEST_LINE`]; nothing after it is read.
    TooLong,
    /// The end, and whether it came in the middle of a line.
    End { in_a_line: bool },
}

/// Reads line after line until the end, or until nobody listens. Somebody who writes faster than
/// answers are taken waits at his pipe: one line at a time is held here, and one in the channel.
pub(super) fn read_lines(output: impl Read, heard: &SyncSender<Heard>) {
    let mut output = BufReader::with_capacity(64 << 10, output);
    loop {
        let said = read_line(&mut output);
        let is_last = !matches!(said, Heard::Line(_));
        if heard.send(said).is_err() || is_last {
            return;
        }
    }
}

fn read_line(output: &mut impl BufRead) -> Heard {
    let mut line = Vec::new();
    let limit = LONGEST_LINE as u64 + 1;
    match output.take(limit).read_until(b'\n', &mut line) {
        Ok(_) if line.last() == Some(&b'\n') => {
            line.pop();
            Heard::Line(line)
        }
        Ok(_) if line.len() > LONGEST_LINE => Heard::TooLong,
        // A pipe that cannot be read has ended, whatever the reason.
        Ok(_) | Err(_) => Heard::End { in_a_line: !line.is_empty() },
    }
}

/// The last lines of a child's standard error.
#[derive(Debug, Clone, Default)]
pub(super) struct LastWords(Arc<Mutex<VecDeque<String>>>);

impl LastWords {
    /// The lines, oldest first.
    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn push(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let clean = text.chars().filter(|c| *c == '\t' || !c.is_control());
        let line: String = clean.take(LAST_CHARS).collect();
        if line.trim().is_empty() {
            return;
        }
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// Copies standard error to `log` and keeps its last lines, until it ends.
    pub(super) fn listen(&self, errors: impl Read, mut log: File) {
        let mut errors = BufReader::new(errors);
        let mut room = LARGEST_LOG.saturating_sub(log.metadata().map_or(0, |file| file.len()));
        let mut line = Vec::new();
        // A line without end is cut into pieces, which bounds what is held.
        while let Ok(1..) = errors.by_ref().take(64 << 10).read_until(b'\n', &mut line) {
            if let Some(left) = room.checked_sub(line.len() as u64) {
                room = left;
                // A disk that is full must not silence the reward.
                let _ = log.write_all(&line);
            }
            self.push(&line);
            line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_halves_or_too_long() {
        let mut input: &[u8] = b"one\n\nhalf";
        assert!(matches!(read_line(&mut input), Heard::Line(line) if line == b"one"));
        assert!(matches!(read_line(&mut input), Heard::Line(line) if line.is_empty()));
        assert!(matches!(read_line(&mut input), Heard::End { in_a_line: true }));
        assert!(matches!(read_line(&mut input), Heard::End { in_a_line: false }));
        let mut endless = BufReader::new(std::io::repeat(b'x'));
        assert!(matches!(read_line(&mut endless), Heard::TooLong));
    }

    #[test]
    fn only_the_last_words_are_kept() {
        let words = LastWords::default();
        let said: String = (0..100).map(|number| format!("line {number}\x1b[31m\n\n")).collect();
        let log = tempfile::tempfile().unwrap();
        words.listen(said.as_bytes(), log.try_clone().unwrap());
        assert_eq!(words.lines().len(), LAST_LINES);
        assert_eq!(words.lines()[LAST_LINES - 1], "line 99[31m");
        assert_eq!(log.metadata().unwrap().len(), said.len() as u64);
    }
}
