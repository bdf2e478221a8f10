//! The promises of the reader of checkpoints: the bytes are a text that the log has signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer as _, SigningKey};
use potluck_log::{Checkpoint, MAX_TREE_SIZE, Note, SignedCheckpoint};

use super::world::signer;

/// Reads a checkpoint whose body is `bytes`.
pub fn checkpoint(bytes: &[u8]) {
    let signer = signer();
    let key = signer.verifier_key();
    let signature = SigningKey::from_bytes(&[1; 32]).sign(bytes).to_bytes();
    let signature = BASE64.encode([&key.id()[..], &signature].concat());
    let mut text = bytes.to_vec();
    text.extend_from_slice(format!("\n\u{2014} {} {signature}\n", key.name()).as_bytes());
    let Ok(text) = String::from_utf8(text) else { return };
    let Ok(opened) = SignedCheckpoint::open(&text, key) else { return };

    assert_eq!(opened.note(), text);
    assert!(opened.size() <= MAX_TREE_SIZE);
    let Checkpoint { origin, size, root, state } = opened.checkpoint().clone();
    assert_eq!(&origin, key.name());
    // One checkpoint has one text: written anew from what it says, and signed again (Ed25519 draws nothing).
    assert_eq!(Checkpoint { origin, size, root, state }.sign(signer), text);
    assert_eq!(Note::parse(text.as_bytes()).unwrap().text().as_bytes(), bytes);

    let theirs = tlog_tiles::Checkpoint::from_bytes(bytes).unwrap();
    assert_eq!(theirs.origin(), key.name().as_str());
    assert_eq!((theirs.size(), theirs.hash().0), (size, root.0));
    assert_eq!(theirs.to_bytes(), bytes);
}
