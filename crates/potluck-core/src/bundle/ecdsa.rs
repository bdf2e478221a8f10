//! The one spelling of an ECDSA signature on P-256.
//!
//! For each such signature `(r, s)` the pair `(r, n − s)` holds too, and DER leaves room for zeros in front; so
//! whoever passes a bundle on could give it another digest. Here `s` stands in the lower half and DER is
//! minimal. No mathematics of the curve: whether the signature holds is asked elsewhere.
//!
//! ```text
//! 0x30 length  0x02 length r  0x02 length s      (X.690 §8.3, §10.1: big-endian, no needless byte in front)
//! ```

/// Half the order of P-256, rounded down (SEC 2 §2.4.2: the order is odd).
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/// Whether `s` of `r` and `s` stands in the lower half.
pub fn is_low(signature: &[u8; 64]) -> bool {
    signature[32..] <= HALF_ORDER[..]
}

/// The signature in DER, where it is in its one spelling.
pub fn to_der(signature: &[u8; 64]) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at(32);
    let is_zero = |number: &[u8]| number.iter().all(|byte| *byte == 0);
    if is_zero(r) || is_zero(s) || !is_low(signature) {
        return None;
    }
    let body = [integer(r), integer(s)].concat();
    let length = u8::try_from(body.len()).expect("two integers of 33 bytes at most");
    Some([&[SEQUENCE, length], &body[..]].concat())
}

/// Reads DER; nothing where it is not what [`to_der`] writes.
pub fn from_der(der: &[u8]) -> Option<[u8; 64]> {
    let [SEQUENCE, length, body @ ..] = der else { return None };
    if usize::from(*length) != body.len() {
        return None;
    }
    let mut signature = [0; 64];
    let rest = read_integer(body, &mut signature[..32])?;
    let rest = read_integer(rest, &mut signature[32..])?;
    (rest.is_empty() && to_der(&signature)? == der).then_some(signature)
}

/// A number in DER: no zero in front but the one that keeps it positive.
fn integer(number: &[u8]) -> Vec<u8> {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let number = &number[first..];
    let sign = number.first().is_some_and(|byte| *byte >= 0x80);
    let length = u8::try_from(number.len() + usize::from(sign)).expect("33 bytes at most");
    let mut der = vec![INTEGER, length];
    der.extend(sign.then_some(0));
    der.extend_from_slice(number);
    der
}

/// Reads a number of at most 32 bytes into the end of `number`; returns what follows it.
fn read_integer<'d>(der: &'d [u8], number: &mut [u8]) -> Option<&'d [u8]> {
    let [INTEGER, length, rest @ ..] = der else { return None };
    let (value, rest) = rest.split_at_checked(usize::from(*length))?;
    let value = value.strip_prefix(&[0]).unwrap_or(value);
    let start = number.len().checked_sub(value.len())?;
    number[start..].copy_from_slice(value);
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signature(r: &[u8], s: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        signature[32 - r.len()..32].copy_from_slice(r);
        signature[64 - s.len()..].copy_from_slice(s);
        signature
    }

    #[test]
    fn the_known_texts() {
        let der = [0x30, 0x07, 0x02, 0x02, 0x00, 0x80, 0x02, 0x01, 0x7f];
        assert_eq!(to_der(&signature(&[0x80], &[0x7f])).unwrap(), der);
        assert_eq!(from_der(&der), Some(signature(&[0x80], &[0x7f])));
    }

    #[test]
    fn half_the_order_is_the_highest() {
        let mut above = HALF_ORDER;
        above[31] += 1;
        assert!(to_der(&signature(&[1], &HALF_ORDER)).is_some());
        assert!(to_der(&signature(&[1], &above)).is_none());
    }

    #[test]
    fn other_spellings_are_refused() {
        for der in [
            // A needless zero; a negative number; a length in two bytes; something behind; nothing; a zero.
            &[0x30, 0x07, 0x02, 0x02, 0x00, 0x01, 0x02, 0x01, 0x01][..],
            &[0x30, 0x06, 0x02, 0x01, 0x80, 0x02, 0x01, 0x01],
            &[0x30, 0x81, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01],
            &[0x30, 0x07, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01, 0x00],
            &[0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01, 0x00],
            &[],
            &[0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x01],
        ] {
            assert_eq!(from_der(der), None, "{der:x?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(r in any::<[u8; 32]>(), s in any::<[u8; 32]>(), flip in 0usize..600) {
            let Some(der) = to_der(&signature(&r, &s)) else { return Ok(()) };
            prop_assert_eq!(from_der(&der), Some(signature(&r, &s)));
            let mut other = der.clone();
            other[(flip / 8) % der.len()] ^= 1 << (flip % 8);
            if let Some(read) = from_der(&other) {
                prop_assert_eq!(to_der(&read).unwrap(), other);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = from_der(&bytes);
        }
    }
}
