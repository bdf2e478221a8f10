use super::*;

use ed25519_dalek::{Signature, SigningKey, Verifier};

/// The example note of Go's `golang.org/x/mod/sumdb/note`, and its key.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER_SECRET: &str = "YEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const SAYING: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n";
const PETER_LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1\
    FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn peter() -> VerifierKey {
    PETER.parse().unwrap()
}

fn signer(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::new(name.parse().unwrap(), SigningKey::from_bytes(&[seed; 32]))
}

fn parse(note: &str) -> Result<Note, NoteParseError> {
    Note::parse(note.as_bytes())
}

#[test]
fn the_published_note_is_read_checked_and_made_again() {
    let published = format!("{SAYING}\n{PETER_LINE}");
    let note = parse(&published).unwrap();
    assert_eq!(note.verify(&peter()).unwrap().as_str(), SAYING);
    assert_eq!(note.to_string(), published);

    // The published secret key reads `PRIVATE+KEY+name+id+base64(0x01 || seed)`.
    let secret = STANDARD.decode(format!("A{PETER_SECRET}")).unwrap();
    let seed: [u8; 32] = secret[1..].try_into().unwrap();
    let name = "PeterNeumann".parse().unwrap();
    let again = NoteSigner::new(name, SigningKey::from_bytes(&seed));
    assert_eq!(again.verifier_key(), &peter());
    assert_eq!(Note::sign(SAYING.to_owned(), &again).to_string(), published);
}

#[test]
fn the_text_may_have_blank_lines() {
    // The text of the specification's example; the last blank line divides.
    let text = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\n\
        ed è subito sera.\n";
    let key = signer("quasimodo.example/salvatore", 1);
    let note = Note::sign(text.to_owned(), &key);
    let read = parse(&note.to_string()).unwrap();
    assert_eq!(read, note);
    assert_eq!(read.verify(key.verifier_key()).unwrap().as_str(), text);
}

#[test]
fn every_flipped_bit_is_refused() {
    let published = format!("{SAYING}\n{PETER_LINE}");
    for at in 0..published.len() {
        for bit in 0..8 {
            let mut bytes = published.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let accepted = Note::parse(&bytes).is_ok_and(|note| note.verify(&peter()).is_ok());
            assert!(!accepted, "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn unknown_signatures_are_ignored_and_false_ones_are_not() {
    let (log, witness) = (signer("log.example", 2), signer("witness.example", 3));
    let line = |key: &NoteSigner, text: &str| {
        Note::sign(text.to_owned(), key).signatures[0].to_string() + "\n"
    };
    let verify = |lines: &[String]| {
        let note = parse(&format!("hello\n\n{}", lines.concat())).unwrap();
        note.verify(log.verifier_key()).map(|text| text.as_str().to_owned())
    };
    let (ours, theirs) = (line(&log, "hello\n"), line(&witness, "hello\n"));
    let unsigned = NoteVerifyError::Unsigned { key: "log.example".into() };
    let bad = NoteVerifyError::BadSignature { key: "log.example".into() };

    assert_eq!(verify(&[theirs.clone(), ours.clone()]), Ok("hello\n".into()));
    assert_eq!(verify(&[ours.clone(), ours.clone()]), Ok("hello\n".into()));
    assert_eq!(verify(std::slice::from_ref(&theirs)), Err(unsigned.clone()));
    // Same name, other key; same id, other name: both are strangers.
    assert_eq!(verify(&[line(&signer("log.example", 4), "hello\n")]), Err(unsigned.clone()));
    assert_eq!(verify(&[ours.replace("log.example", "lag.example")]), Err(unsigned));
    // A known key's signature over another text, alone or beside a true one.
    let false_one = line(&log, "goodbye\n");
    assert_eq!(verify(std::slice::from_ref(&false_one)), Err(bad.clone()));
    assert_eq!(verify(&[ours, false_one]), Err(bad));
    // A cosignature-like line is longer than 64 bytes: unknown keys may have any length.
    let long = format!("— witness.example {}\n", STANDARD.encode([5; 76]));
    assert_eq!(verify(&[long, line(&log, "hello\n")]), Ok("hello\n".into()));
}

#[test]
fn a_signature_that_only_the_loose_equation_accepts_is_refused() {
    // R is the identity and s = k·a, so that s·B - k·A = R for this one text.
    let loose = "— log.example Nd4fkAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
        AAhbIQ782Kd22w9JeM8pNgfMOg7PXoeMb6O5XNUesZpAA=";
    let key = signer("log.example", 2).verifier_key().clone();
    let note = parse(&format!("hello\n\n{loose}\n")).unwrap();
    let signature = Signature::from_slice(&note.signatures[0].signature).unwrap();
    assert!(key.public_key().verify(b"hello\n", &signature).is_ok());
    let bad = NoteVerifyError::BadSignature { key: "log.example".into() };
    assert_eq!(note.verify(&key), Err(bad));
}

#[test]
fn each_malformed_note_has_its_name() {
    let refused = |note: &str| parse(note).unwrap_err();
    assert_eq!(refused(""), NoteParseError::NoText);
    assert_eq!(refused("hello\n"), NoteParseError::NoText);
    assert_eq!(refused(&format!("\n\n{PETER_LINE}")), NoteParseError::NoText);
    assert_eq!(refused("hello\n\n"), NoteParseError::NoSignatures);
    let control = |found| NoteParseError::Control { found };
    assert_eq!(refused(&format!("hel\tlo\n\n{PETER_LINE}")), control('\t'));
    assert_eq!(refused(&format!("hello\r\n\r\n{PETER_LINE}")), control('\r'));
    assert_eq!(Note::parse(b"hell\xff\n\n"), Err(NoteParseError::NotUtf8));
    let too_long = NoteParseError::TooLong { bytes: MAX_NOTE_BYTES + 1 };
    assert_eq!(refused(&"x".repeat(MAX_NOTE_BYTES + 1)), too_long);

    let wrong_lines = [
        PETER_LINE.trim_end().to_owned(),
        PETER_LINE.replace('—', "-"),
        PETER_LINE.replace("— ", "—"),
        PETER_LINE.replace("AM=", "AM"),
        PETER_LINE.replace("PeterNeumann", "Peter+Neumann"),
        PETER_LINE.replace("PeterNeumann", ""),
        "— name AAAAAA==\n".to_owned(),
        "— name \n".to_owned(),
        "— name\n".to_owned(),
        "name\n".to_owned(),
    ];
    for wrong in wrong_lines {
        let note = format!("hello\n\n{PETER_LINE}{wrong}");
        assert_eq!(refused(&note), NoteParseError::Signature { line: 2 }, "{wrong:?}");
    }
}

#[test]
fn sixty_four_signatures_are_read_and_one_more_is_not() {
    let note = |count| format!("{SAYING}\n{}", PETER_LINE.repeat(count));
    assert!(parse(&note(MAX_SIGNATURES)).unwrap().verify(&peter()).is_ok());
    assert_eq!(parse(&note(MAX_SIGNATURES + 1)), Err(NoteParseError::TooManySignatures));
}
