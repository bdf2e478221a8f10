//! Frames: how a byte stream is cut into messages.
//!
//! ```text
//! frame = length (u32, big endian) || body (length bytes of JSON)
//! ```
//!
//! A length is compared with the limit of the message that is expected before anything is kept for it, so
//! memory follows what has arrived, never what was announced. What comes after the last frame of interest
//! (content follows some messages raw) is handed on by [`Decoder::into_rest`].

use bytes::{Buf as _, Bytes, BytesMut};
use potluck_core::entry::MAX_RECORD;
use potluck_core::envelope::MAX_ENVELOPE;

const HEADER: usize = 4;

/// What a message may need beside the texts that it carries: names of fields, numbers, digests.
const AROUND: usize = 4096;

/// The longest body of a request, in bytes. An envelope is JSON within a JSON string: each of its quotes,
/// and each line break between its fields, may take two bytes instead of one.
pub const MAX_REQUEST: usize = 2 * MAX_ENVELOPE + AROUND;

/// The longest body of a reply, in bytes: a ledger entry's record and envelope, both as strings.
pub const MAX_REPLY: usize = 2 * (MAX_ENVELOPE + MAX_RECORD) + AROUND;

/// A frame that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than the message that is expected may be.
    #[error("a frame of {length} bytes where at most {limit} are allowed")]
    TooLong {
        /// What the frame's header says, or what was to be sent.
        length: usize,
        /// What is allowed.
        limit: usize,
    },
    /// No message is empty.
    #[error("an empty frame")]
    Empty,
}

/// Puts `body` into a frame.
///
/// # Errors
/// [`FrameError`] where the receiver would refuse it.
pub fn encode(body: &[u8], limit: usize) -> Result<Bytes, FrameError> {
    check(body.len(), limit)?;
    let length =
        u32::try_from(body.len()).map_err(|_| FrameError::TooLong { length: body.len(), limit })?;
    let mut frame = BytesMut::with_capacity(HEADER + body.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(body);
    Ok(frame.freeze())
}

/// Bytes in, frames out; the stream may be split anywhere.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    /// Takes the next bytes of the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The body of the next frame, or `None` where more bytes are needed.
    ///
    /// # Errors
    /// [`FrameError`] as soon as the header is complete. The stream cannot be read on.
    pub fn next(&mut self, limit: usize) -> Result<Option<Bytes>, FrameError> {
        let Some(header) = self.buffer.first_chunk::<HEADER>() else { return Ok(None) };
        // A u32 fits in a usize wherever this runs; where it did not, the limit would refuse it.
        let length = usize::try_from(u32::from_be_bytes(*header)).unwrap_or(usize::MAX);
        check(length, limit)?;
        if self.buffer.len() - HEADER < length {
            return Ok(None);
        }
        self.buffer.advance(HEADER);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// Whether nothing is left that was fed and not handed out.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// What was fed after the last frame.
    pub fn into_rest(self) -> Bytes {
        self.buffer.freeze()
    }
}

fn check(length: usize, limit: usize) -> Result<(), FrameError> {
    match length {
        0 => Err(FrameError::Empty),
        _ if length > limit => Err(FrameError::TooLong { length, limit }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(pieces: &[&[u8]], limit: usize) -> Result<(Vec<Bytes>, Bytes), FrameError> {
        let mut decoder = Decoder::default();
        let mut frames = Vec::new();
        for piece in pieces {
            decoder.feed(piece);
            while let Some(frame) = decoder.next(limit)? {
                frames.push(frame);
            }
        }
        Ok((frames, decoder.into_rest()))
    }

    #[test]
    fn a_known_frame_has_these_bytes() {
        assert_eq!(&encode(b"{}", 10).unwrap()[..], b"\0\0\0\x02{}");
    }

    #[test]
    fn a_long_frame_is_refused_by_its_header_alone() {
        let too_long = FrameError::TooLong { length: 11, limit: 10 };
        assert_eq!(decode(&[b"\0\0\0\x0b"], 10), Err(too_long));
        assert!(decode(&[b"\xff\xff\xff\xff"], 10).is_err());
        assert_eq!(decode(&[b"\0\0\0\0"], 10), Err(FrameError::Empty));
        assert_eq!(encode(&[0; 11], 10), Err(too_long));
        assert_eq!(encode(&[], 10), Err(FrameError::Empty));
    }

    #[test]
    fn what_follows_the_frames_is_handed_on() {
        let (frames, rest) = decode(&[b"\0\0\0\x01a\0\0"], 10).unwrap();
        assert_eq!((frames, rest), (vec![Bytes::from_static(b"a")], Bytes::from_static(b"\0\0")));
    }

    proptest! {
        #[test]
        fn splitting_a_stream_changes_nothing(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            at in any::<prop::sample::Index>(),
        ) {
            let mut stream = Vec::new();
            for body in &bodies {
                stream.extend_from_slice(&encode(body, 40).unwrap());
            }
            let (left, right) = stream.split_at(at.index(stream.len() + 1));
            let (frames, rest) = decode(&[left, right], 40).unwrap();
            prop_assert_eq!(frames, bodies.into_iter().map(Bytes::from).collect::<Vec<_>>());
            prop_assert!(rest.is_empty());
            let single: Vec<&[u8]> = stream.chunks(1).collect();
            prop_assert_eq!(decode(&single, 40).unwrap(), decode(&[&stream], 40).unwrap());
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&[&bytes], 64);
        }
    }
}
