//! Who is in, and by which keys: what entries say of members and of the life of their keys.
//!
//! A key has a role. Whoever brings a new key proves that it holds it: a signature by the key itself over a text
//! that names federation, author, role and key ([`possession_text`]), so that nobody enrols what is another's.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Author;
use crate::ids::{FederationId, KeyId, PartyId};
use crate::keys::{BadSignature, PublicKey};
use crate::signature::Signature;

/// What a key is for. A key serves one role of one author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Signs what the author says.
    Sign,
    /// Is the author's identity on the network, where that is another key than the signing one.
    Transport,
    /// Cosigns checkpoints of the log.
    Witness,
    /// Signs checkpoints of the log. The operator's alone.
    Log,
}

impl Role {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::Transport => "transport",
            Self::Witness => "witness",
            Self::Log => "log",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An author's keys by role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// Signs what the author says.
    pub sign: PublicKey,
    /// The identity on the network; nothing where it is the signing key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<PublicKey>,
    /// Cosigns checkpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<PublicKey>,
}

impl Keys {
    /// One signing key and nothing else.
    pub fn signing(sign: PublicKey) -> Self {
        Self { sign, transport: None, witness: None }
    }

    /// Each key with its role.
    pub fn each(&self) -> impl Iterator<Item = (Role, PublicKey)> {
        let others = [(Role::Transport, self.transport), (Role::Witness, self.witness)];
        let others = others.into_iter().filter_map(|(role, key)| key.map(|key| (role, key)));
        std::iter::once((Role::Sign, self.sign)).chain(others)
    }
}

/// The proof that somebody holds a key: its signature over [`possession_text`].
pub type Proof = Signature;

/// The text by which a key is shown to be held, signed by that key.
pub fn possession_text(
    federation: FederationId,
    author: &Author,
    role: Role,
    key: &PublicKey,
) -> String {
    format!("potluck/1 possession\n{federation}\n{author}\n{role}\n{key}\n")
}

/// The text by which the log's key in force hands over to another, signed by the former.
pub fn handover_text(federation: FederationId, old: &PublicKey, new: &PublicKey) -> String {
    format!("potluck/1 handover\n{federation}\n{old}\n{new}\n")
}

/// The text by which an invitation is taken up, signed by the invitation's key.
pub fn join_text(federation: FederationId, party: &PartyId, keys: &Keys) -> String {
    let mut text = format!("potluck/1 join\n{federation}\n{party}\n");
    for (role, key) in keys.each() {
        text.push_str(&format!("{role} {key}\n"));
    }
    text
}

/// The admission of a party whose keys the operator was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admit {
    /// A party that the charter names.
    pub party: PartyId,
    /// Its keys.
    pub keys: Keys,
}

/// An invitation: who holds the key may become the party, once, until it expires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    /// A party that the charter names and that is not in.
    pub party: PartyId,
    /// The invitation's own key, of which the private half is handed to the party.
    pub key: PublicKey,
    /// Until when, in seconds since 1970-01-01 UTC, by the log's time.
    pub expires: u64,
}

/// The taking up of an invitation, signed by the new party's own signing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// Which invitation: the id of its key.
    pub invite: KeyId,
    /// The party's keys.
    pub keys: Keys,
    /// The invitation's signature over [`join_text`].
    pub token: Signature,
    /// That the transport key is held, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport_proof: Option<Proof>,
    /// That the witness key is held, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness_proof: Option<Proof>,
}

impl Join {
    /// Checks the invitation's signature, and that each further key is held.
    ///
    /// # Errors
    /// [`BadSignature`] where one does not verify or is missing.
    pub fn verify(
        &self,
        federation: FederationId,
        party: &PartyId,
        invitation: &PublicKey,
    ) -> Result<(), BadSignature> {
        let text = join_text(federation, party, &self.keys);
        invitation.verify(text.as_bytes(), self.token.as_bytes())?;
        let author = Author::Party(party.clone());
        let proofs = [
            (Role::Transport, self.keys.transport, &self.transport_proof),
            (Role::Witness, self.keys.witness, &self.witness_proof),
        ];
        proofs.into_iter().try_for_each(|(role, key, proof)| match (key, proof) {
            (None, None) => Ok(()),
            (Some(key), Some(proof)) => {
                let text = possession_text(federation, &author, role, &key);
                key.verify(text.as_bytes(), proof.as_bytes())
            }
            _ => Err(BadSignature),
        })
    }
}

/// The suspension of a party: what it says is refused until it is reinstated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suspend {
    /// Which party.
    pub party: PartyId,
    /// Why, in words.
    pub reason: String,
}

/// The end of a suspension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reinstate {
    /// Which party.
    pub party: PartyId,
}

/// A new key in the place of an author's own, said with its old signing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// Which key is replaced, or first set.
    pub role: Role,
    /// The new key.
    pub key: PublicKey,
    /// That the author holds it.
    pub proof: Proof,
    /// For the log's key, the old one's signature over [`handover_text`]; nothing for other roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handover: Option<Signature>,
}

/// A key declared void from here on. What it signed before stays valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeKey {
    /// Whose key. An author revokes its own; the operator any party's.
    pub of: Author,
    /// The key that is void.
    pub key: KeyId,
    /// Why, in words.
    pub reason: String,
}

/// A vote for the key that shall replace another author's lost one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoverKey {
    /// Who lost its key.
    pub of: Author,
    /// Its new signing key.
    pub key: PublicKey,
    /// That its owner holds it.
    pub proof: Proof,
}
