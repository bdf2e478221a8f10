use super::*;

/// The example key of Go's `golang.org/x/mod/sumdb/note`.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

fn line(name: &str, key: [u8; 32]) -> String {
    let id = Sha256::new().chain_update(name).chain_update([b'\n', 1]).chain_update(key).finalize();
    format!("{name}+{}+{}", hex::encode(&id[..4]), STANDARD.encode([&[1], &key[..]].concat()))
}

#[test]
fn a_published_key_is_read_and_written() {
    let key: VerifierKey = PETER.parse().unwrap();
    assert_eq!(key.name().as_str(), "PeterNeumann");
    assert_eq!(key.id(), [0xc7, 0x4f, 0x20, 0xa3]);
    assert_eq!(key.to_string(), PETER);
}

#[test]
fn every_part_and_every_change_of_it_is_refused() {
    for (start, _) in PETER.char_indices() {
        for end in start + 1..=PETER.len() {
            let whole = start == 0 && end == PETER.len();
            assert_eq!(PETER[start..end].parse::<VerifierKey>().is_ok(), whole);
        }
    }
    for at in 0..PETER.len() {
        for bit in 0..7 {
            let mut bytes = PETER.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            assert!(String::from_utf8(bytes).unwrap().parse::<VerifierKey>().is_err());
        }
    }
}

#[test]
fn each_refusal_has_its_name() {
    let refused = |text: &str| text.parse::<VerifierKey>().unwrap_err();
    assert_eq!(refused("PeterNeumann+c74f20a3"), VerifierKeyError::Shape);
    assert_eq!(refused("+c74f20a3+AR"), VerifierKeyError::Name(OriginError::Empty));
    assert_eq!(refused(&PETER.replace("c74f", "C74F")), VerifierKeyError::Id);
    assert_eq!(refused(&PETER.replace("c74f", "c74e")), VerifierKeyError::WrongId);
    assert_eq!(refused(&PETER.replace("Peter", "Petra")), VerifierKeyError::WrongId);
    assert_eq!(refused(&format!("{PETER}AAAA")), VerifierKeyError::Encoding);
    // Go's vector of an unknown algorithm, its id adjusted.
    assert_eq!(
        refused("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"),
        VerifierKeyError::Algorithm { found: 0x65, expected: 0x01 }
    );
}

#[test]
fn weak_and_non_canonical_keys_are_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(line("weak", identity).parse::<VerifierKey>(), Err(VerifierKeyError::Weak));
    // y = p - 1, of order 2.
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    assert_eq!(line("weak", minus_one).parse::<VerifierKey>(), Err(VerifierKeyError::Weak));
    // y = p + k for every k that fits: some are no points, some weak, none may pass.
    for low in 0xed..=0xff {
        for high in [0x7f, 0xff] {
            let mut key = [0xff; 32];
            (key[0], key[31]) = (low, high);
            assert!(line("twice", key).parse::<VerifierKey>().is_err(), "{low:x} {high:x}");
        }
    }
    // y = p + 3 decodes to a point of large order, so only the encoding is at fault.
    let mut plus_three = [0xff; 32];
    (plus_three[0], plus_three[31]) = (0xf0, 0x7f);
    let refused = line("twice", plus_three).parse::<VerifierKey>();
    assert_eq!(refused, Err(VerifierKeyError::NotCanonical));
}

#[test]
fn a_signer_shows_its_public_half_only() {
    let key = SigningKey::from_bytes(&[9; 32]);
    let signer = NoteSigner::new("example.org/log".parse().unwrap(), key.clone());
    let public = signer.verifier_key();
    assert_eq!(public.to_string().parse(), Ok(public.clone()));
    assert_eq!(VerifierKey::new(public.name().clone(), key.verifying_key()), Ok(public.clone()));
    assert!(!format!("{signer:?}").contains("09"));
}
