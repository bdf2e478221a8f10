//! Event files as TensorBoard reads them, written by hand: no crate that is kept up writes them.
//!
//! ```text
//! record: length u64 LE | masked CRC-32C of it | bytes | masked CRC-32C of them      (TFRecord)
//! Event { 1: wall_time f64, 2: step, 3: file_version | 5: Summary { 1: Value.. } }    (event.proto)
//! Value { 1: tag, 2: simple_value f32 | 8: TensorProto, 9: SummaryMetadata }        (summary.proto)
//! ```
//! `tests.rs` compares with bytes that TensorBoard's own writer made (tests/vectors/journal/make.py).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::crc;
use super::protobuf::{double, field, number, read_number};

/// What the first record says of the file.
const VERSION: &[u8] = b"brain.Event:2";

/// The longest record that is read again: one with texts.
const MAX_RECORD: u64 = 1 << 30;

/// An event file, open at its end.
#[derive(Debug)]
pub struct EventFile(File);

impl EventFile {
    /// Opens `path` and drops from it the records of `step` and later ones, and one that is torn.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn resume(path: &Path, step: u64) -> io::Result<Self> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut kept = bytes[..kept_length(&bytes, step)].to_vec();
        if kept.is_empty() {
            kept = record(&version(now()));
        }
        crate::files::write_whole(path, &kept)?;
        Ok(Self(OpenOptions::new().append(true).open(path)?))
    }

    /// Adds figures of a step.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn add_scalars(&mut self, step: u64, figures: &[(&str, f64)]) -> io::Result<()> {
        let values: Vec<Vec<u8>> = figures.iter().map(|(tag, value)| scalar(tag, *value)).collect();
        self.0.write_all(&record(&event(now(), step, &values)))
    }

    /// Adds a text, in Markdown.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn add_text(&mut self, step: u64, tag: &str, markdown: &str) -> io::Result<()> {
        self.0.write_all(&record(&event(now(), step, &[text(tag, markdown)])))
    }
}

/// Seconds since 1970; a clock that is set before that shows 0.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// The event that begins a file.
pub(super) fn version(time: f64) -> Vec<u8> {
    let mut event = double(1, time);
    event.extend(field(3, VERSION));
    event
}

/// An event with values.
pub(super) fn event(time: f64, step: u64, values: &[Vec<u8>]) -> Vec<u8> {
    let mut event = double(1, time);
    event.extend(number(2, step));
    let summary: Vec<u8> = values.iter().flat_map(|value| field(1, value)).collect();
    event.extend(field(5, &summary));
    event
}

/// The value of a figure; they are of single precision here.
pub(super) fn scalar(tag: &str, figure: f64) -> Vec<u8> {
    let mut value = field(1, tag.as_bytes());
    value.push(2 << 3 | 5);
    value.extend((figure as f32).to_le_bytes());
    value
}

/// The value of a text: a tensor of one string, for the plugin of that name.
pub(super) fn text(tag: &str, markdown: &str) -> Vec<u8> {
    const STRINGS: [u8; 2] = [1 << 3, 7];
    const SHAPE_OF_ONE: [u8; 6] = [2 << 3 | 2, 4, 2 << 3 | 2, 2, 1 << 3, 1];
    let mut tensor = [&STRINGS[..], &SHAPE_OF_ONE[..]].concat();
    tensor.extend(field(8, markdown.as_bytes()));
    let mut value = field(1, tag.as_bytes());
    value.extend(field(8, &tensor));
    value.extend(field(9, &field(1, &field(1, b"text"))));
    value
}

/// `bytes` as one record.
pub(super) fn record(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    [&length[..], &masked_crc(&length), bytes, &masked_crc(bytes)].concat()
}

/// How many of `bytes` are whole records of steps before `step`.
fn kept_length(bytes: &[u8], step: u64) -> usize {
    let mut kept = 0;
    while let Some((event, length)) = read_record(&bytes[kept..]) {
        if step_of(event).is_none_or(|of| of >= step) && !(kept == 0 && is_version(event)) {
            break;
        }
        kept += length;
    }
    kept
}

/// The first record, and its length with its frame; none if it is torn or damaged.
fn read_record(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let size = u64::from_le_bytes(*length);
    if *crc != masked_crc(length) || size > MAX_RECORD {
        return None;
    }
    let event = rest.get(..size as usize)?;
    let crc = rest.get(size as usize..size as usize + 4)?;
    (*crc == masked_crc(event)).then_some((event, size as usize + 16))
}

fn is_version(event: &[u8]) -> bool {
    event.get(9).is_some_and(|key| *key == 3 << 3 | 2)
}

/// The step of an event that was written here: it stands behind the time, or is 0 and absent.
fn step_of(event: &[u8]) -> Option<u64> {
    let rest = event.get(9..)?;
    Some(read_number(rest, 2).map_or(0, |(step, _)| step))
}

/// The checksum as the format masks it.
fn masked_crc(bytes: &[u8]) -> [u8; 4] {
    let crc = crc32c(bytes);
    crc.rotate_right(15).wrapping_add(0xA282_EAD8).to_le_bytes()
}

/// CRC-32C (Castagnoli).
fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc::table(0x82F6_3B78);
    crc::crc(&TABLE, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA, "RFC 3720, B.4");
    }

    #[test]
    fn steps_come_back() {
        for step in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(step_of(&event(1.0, step, &[])), Some(step));
        }
        assert_eq!(step_of(&[]), None);
    }
}
