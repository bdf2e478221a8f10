//! Fields of protocol buffers, as bytes: the few kinds that the two binary files of a journal have.

/// A field whose bytes follow their length: a text, or a message.
pub(super) fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = key(number, 2);
    out.extend(varint(bytes.len() as u64));
    out.extend(bytes);
    out
}

/// A whole number; 0 is left out, as the format has it.
pub(super) fn number(number: u32, value: u64) -> Vec<u8> {
    if value == 0 {
        return Vec::new();
    }
    let mut out = key(number, 0);
    out.extend(varint(value));
    out
}

/// A number of double precision.
pub(super) fn double(number: u32, value: f64) -> Vec<u8> {
    let mut out = key(number, 1);
    out.extend(value.to_le_bytes());
    out
}

fn key(number: u32, kind: u32) -> Vec<u8> {
    varint(u64::from(number << 3 | kind))
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

/// The value of a whole-number field and what follows it, if `bytes` begin with that field.
pub(super) fn read_number(bytes: &[u8], number: u32) -> Option<(u64, &[u8])> {
    let rest = bytes.strip_prefix(key(number, 0).as_slice())?;
    read_varint(rest)
}

/// The bytes of a field of its length and what follows it, if `bytes` begin with that field.
pub(super) fn read_field(bytes: &[u8], number: u32) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(key(number, 2).as_slice())?;
    let (length, rest) = read_varint(rest)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (place, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7F).checked_shl(7 * place as u32)?;
        if byte & 0x80 == 0 {
            return Some((value, &bytes[place + 1..]));
        }
    }
    None
}
