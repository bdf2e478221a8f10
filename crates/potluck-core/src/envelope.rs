//! Signed statements: DSSE envelopes over stored bytes.
//!
//! What is signed is the pre-authentication encoding of a payload type and the payload's bytes as they
//! stand ([DSSE v1.0, protocol.md]). Nothing is re-serialised before it is verified, and nothing is parsed
//! as a statement before its signature held.
//!
//! The payload type is the domain: it names kind, version and federation, so that a signature made for one
//! can never be shown as one for another.
//!
//! A submission is signed in another shape, which tools for signed models read too: see [`crate::bundle`].
//! [`Envelope`] is either, and whoever stores, sends or applies it need not ask which.
//!
//! ```text
//! PAE = "DSSEv1" SP len(type) SP type SP len(payload) SP payload
//! type = "application/vnd.potluck." kind "+json;v=1;federation=" ("new" | 64 hex digits)
//! ```
//!
//! [DSSE v1.0, protocol.md]: https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md

pub(crate) mod dsse;

use self::dsse::{Parts, pre_authentication_encoding};
use crate::bundle::{self, Bundle, Leaf};
use crate::entry::{Kind, Statement};
use crate::ids::{FederationId, KeyId, Sha256};
use crate::keys::{BadSignature, PublicKey, SignError, Signer};

/// The largest envelope, in bytes of its JSON text.
pub const MAX_ENVELOPE: usize = 1 << 20;

/// Why bytes are no envelope.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// More bytes than [`MAX_ENVELOPE`].
    #[error("the envelope has {0} bytes; at most {MAX_ENVELOPE} are allowed")]
    TooLarge(usize),
    /// Not the JSON of a DSSE envelope with one signature.
    #[error("the envelope is malformed: {0}")]
    Malformed(String),
    /// The payload type is none of ours.
    #[error("the payload type is not one that this version knows")]
    Type,
}

/// The domain of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Domain {
    /// What is said.
    pub kind: Kind,
    /// To which federation; a genesis, which makes one, has none.
    pub federation: Option<FederationId>,
}

impl Domain {
    /// The DSSE payload type.
    pub fn payload_type(&self) -> String {
        let federation = self.federation.map_or_else(|| "new".to_owned(), |id| id.to_string());
        format!("application/vnd.potluck.{}+json;v=1;federation={federation}", self.kind.as_str())
    }

    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("application/vnd.potluck.")?;
        let (kind, federation) = rest.split_once("+json;v=1;federation=")?;
        let federation = match federation {
            "new" => None,
            id => Some(id.parse().ok()?),
        };
        Some(Self { kind: Kind::parse(kind)?, federation })
    }
}

/// An envelope whose shape is known and whose signature is not: hostile until [`Envelope::open`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    bytes: Vec<u8>,
    domain: Domain,
    payload: Vec<u8>,
    key: KeyId,
    signature: [u8; 64],
    /// What a submission's envelope holds beside.
    bundle: Option<Box<Bundle>>,
}

impl Envelope {
    /// Signs `payload`, which is no submission's.
    ///
    /// # Errors
    /// [`SignError`] where the signer does not sign, and for a submission.
    pub fn sign(domain: Domain, payload: Vec<u8>, key: &dyn Signer) -> Result<Self, SignError> {
        if domain.kind == Kind::Submit {
            return Err(SignError { what: "a submission is signed as a bundle".to_owned() });
        }
        let payload_type = domain.payload_type();
        let signature = key.sign(&pre_authentication_encoding(&payload_type, &payload))?;
        let parts = Parts { payload_type, payload, key: key.public().id(), signature };
        Ok(Self::plain(parts.to_bytes(), domain, parts))
    }

    fn plain(bytes: Vec<u8>, domain: Domain, parts: Parts) -> Self {
        let Parts { payload_type: _, payload, key, signature } = parts;
        Self { bytes, domain, payload, key, signature, bundle: None }
    }

    /// Signs a submission with the party's key and with a short-lived one that it vouches for.
    ///
    /// # Errors
    /// [`SignError`] where one of them does not sign, and for what is no submission.
    pub fn sign_submission(
        federation: FederationId,
        statement: &Statement,
        key: &dyn Signer,
        leaf: &dyn Leaf,
    ) -> Result<Self, SignError> {
        bundle::sign(federation, statement, key, leaf).map(Self::from)
    }

    /// Parses the JSON text of an envelope, which must be the one that [`Self::sign`] or
    /// [`Self::sign_submission`] writes: whoever passes it on could else give one signed statement many digests,
    /// or fill it up with white space.
    ///
    /// # Errors
    /// [`EnvelopeError`]; nothing larger than [`MAX_ENVELOPE`] is looked at.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > MAX_ENVELOPE {
            return Err(EnvelopeError::TooLarge(bytes.len()));
        }
        if bytes.starts_with(br#"{"mediaType""#) {
            return bundle::parse(bytes).map(Self::from);
        }
        let parts = Parts::parse(bytes)?;
        let domain = Domain::parse(&parts.payload_type).ok_or(EnvelopeError::Type)?;
        if domain.kind == Kind::Submit {
            let why = "a submission is signed as a bundle";
            return Err(EnvelopeError::Malformed(why.to_owned()));
        }
        Ok(Self::plain(bytes.to_vec(), domain, parts))
    }

    /// The text as it was received or made: what is stored, hashed and sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the text.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(&self.bytes)
    }

    /// What it claims to say, and to whom.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// The key that it claims to be signed with.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// What a submission's envelope holds for other tools.
    pub fn bundle(&self) -> Option<&Bundle> {
        self.bundle.as_deref()
    }

    /// The payload as it came: of a genesis before its own key is known, which it names; of an entry that was applied, for
    /// what the state does not keep. Nothing here says that a signature holds.
    pub fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    /// The statement, if `key` signed it.
    ///
    /// # Errors
    /// [`BadSignature`] where it did not.
    pub fn open(&self, key: &PublicKey) -> Result<&[u8], BadSignature> {
        let encoding = match &self.bundle {
            None => pre_authentication_encoding(&self.domain.payload_type(), &self.payload),
            Some(bundle) => bundle.signed_bytes(),
        };
        key.verify(&encoding, &self.signature)?;
        Ok(&self.payload)
    }
}

impl From<bundle::Parts> for Envelope {
    fn from(parts: bundle::Parts) -> Self {
        let bundle::Parts { bytes, domain, statement, key, signature, bundle } = parts;
        Self { bytes, domain, payload: statement, key, signature, bundle: Some(Box::new(bundle)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::PrivateKey;
    use proptest::prelude::*;

    fn key() -> PrivateKey {
        PrivateKey::from_seed(&[7; 32])
    }

    fn domain(kind: Kind) -> Domain {
        Domain { kind, federation: Some(FederationId::from_bytes([1; 32])) }
    }

    #[test]
    fn only_the_signer_opens_it() {
        let envelope = Envelope::sign(domain(Kind::Reveal), b"{}".to_vec(), &key()).unwrap();
        let parsed = Envelope::parse(envelope.as_bytes()).unwrap();
        assert_eq!(parsed, envelope);
        assert_eq!(parsed.open(&key().public()), Ok(&b"{}"[..]));
        assert_eq!(parsed.open(&PrivateKey::from_seed(&[8; 32]).public()), Err(BadSignature));
    }

    #[test]
    fn a_signature_for_one_domain_is_none_for_another() {
        let envelope = Envelope::sign(domain(Kind::Reveal), b"{}".to_vec(), &key()).unwrap();
        let text = String::from_utf8(envelope.as_bytes().to_vec()).unwrap();
        for (from, to) in [("reveal", "publish"), ("=0101", "=0201")] {
            let moved = Envelope::parse(text.replace(from, to).as_bytes()).unwrap();
            assert_eq!(moved.open(&key().public()), Err(BadSignature), "{to}");
        }
    }

    #[test]
    fn shapes_that_are_not_exactly_ours_are_refused() {
        let envelope = Envelope::sign(domain(Kind::Reveal), b"{}".to_vec(), &key()).unwrap();
        let text = String::from_utf8(envelope.as_bytes().to_vec()).unwrap();
        for (from, to) in [
            ("{\"payload\"", "{\"extra\":1,\"payload\""),
            ("{\"payload\"", "{\"payload\":\"\",\"payload\""),
            (";v=1;", ";v=2;"),
            ("reveal", "unheard-of"),
            ("\"sig\":\"", "\"sig\":\"AA"),
        ] {
            assert!(Envelope::parse(text.replacen(from, to, 1).as_bytes()).is_err(), "{to}");
        }
        assert!(matches!(
            Envelope::parse(&vec![b' '; MAX_ENVELOPE + 1]),
            Err(EnvelopeError::TooLarge(_))
        ));
        let nested = "[".repeat(100_000);
        assert!(Envelope::parse(nested.as_bytes()).is_err());
    }

    #[test]
    fn one_signed_statement_has_one_text() {
        let envelope = Envelope::sign(domain(Kind::Reveal), b"{}".to_vec(), &key()).unwrap();
        let text = String::from_utf8(envelope.as_bytes().to_vec()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let signature = &value["signatures"][0];
        let (payload, payload_type) = (&value["payload"], &value["payloadType"]);
        let (keyid, sig) = (&signature["keyid"], &signature["sig"]);
        for respelt in [
            format!("{text} "),
            text.replacen(':', ": ", 1),
            text.replacen("vnd", "\\u0076nd", 1),
            format!(r#"[{payload},{payload_type},[{{"keyid":{keyid},"sig":{sig}}}]]"#),
        ] {
            let refused = Envelope::parse(respelt.as_bytes());
            assert!(matches!(refused, Err(EnvelopeError::Malformed(_))), "{respelt}");
        }
    }

    #[test]
    fn a_known_envelope_keeps_its_bytes() {
        let envelope = Envelope::sign(domain(Kind::Reveal), b"{\"a\":1}".to_vec(), &key()).unwrap();
        // The same text was made with Python's `cryptography` (Ed25519, SHA-256) and `json`.
        assert_eq!(
            envelope.sha256().to_string(),
            "d54b0542b958784f7cd38d7c7aaa9fe50b3f1cfa8d30ee5bf77334703d6b7d7e"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Envelope::parse(&bytes);
        }

        #[test]
        fn no_flipped_bit_opens(bit in 0usize..8 * 400) {
            let envelope = Envelope::sign(domain(Kind::Reveal), b"{\"a\":1}".to_vec(), &key()).unwrap();
            let mut bytes = envelope.as_bytes().to_vec();
            let position = (bit / 8) % bytes.len();
            bytes[position] ^= 1 << (bit % 8);
            if let Ok(parsed) = Envelope::parse(&bytes) {
                // A flip in the claimed key id leaves a valid signature of the true key: the ledger looks the
                // key up by that id, so it finds none.
                let opened = parsed.key() == envelope.key() && parsed.open(&key().public()).is_ok();
                prop_assert!(!opened);
            }
        }
    }
}
