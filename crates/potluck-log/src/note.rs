//! Signed notes (C2SP signed-note): a text, a blank line, signature lines.
//!
//! ```text
//! text, one or more lines, each ended by a newline
//! <blank>
//! — <key name> base64(key id[4] || signature)
//! ```
//!
//! A note that parses says nothing yet: only [`Note::verify`] hands out its text as
//! [`VerifiedText`], and whatever reads meaning from a note takes that. Signatures by unknown keys
//! are carried along and never judged; one bad signature by the known key spoils the note.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::key::{NoteSigner, VerifierKey};
use crate::origin::{Origin, forbidden_in_key_name};

/// The longest note, in bytes, signatures included.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;

/// The most signatures on a note: the log's, and those of all its witnesses. C2SP wants at least 16
/// accepted; 64 lines with the longest names are still less than half of [`MAX_NOTE_BYTES`].
pub const MAX_SIGNATURES: usize = 64;

/// What every signature line begins with: an em dash and a space.
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// A text with its signatures, of which none has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Ends with a newline, which the signatures cover.
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    name: String,
    key_id: [u8; 4],
    /// Never empty; its length is the business of the key's algorithm.
    signature: Vec<u8>,
}

/// Evidence: the text of a note that a given key was checked to have signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedText<'note>(&'note str);

/// Why some bytes are no note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteParseError {
    /// Longer than [`MAX_NOTE_BYTES`].
    #[error("a note has at most {MAX_NOTE_BYTES} bytes, and this one {bytes}")]
    TooLong {
        /// How many bytes there were.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("a note is UTF-8 text")]
    NotUtf8,
    /// A control character other than newline.
    #[error("a note cannot contain the control character {found:?}")]
    Control {
        /// The first such character.
        found: char,
    },
    /// No blank line with text before it.
    #[error("a note has a text, a blank line, and signatures")]
    NoText,
    /// Nothing after the blank line.
    #[error("the note has no signature")]
    NoSignatures,
    /// More than [`MAX_SIGNATURES`].
    #[error("a note has at most {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    /// A line after the blank one is no signature.
    #[error("line {line} after the blank one is not a signature")]
    Signature {
        /// Which line, counted from 1.
        line: usize,
    },
}

/// Why a note does not speak for a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteVerifyError {
    /// No signature names this key.
    #[error("the note is not signed by {key}")]
    Unsigned {
        /// The key's name.
        key: String,
    },
    /// A signature names this key and is not its signature over this text.
    #[error("the note's signature by {key} is not valid")]
    BadSignature {
        /// The key's name.
        key: String,
    },
}

impl Note {
    /// Reads a note. What [`Display`](fmt::Display) then writes is what was read, byte for byte.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteParseError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(NoteParseError::TooLong { bytes: bytes.len() });
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteParseError::NotUtf8)?;
        if let Some(found) = note.chars().find(|&c| c < ' ' && c != '\n') {
            return Err(NoteParseError::Control { found });
        }
        // The text may have blank lines of its own: the last one divides.
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(NoteParseError::NoText)?;
        if text.is_empty() {
            return Err(NoteParseError::NoText);
        }
        Ok(Self { text: format!("{text}\n"), signatures: parse_signatures(signatures)? })
    }

    /// Signs a text that is known to be a note's: it ends with a newline, has no control
    /// character, and is far shorter than a note may be. Callers write it from checked parts.
    pub(crate) fn sign(text: String, signer: &NoteSigner) -> Self {
        let key = signer.verifier_key();
        let signature = NoteSignature::new(key.name(), key.id(), signer.sign(&text).to_vec());
        Self { text, signatures: vec![signature] }
    }

    /// Has another key sign the same text.
    pub(crate) fn add(&mut self, signer: &NoteSigner) {
        let key = signer.verifier_key();
        let signature = signer.sign(&self.text).to_vec();
        self.signatures.push(NoteSignature::new(key.name(), key.id(), signature));
    }

    /// The same text with other signatures, of which there are 1 to [`MAX_SIGNATURES`].
    pub(crate) fn with_signatures(&self, signatures: Vec<NoteSignature>) -> Self {
        Self { text: self.text.clone(), signatures }
    }

    /// The text, unchecked, with its last newline: for display to someone who knows that.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in their order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Checks that `key` signed this text; signatures of other keys are ignored.
    pub fn verify(&self, key: &VerifierKey) -> Result<VerifiedText<'_>, NoteVerifyError> {
        let mut signed = false;
        for line in self.signatures.iter().filter(|line| line.names(key.name(), key.id())) {
            if !key.made(&self.text, &line.signature) {
                return Err(NoteVerifyError::BadSignature { key: key.name().to_string() });
            }
            signed = true;
        }
        if signed {
            Ok(VerifiedText(&self.text))
        } else {
            Err(NoteVerifyError::Unsigned { key: key.name().to_string() })
        }
    }
}

/// Reads the lines after the blank one, or such lines alone.
pub(crate) fn parse_signatures(lines: &str) -> Result<Vec<NoteSignature>, NoteParseError> {
    if lines.is_empty() {
        return Err(NoteParseError::NoSignatures);
    }
    let count = lines.split_inclusive('\n').take(MAX_SIGNATURES + 1).count();
    if count > MAX_SIGNATURES {
        return Err(NoteParseError::TooManySignatures);
    }
    let numbered = lines.split_inclusive('\n').zip(1..);
    numbered
        .map(|(text, line)| NoteSignature::parse(text).ok_or(NoteParseError::Signature { line }))
        .collect()
}

impl NoteSignature {
    /// A line of a key's; `signature` is not empty.
    pub(crate) fn new(name: &Origin, key_id: [u8; 4], signature: Vec<u8>) -> Self {
        Self { name: name.to_string(), key_id, signature }
    }

    /// Reads one line, its newline included.
    fn parse(line: &str) -> Option<Self> {
        let line = line.strip_suffix('\n')?.strip_prefix(SIGNATURE_PREFIX)?;
        let (name, encoded) = line.split_once(' ')?;
        if name.is_empty() || forbidden_in_key_name(name).is_some() {
            return None;
        }
        let bytes = STANDARD.decode(encoded).ok()?;
        let (&key_id, signature) = bytes.split_first_chunk()?;
        let signature = (!signature.is_empty()).then(|| signature.to_vec())?;
        Some(Self { name: name.to_owned(), key_id, signature })
    }

    /// The name of the key that is said to have signed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of the key that is said to have signed.
    pub fn key_id(&self) -> [u8; 4] {
        self.key_id
    }

    /// Whether the line names this key; if it does, it must be the key's signature.
    pub(crate) fn names(&self, name: &Origin, key_id: [u8; 4]) -> bool {
        self.key_id == key_id && self.name == name.as_str()
    }

    /// What is said to be the signature, in the form of the key's algorithm.
    pub(crate) fn signature(&self) -> &[u8] {
        &self.signature
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = STANDARD.encode([&self.key_id[..], &self.signature].concat());
        write!(f, "{SIGNATURE_PREFIX}{} {encoded}", self.name)
    }
}

impl<'note> VerifiedText<'note> {
    /// The text, with its last newline.
    pub fn as_str(&self) -> &'note str {
        self.0
    }
}

#[cfg(test)]
mod tests;
