//! The memory of tiles, used again: new memory for each would cost a page fault for every 4 KiB of a soup.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::{AHEAD, TILE};

/// Tiles' memory that nobody uses.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Vec<Vec<u8>>>);

impl Memory {
    /// Room for a tile of `length` bytes; what stands in it does not matter.
    pub(super) fn take(self: &Arc<Self>, length: usize) -> Room {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut bytes = free.unwrap_or_else(|| vec![0; TILE]);
        if bytes.len() < length {
            bytes.resize(length, 0);
        }
        Room { bytes, length, memory: Arc::clone(self) }
    }

    fn give_back(&self, bytes: Vec<u8>) {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < AHEAD {
            free.push(bytes);
        }
    }
}

/// A tile's memory, which goes back when the last that holds it lets go.
#[derive(Debug)]
pub(super) struct Room {
    bytes: Vec<u8>,
    length: usize,
    memory: Arc<Memory>,
}

impl Room {
    /// To be filled.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }

    /// As it is sent: shared, not copied.
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Room {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.memory.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_with_its_last_holder() {
        let memory = Arc::new(Memory::default());
        let mut room = memory.take(3);
        room.bytes_mut().copy_from_slice(b"abc");
        let sent = room.into_bytes();
        let part = sent.slice(1..2);
        drop(sent);
        assert_eq!((memory.0.lock().unwrap().len(), &part[..]), (0, &b"b"[..]));
        drop(part);
        assert_eq!(memory.0.lock().unwrap().len(), 1);
        assert_eq!(memory.take(TILE).bytes_mut().len(), TILE);
    }
}
