//! Cosignatures: who vouches that the log showed everybody the same history, and whether they are enough.
//!
//! The charter says how many witnesses must have cosigned a checkpoint before what lies under it counts as published.
//! Until then an operator could show this reader one soup and others another.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::VerifyingKey;
use potluck_core::{Federation, PublicKey, SignError, Signer};
use potluck_log::{Cosigned, CosignerKey, Note, SignedCheckpoint};

use super::Ledger;
use crate::failure::Failure;

/// How an entry stands with the witnesses.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// How many witnesses the charter asks for.
    pub(crate) quorum: u32,
    /// Those that cosigned the latest cosigned checkpoint.
    pub(crate) by: Vec<Cosigned>,
    /// The size of that checkpoint; 0 where there is none.
    pub(crate) size: u64,
}

impl Standing {
    /// How a ledger stands.
    pub(crate) fn of(ledger: &Ledger) -> Self {
        let federation = ledger.federation();
        let keys = witness_keys(federation);
        let counted = |checkpoint: &SignedCheckpoint| {
            // A false line of a known witness spoils the checkpoint: it is as good as not cosigned.
            let by = checkpoint.cosigned_by(&keys).unwrap_or_default();
            (by, checkpoint.size())
        };
        // The checkpoint itself may carry them, where it was cosigned since it was signed.
        let candidates = [Some(ledger.checkpoint()), ledger.cosigned()].into_iter().flatten();
        let quorum = federation.charter().witnesses().quorum;
        let enough = |(by, _): &(Vec<Cosigned>, u64)| by.len() as u64 >= u64::from(quorum.max(1));
        let best = candidates.map(counted).max_by_key(|it| (enough(it), it.1, it.0.len()));
        let (by, size) = best.unwrap_or_default();
        Self { quorum, by, size }
    }

    /// Whether enough witnesses vouch for the entry at `index`.
    pub(crate) fn covers(&self, index: u64) -> bool {
        self.quorum == 0 || (self.is_enough() && index < self.size)
    }

    fn is_enough(&self) -> bool {
        self.by.len() as u64 >= u64::from(self.quorum)
    }

    /// Refuses what too few witnesses vouch for.
    pub(crate) fn demand(&self, index: u64, what: &str) -> Result<(), Failure> {
        if self.covers(index) {
            return Ok(());
        }
        let (quorum, by) = (self.quorum, self.by.len());
        let message = match self.is_enough() {
            true => format!(
                "{what} is entry {index}; the charter asks for {quorum} witnesses, and they vouch for the first {} entries only",
                self.size
            ),
            false => format!(
                "{what} is entry {index}; the charter asks for {quorum} witnesses, and {by} vouch for it"
            ),
        };
        Err(Failure::unverified("not-witnessed", message).hint(
            "each party cosigns with any command, or with `potluck witness --dir DIR`; then try again",
        ))
    }
}

/// The keys by which cosignatures count now, each with its name.
fn witness_keys(federation: &Federation) -> Vec<CosignerKey> {
    let witnesses = federation.witnesses().into_iter();
    // A name that no note could carry, or a key that is none, cosigns nothing.
    witnesses.filter_map(|(name, key)| cosigner_key(&name, &key)).collect()
}

fn cosigner_key(name: &str, key: &PublicKey) -> Option<CosignerKey> {
    let verifying = VerifyingKey::from_bytes(key.as_bytes()).ok()?;
    CosignerKey::new(name.parse().ok()?, verifying).ok()
}

/// The cosignature of a verified checkpoint by a witness of the federation, at `time`, as a signature line; nothing
/// where the signer's key is not one of a witness.
///
/// The checkpoint must extend all that the witness saw of this log: whoever calls this has confirmed that.
pub(crate) fn cosign_line(
    federation: &Federation,
    checkpoint: &SignedCheckpoint,
    signer: &dyn Signer,
    time: u64,
) -> Result<Option<(CosignerKey, String)>, SignError> {
    let public = signer.public();
    let witness = federation.witnesses().into_iter().find(|(_, key)| *key == public);
    let Some(key) = witness.and_then(|(name, key)| cosigner_key(&name, &key)) else {
        return Ok(None);
    };
    let Ok(note) = Note::parse(checkpoint.note().as_bytes()) else { return Ok(None) };
    // C2SP tlog-cosignature, "Format".
    let message = format!("cosignature/v1\ntime {time}\n{}", note.text());
    let signature = signer.sign(message.as_bytes())?;
    let bytes = [&key.id()[..], &time.to_be_bytes(), &signature].concat();
    let line = format!("\u{2014} {} {}\n", key.name(), BASE64.encode(bytes));
    Ok(Some((key, line)))
}
