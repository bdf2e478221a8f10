//! Cosignatures (C2SP tlog-cosignature, `cosignature/v1`): a witness's word, below the log's own,
//! that a checkpoint extends all that the witness saw of that log.
//!
//! ```text
//! — <witness> base64(key id[4] || time as big-endian u64 || Ed25519 signature[64])
//! ```
//!
//! The signature covers `cosignature/v1`, a line `time <seconds>`, and the checkpoint's text. It does
//! not cover the witness's name, so one key may serve one name only: who counts witnesses counts a
//! public key once, whatever names it goes by ([`SignedCheckpoint::cosigned_by`]).
//!
//! Nothing here decides *whether* to cosign; that is [`Witness`](crate::Witness).

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use crate::checkpoint::SignedCheckpoint;
use crate::consistency::Consistent;
use crate::key::{KeyLine, VerifierKeyError};
use crate::note::{MAX_SIGNATURES, Note, NoteParseError, NoteSignature, parse_signatures};
use crate::origin::Origin;

/// Signature type byte of timestamped Ed25519 cosignatures (C2SP signed-note, "Signature types").
const COSIGNATURE: u8 = 0x04;

/// The first line of every message that a witness signs.
const DOMAIN: &str = "cosignature/v1";

/// The latest time of a cosignature, in seconds since 1970 (C2SP tlog-cosignature).
pub const MAX_COSIGNATURE_TIME: u64 = (1 << 63) - 1;

/// A witness's named public key, against which cosignatures are checked; never weak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignerKey(KeyLine<COSIGNATURE>);

/// A witness's named secret key. It serves no other purpose and no other name.
#[derive(Clone)]
pub struct Cosigner {
    key: SigningKey,
    public: CosignerKey,
}

/// Evidence: a known witness was checked to have cosigned a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    witness: Origin,
    time: u64,
}

/// Why a checkpoint is not cosigned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CosignError {
    /// The time is 0 or above [`MAX_COSIGNATURE_TIME`].
    #[error("{time} is no time for a cosignature")]
    Time {
        /// The time given, in seconds since 1970.
        time: u64,
    },
    /// The consistency that was checked is of another tree than the checkpoint's.
    #[error("the consistency that was checked leads to another tree than the checkpoint's")]
    OtherTree,
}

/// Why cosignatures are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CosignatureError {
    /// A line names a known witness and is not its cosignature of this checkpoint.
    #[error("the checkpoint's cosignature by {witness} is not valid")]
    Bad {
        /// The witness named.
        witness: String,
    },
    /// What a witness answered is not signature lines.
    #[error("the witness's answer is not lines of signatures")]
    Lines(#[source] NoteParseError),
    /// With these lines the checkpoint would have more than [`MAX_SIGNATURES`].
    #[error("a checkpoint has at most {MAX_SIGNATURES} signatures")]
    TooMany,
}

impl CosignerKey {
    /// Gives a witness's public key its name, unless the key is weak or not canonical.
    pub fn new(name: Origin, key: VerifyingKey) -> Result<Self, VerifierKeyError> {
        KeyLine::new(name, key).map(Self)
    }

    /// The witness's name.
    pub fn name(&self) -> &Origin {
        self.0.name()
    }

    /// The four bytes by which signature lines refer to the key.
    pub fn id(&self) -> [u8; 4] {
        self.0.id()
    }

    /// The public key itself.
    pub fn public_key(&self) -> &VerifyingKey {
        self.0.public_key()
    }

    /// Judges one line over `text`: nothing if it is of another key.
    fn judge(
        &self,
        line: &NoteSignature,
        text: &str,
    ) -> Option<Result<Cosigned, CosignatureError>> {
        let named = line.names(self.name(), self.id());
        named.then(|| {
            let time = self.time_of(line.signature(), text);
            let bad = || CosignatureError::Bad { witness: self.name().to_string() };
            Ok(Cosigned { witness: self.name().clone(), time: time.ok_or_else(bad)? })
        })
    }

    /// The time of a `timestamped_signature` over `text`, if it is this key's.
    fn time_of(&self, signature: &[u8], text: &str) -> Option<u64> {
        let (time, signature) = signature.split_first_chunk()?;
        let time = u64::from_be_bytes(*time);
        let valid = is_time(time) && self.0.made(message(time, text).as_bytes(), signature);
        valid.then_some(time)
    }
}

/// Zero would say that the witness states no time, which a checkpoint's cosignature must
/// (C2SP tlog-witness, "add-checkpoint").
fn is_time(time: u64) -> bool {
    (1..=MAX_COSIGNATURE_TIME).contains(&time)
}

fn message(time: u64, text: &str) -> String {
    format!("{DOMAIN}\ntime {time}\n{text}")
}

impl FromStr for CosignerKey {
    type Err = VerifierKeyError;

    fn from_str(text: &str) -> Result<Self, VerifierKeyError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Cosigner {
    /// Gives a witness's secret key its name.
    pub fn new(name: Origin, key: SigningKey) -> Self {
        let public = CosignerKey(KeyLine::of(name, &key));
        Self { key, public }
    }

    /// The public half, to be handed out.
    pub fn cosigner_key(&self) -> &CosignerKey {
        &self.public
    }

    /// Cosigns a checkpoint at `time`, in seconds since 1970; the result is one signature line.
    ///
    /// `consistent` must start at the latest checkpoint that this witness cosigned for the log, or
    /// at size 0 if there is none; [`Witness`](crate::Witness) sees to that.
    pub fn cosign(
        &self,
        checkpoint: &SignedCheckpoint,
        consistent: &Consistent,
        time: u64,
    ) -> Result<NoteSignature, CosignError> {
        if !is_time(time) {
            return Err(CosignError::Time { time });
        }
        let tree = (consistent.new_size(), consistent.new_root());
        if tree != (checkpoint.size(), checkpoint.root()) {
            return Err(CosignError::OtherTree);
        }
        let message = message(time, checkpoint.parsed_note().text());
        let mut signature = time.to_be_bytes().to_vec();
        signature.extend(self.key.sign(message.as_bytes()).to_bytes());
        Ok(NoteSignature::new(self.public.name(), self.public.id(), signature))
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({})", self.public)
    }
}

impl Cosigned {
    /// The witness's name.
    pub fn witness(&self) -> &Origin {
        &self.witness
    }

    /// When it cosigned, by its own clock, in seconds since 1970.
    pub fn time(&self) -> u64 {
        self.time
    }
}

impl SignedCheckpoint {
    /// The known witnesses that cosigned this checkpoint, each once, with its latest time, in the
    /// order of `witnesses`.
    ///
    /// Lines of unknown keys are ignored; a false line of a known key spoils the checkpoint (C2SP
    /// signed-note, "Signatures"). Two keys of one name, and two names of one key, count once.
    pub fn cosigned_by(
        &self,
        witnesses: &[CosignerKey],
    ) -> Result<Vec<Cosigned>, CosignatureError> {
        cosigned(self.parsed_note(), witnesses)
    }

    /// Adds the lines of known witnesses, as one answered them, and says whose they are.
    ///
    /// A witness's newer line takes the place of its older one; lines of unknown keys are dropped.
    /// On an error the checkpoint stays as it was.
    pub fn add_cosignatures(
        &mut self,
        lines: &str,
        witnesses: &[CosignerKey],
    ) -> Result<Vec<Cosigned>, CosignatureError> {
        let lines = parse_signatures(lines).map_err(CosignatureError::Lines)?;
        let answer = self.parsed_note().with_signatures(lines);
        let added = cosigned(&answer, witnesses)?;
        let mut signatures = self.parsed_note().signatures().to_vec();
        for line in answer.signatures() {
            let Some(key) = witnesses.iter().find(|key| line.names(key.name(), key.id())) else {
                continue;
            };
            let text = self.parsed_note().text();
            let later = |old: &NoteSignature| {
                key.time_of(old.signature(), text) > key.time_of(line.signature(), text)
            };
            match signatures.iter_mut().find(|old| old.names(key.name(), key.id())) {
                Some(old) if later(old) => {}
                // An older one, or one that was received and is false.
                Some(old) => *old = line.clone(),
                None => signatures.push(line.clone()),
            }
        }
        if signatures.len() > MAX_SIGNATURES {
            return Err(CosignatureError::TooMany);
        }
        self.replace_signatures(signatures);
        Ok(added)
    }
}

fn cosigned(note: &Note, witnesses: &[CosignerKey]) -> Result<Vec<Cosigned>, CosignatureError> {
    let mut found: Vec<(&CosignerKey, Cosigned)> = Vec::new();
    for key in witnesses {
        let judged = note.signatures().iter().filter_map(|line| key.judge(line, note.text()));
        let all: Vec<Cosigned> = judged.collect::<Result<_, _>>()?;
        let Some(latest) = all.into_iter().max_by_key(Cosigned::time) else { continue };
        let same = |other: &CosignerKey| {
            other.name() == key.name() || other.public_key() == key.public_key()
        };
        if !found.iter().any(|(other, _)| same(other)) {
            found.push((key, latest));
        }
    }
    Ok(found.into_iter().map(|(_, cosigned)| cosigned).collect())
}

#[cfg(test)]
mod tests;
