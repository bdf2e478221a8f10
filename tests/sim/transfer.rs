//! What both sides do: cut a stream into frames, and take in content while somebody looks on.

use std::io::Read;
use std::ops::Range;
use std::path::Path;

use potluck_core::{Code, Refusal};
use potluck_net::blob::ReceiveError;
use potluck_wire::Ranges;
use potluck_wire::frame::Decoder;
use potluck_wire::ranges::GROUP;

use crate::content::Content;
use crate::invariants::invariant_only_verified_bytes_are_kept;
use crate::program::Cpu;

/// The next frame of a stream.
pub(crate) fn next_frame(
    decoder: &mut Decoder,
    from: &mut dyn Read,
    limit: usize,
) -> Result<Vec<u8>, Refusal> {
    let broken = |error: &dyn std::fmt::Display| {
        Refusal::new(Code::ProtocolError, format!("no frame: {error}"))
    };
    let mut piece = [0; 4096];
    loop {
        if let Some(frame) = decoder.next(limit).map_err(|error| broken(&error))? {
            return Ok(frame.to_vec());
        }
        match from.read(&mut piece) {
            Ok(0) => return Err(broken(&"the stream ended")),
            Ok(count) => decoder.feed(&piece[..count]),
            Err(error) => return Err(broken(&error)),
        }
    }
}

/// The way into a partial file: takes a verified stream, and says the length of each group that verified.
pub(crate) type Receive<'a> =
    &'a mut dyn FnMut(&mut dyn Read, &mut dyn FnMut(u64)) -> Result<(), ReceiveError>;

/// Takes in what is missing of a file, and looks at each group that is said to have verified.
#[allow(clippy::too_many_arguments, reason = "called by either side, which share nothing else")]
pub(crate) fn take_in(
    cpu: &Cpu<'_>,
    machine: usize,
    stem: &Path,
    content: &Content,
    missing: &Ranges,
    receive: Receive<'_>,
    from: &mut dyn Read,
    verified: &mut dyn FnMut(u64),
) -> Result<(), ReceiveError> {
    let numbers = |span: &Range<u64>| span.start / GROUP..span.end.div_ceil(GROUP);
    let mut expected = missing.spans().iter().flat_map(numbers);
    let received = receive(from, &mut |bytes| {
        let number = expected.next().unwrap_or(u64::MAX) as usize;
        cpu.note("verified", number as u64, bytes);
        cpu.world(|world| {
            invariant_only_verified_bytes_are_kept(world, machine, stem, content, number);
        });
        verified(bytes);
    });
    if let Err(ReceiveError::Corrupt { .. }) = &received {
        cpu.world(|world| world.tally.corrupt += 1);
    }
    received
}
