//! The promises of the reader of signed notes.

use potluck_log::{MAX_SIGNATURES, Note, SignedCheckpoint};

use super::world::signer;

/// Reads a note.
pub fn note(bytes: &[u8]) {
    let key = signer().verifier_key();
    let Ok(note) = Note::parse(bytes) else {
        let text = std::str::from_utf8(bytes);
        return assert!(text.is_err() || SignedCheckpoint::open(text.unwrap(), key).is_err());
    };
    assert_eq!(note.to_string().as_bytes(), bytes, "it is written as it was read");
    assert!((1..=MAX_SIGNATURES).contains(&note.signatures().len()));
    assert!(note.text().ends_with('\n'));
    let verified = note.verify(key);
    if let Ok(text) = verified {
        assert_eq!(text.as_str(), note.text());
    }
    // Whatever passes here passes in another implementation, and means the same.
    let theirs = signed_note::Note::from_bytes(bytes).unwrap();
    assert_eq!(theirs.text(), note.text().as_bytes());
    assert_eq!(theirs.to_bytes(), bytes);
    let text = std::str::from_utf8(bytes).unwrap();
    if let Ok(checkpoint) = SignedCheckpoint::open(text, key) {
        assert!(verified.is_ok());
        assert_eq!(checkpoint.note(), text);
    }
}
