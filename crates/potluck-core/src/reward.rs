//! What a party optimised: bound by a commitment when its expert is handed in, shown to one auditor or to nobody.
//!
//! The commitment stands in the submission, so in the ledger. A proof opens it to the auditor that it names: whom
//! the definition is meant for is part of what the party signs, so that a leaked proof shows whose copy leaked,
//! and cannot be passed on as one that was made for somebody else.
//!
//! ```text
//! commitment = BLAKE3 derive_key("potluck 1 reward commitment",
//!              nonce (32 bytes) ‖ length of the definition (u64, little-endian) ‖ definition)
//! proof      = DSSE envelope, type "application/vnd.potluck.reward-proof+json;v=1", one Ed25519 signature by `key`
//! payload    = {federation, party, key, auditor, submission, commitment, nonce, definition}
//! ```
//!
//! What follows from a proof: the party knew the definition when it handed the expert in. That it trained on it,
//! nobody can see.

use serde::{Deserialize, Serialize};

use crate::entry::{Author, Body, Statement};
use crate::envelope::dsse::{Parts, pre_authentication_encoding};
use crate::envelope::{Envelope, EnvelopeError};
use crate::ids::{Blake3, FederationId, KeyId, PartyId, Sha256};
use crate::keys::{PublicKey, SignError, Signer};

/// The largest definition, in bytes.
pub const MAX_DEFINITION: usize = 64 << 10;

/// The largest proof, in bytes of its text: a definition in which every byte is escaped, in base64.
pub const MAX_PROOF: usize = 1 << 20;

const CONTEXT: &str = "potluck 1 reward commitment";
const PAYLOAD_TYPE: &str = "application/vnd.potluck.reward-proof+json;v=1";

/// Binds a party to a definition. Without the nonce, which is random and secret, nobody can try out definitions
/// against it.
pub fn commitment(definition: &[u8], nonce: &[u8; 32]) -> Blake3 {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(nonce).update(&(definition.len() as u64).to_le_bytes()).update(definition);
    Blake3::from_bytes(*hasher.finalize().as_bytes())
}

/// What a proof shows, and to whom.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// In which federation the expert was handed in.
    pub federation: FederationId,
    /// Who shows it.
    pub party: PartyId,
    /// The key that signed the submission, and signs this.
    pub key: PublicKey,
    /// For whom it is made.
    pub auditor: PublicKey,
    /// SHA-256 of the submission's envelope.
    pub submission: Sha256,
    /// The commitment in that submission.
    pub commitment: Blake3,
    /// 64 lower-case hexadecimal digits: what hid the definition.
    nonce: String,
    /// The definition's text.
    definition: String,
}

/// Why a proof shows nothing.
#[derive(Debug, thiserror::Error)]
pub enum RewardError {
    /// Not a proof's text.
    #[error("the proof is malformed")]
    Malformed(#[source] EnvelopeError),
    /// The payload is not what a proof says.
    #[error("the proof says something else than proofs do, or not in their one text")]
    Payload,
    /// The party's key did not sign it.
    #[error("the proof is not signed by the key that it names")]
    Signature,
    /// Made for another auditor.
    #[error("the proof was made for the auditor whose key is {0}, and for nobody else")]
    OtherAuditor(KeyId),
    /// The envelope shown beside it is another than it speaks of.
    #[error("the proof speaks of another submission")]
    OtherSubmission,
    /// The party's key did not sign the submission.
    #[error("the submission is not signed by the proof's key")]
    NotItsKey,
    /// The submission binds to no reward.
    #[error("the submission has no reward commitment")]
    Unbound,
    /// The submission binds to another reward.
    #[error("the definition is not the one that the submission is bound to")]
    OtherReward,
}

/// Why no proof was made.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The definition is larger than [`MAX_DEFINITION`], or no UTF-8.
    #[error("a definition is a text of at most {MAX_DEFINITION} bytes")]
    Definition,
    /// The envelope is not this key's submission.
    #[error("the envelope is not a submission that this key signed")]
    NotASubmission,
    /// The submission binds to no reward.
    #[error("the submission has no reward commitment")]
    Unbound,
    /// Definition and nonce are not those that the submission binds to.
    #[error("the definition and the nonce are not those that the submission is bound to")]
    OtherReward,
    /// Nothing was signed.
    #[error("the proof was not signed")]
    Signer(#[source] SignError),
}

impl Opening {
    /// Opens the commitment of `submission` to `auditor`; the result is the proof's text.
    ///
    /// # Errors
    /// [`ProveError`]: a proof that would not verify is not made.
    pub fn prove(
        submission: &Envelope,
        key: &dyn Signer,
        auditor: PublicKey,
        definition: &[u8],
        nonce: &[u8; 32],
    ) -> Result<Vec<u8>, ProveError> {
        let text = std::str::from_utf8(definition).ok().filter(|it| it.len() <= MAX_DEFINITION);
        let text = text.ok_or(ProveError::Definition)?;
        let public = key.public();
        let (federation, party, bound) =
            bound(submission, &public).ok_or(ProveError::NotASubmission)?;
        let bound = bound.ok_or(ProveError::Unbound)?;
        if bound != commitment(definition, nonce) {
            return Err(ProveError::OtherReward);
        }
        let opening = Self {
            federation,
            party,
            key: public,
            auditor,
            submission: submission.sha256(),
            commitment: bound,
            nonce: hex::encode(nonce),
            definition: text.to_owned(),
        };
        let payload = opening.to_payload();
        let signature = key.sign(&pre_authentication_encoding(PAYLOAD_TYPE, &payload));
        let signature = signature.map_err(ProveError::Signer)?;
        let payload_type = PAYLOAD_TYPE.to_owned();
        Ok(Parts { payload_type, payload, key: public.id(), signature }.to_bytes())
    }

    /// Verifies a proof's text against the submission that it speaks of, for `auditor`.
    ///
    /// That the submission stands in the ledger is its receipt's to show.
    ///
    /// # Errors
    /// [`RewardError`].
    pub fn verify(
        proof: &[u8],
        submission: &Envelope,
        auditor: &PublicKey,
    ) -> Result<Self, RewardError> {
        let opening = Self::signed(proof)?;
        if opening.auditor != *auditor {
            return Err(RewardError::OtherAuditor(opening.auditor.id()));
        }
        if opening.submission != submission.sha256() {
            return Err(RewardError::OtherSubmission);
        }
        let (federation, party, bound) =
            bound(submission, &opening.key).ok_or(RewardError::NotItsKey)?;
        if (federation, &party) != (opening.federation, &opening.party) {
            return Err(RewardError::OtherSubmission);
        }
        let bound = bound.ok_or(RewardError::Unbound)?;
        let mut nonce = [0; 32];
        hex::decode_to_slice(&opening.nonce, &mut nonce).map_err(|_| RewardError::Payload)?;
        let opened = commitment(opening.definition.as_bytes(), &nonce);
        if (opened, opening.commitment) != (bound, bound) {
            return Err(RewardError::OtherReward);
        }
        Ok(opening)
    }

    /// The definition's text.
    pub fn definition(&self) -> &str {
        &self.definition
    }

    /// What the key that it names signed.
    fn signed(proof: &[u8]) -> Result<Self, RewardError> {
        if proof.len() > MAX_PROOF {
            return Err(RewardError::Malformed(EnvelopeError::TooLarge(proof.len())));
        }
        let parts = Parts::parse(proof).map_err(RewardError::Malformed)?;
        if parts.payload_type != PAYLOAD_TYPE {
            return Err(RewardError::Malformed(EnvelopeError::Type));
        }
        let opening: Self =
            serde_json::from_slice(&parts.payload).map_err(|_| RewardError::Payload)?;
        if opening.to_payload() != parts.payload {
            return Err(RewardError::Payload);
        }
        let is_signed = opening.key.verify(&parts.signed_bytes(), &parts.signature).is_ok();
        if parts.key != opening.key.id() || !is_signed {
            return Err(RewardError::Signature);
        }
        Ok(opening)
    }

    /// The one text of what is shown: compact JSON, fields in the order of their definition here.
    fn to_payload(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings always have a JSON form")
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opening(of {} to {:?})", self.party, self.auditor)
    }
}

/// Where, by whom and to what a submission is bound, if `key` signed it.
fn bound(
    submission: &Envelope,
    key: &PublicKey,
) -> Option<(FederationId, PartyId, Option<Blake3>)> {
    let federation = submission.domain().federation?;
    let statement = submission.open(key).ok().filter(|_| submission.key() == key.id())?;
    let statement: Statement = serde_json::from_slice(statement).ok()?;
    match (statement.author, statement.body) {
        (Author::Party(party), Body::Submit(submission)) => {
            Some((federation, party, submission.reward_commitment))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
