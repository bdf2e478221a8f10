//! Checksums of 32 bits, a table of one byte: the files are small.

/// The table of a polynomial, its bits reversed.
pub(super) const fn table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ polynomial } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

/// The checksum of `bytes` by a table.
pub(super) fn crc<'a>(table: &[u32; 256], bytes: impl IntoIterator<Item = &'a u8>) -> u32 {
    let step = |crc: u32, byte: &u8| (crc >> 8) ^ table[usize::from(crc as u8 ^ byte)];
    !bytes.into_iter().fold(!0, step)
}
