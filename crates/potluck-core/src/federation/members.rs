//! The members and their keys, as the ledger knows them now.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::entry::{Author, Keys, Role};
use crate::ids::{KeyId, PartyId, Sha256};
use crate::keys::PublicKey;

/// A member: its keys, and its place in its own chain of entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The entry by which it came in.
    pub since: u64,
    /// The key that signs for it; nothing where that key was revoked.
    pub sign: Option<PublicKey>,
    /// Its identity on the network; nothing where that is the signing key.
    pub transport: Option<PublicKey>,
    /// The key with which it cosigns checkpoints.
    pub witness: Option<PublicKey>,
    /// Why it is suspended, if it is.
    pub suspended: Option<String>,
    /// The sequence number of its next entry.
    pub next: u64,
    /// SHA-256 of its latest envelope.
    pub previous: Option<Sha256>,
}

impl Member {
    fn new(keys: &Keys, since: u64) -> Self {
        let Keys { sign, transport, witness } = *keys;
        let (suspended, next, previous) = (None, 0, None);
        Self { since, sign: Some(sign), transport, witness, suspended, next, previous }
    }

    /// Its key in a role, if it has one.
    pub fn key(&self, role: Role) -> Option<PublicKey> {
        match role {
            Role::Sign => self.sign,
            Role::Transport => self.transport,
            Role::Witness => self.witness,
            // The federation's, not a member's: see `Federation::log`.
            Role::Log => None,
        }
    }

    fn key_mut(&mut self, role: Role) -> Option<&mut Option<PublicKey>> {
        match role {
            Role::Sign => Some(&mut self.sign),
            Role::Transport => Some(&mut self.transport),
            Role::Witness => Some(&mut self.witness),
            Role::Log => None,
        }
    }
}

/// What became of a key that is no longer in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retired {
    /// Whose it was.
    pub of: Author,
    /// The entry since which nothing that it signs is taken.
    pub index: u64,
    /// Why, where it was revoked; nothing where another key took its place.
    pub reason: Option<String>,
}

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// Which party it invites.
    pub party: PartyId,
    /// Its own key.
    pub key: PublicKey,
    /// Until when it holds, by the log's time.
    pub expires: u64,
    /// The signing key that took it up.
    pub taken_by: Option<KeyId>,
}

/// Everybody who may speak, and every key that ever was.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct Members {
    authors: BTreeMap<Author, Member>,
    invitations: BTreeMap<KeyId, Invitation>,
    retired: BTreeMap<KeyId, Retired>,
    /// For whom which key is proposed, and by whom.
    recoveries: BTreeMap<Author, BTreeMap<KeyId, BTreeSet<Author>>>,
    /// Which active key is whose: follows from `authors`, so that nobody is searched for.
    owners: BTreeMap<KeyId, (Author, Role)>,
}

/// JSON has no maps by author, and what follows from the rest is not said twice.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    authors: Vec<(Author, Member)>,
    invitations: BTreeMap<KeyId, Invitation>,
    retired: BTreeMap<KeyId, Retired>,
    recoveries: Vec<(Author, BTreeMap<KeyId, BTreeSet<Author>>)>,
}

impl From<Members> for Text {
    fn from(members: Members) -> Self {
        let Members { authors, invitations, retired, recoveries, owners: _ } = members;
        let (authors, recoveries) = (authors.into_iter(), recoveries.into_iter());
        Self { authors: authors.collect(), invitations, retired, recoveries: recoveries.collect() }
    }
}

impl TryFrom<Text> for Members {
    type Error = &'static str;
    fn try_from(text: Text) -> Result<Self, &'static str> {
        let Text { authors, invitations, retired, recoveries } = text;
        let mut members = Self { invitations, retired, ..Self::default() };
        members.recoveries = recoveries.into_iter().collect();
        for (author, member) in authors {
            for role in [Role::Sign, Role::Transport, Role::Witness] {
                let Some(key) = member.key(role) else { continue };
                if members.owners.insert(key.id(), (author.clone(), role)).is_some() {
                    return Err("a key that two members share");
                }
            }
            members.authors.insert(author, member);
        }
        Ok(members)
    }
}

impl Members {
    /// A member.
    pub fn get(&self, author: &Author) -> Option<&Member> {
        self.authors.get(author)
    }

    /// Every member, the operator first, then the parties in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (&Author, &Member)> {
        self.authors.iter()
    }

    /// Whose active key this is, and what for.
    pub fn owner(&self, key: KeyId) -> Option<(&Author, Role)> {
        self.owners.get(&key).map(|(author, role)| (author, *role))
    }

    /// What became of a key that was in force once.
    pub fn retired(&self, key: KeyId) -> Option<&Retired> {
        self.retired.get(&key)
    }

    /// Every key that was in force once and is no longer.
    pub fn all_retired(&self) -> impl Iterator<Item = (&KeyId, &Retired)> {
        self.retired.iter()
    }

    /// An invitation by the id of its key.
    pub fn invitation(&self, key: KeyId) -> Option<&Invitation> {
        self.invitations.get(&key)
    }

    /// Every invitation.
    pub fn invitations(&self) -> impl Iterator<Item = (&KeyId, &Invitation)> {
        self.invitations.iter()
    }

    /// Who voted for which new signing key of `author`.
    pub fn recovery(&self, author: &Author) -> Option<&BTreeMap<KeyId, BTreeSet<Author>>> {
        self.recoveries.get(author)
    }

    /// Whether this key was ever known here, in whatever role: it never gets another.
    pub fn knows(&self, key: KeyId) -> bool {
        self.owners.contains_key(&key)
            || self.retired.contains_key(&key)
            || self.invitations.contains_key(&key)
    }

    pub(super) fn get_mut(&mut self, author: &Author) -> Option<&mut Member> {
        self.authors.get_mut(author)
    }

    /// Lets a member in by the entry `since`. Its keys are known to be nobody's.
    pub(super) fn insert(&mut self, author: Author, keys: &Keys, since: u64) {
        for (role, key) in keys.each() {
            self.owners.insert(key.id(), (author.clone(), role));
        }
        match self.authors.get_mut(&author) {
            // Only one that lost its signing key before it said anything: its chain goes on.
            Some(member) => {
                *member = Member {
                    next: member.next,
                    previous: member.previous,
                    ..Member::new(keys, since)
                };
            }
            None => {
                self.authors.insert(author, Member::new(keys, since));
            }
        }
    }

    pub(super) fn invite(&mut self, invitation: Invitation) {
        self.invitations.insert(invitation.key.id(), invitation);
    }

    pub(super) fn take_up(&mut self, invite: KeyId, by: KeyId) {
        if let Some(invitation) = self.invitations.get_mut(&invite) {
            invitation.taken_by = Some(by);
        }
    }

    /// Puts `key` in the place of what `author` has in `role`; what was there is retired.
    pub(super) fn replace(
        &mut self,
        author: &Author,
        role: Role,
        key: Option<PublicKey>,
        index: u64,
        reason: Option<String>,
    ) {
        let Some(member) = self.authors.get_mut(author) else { return };
        let Some(slot) = member.key_mut(role) else { return };
        if let Some(old) = std::mem::replace(slot, key) {
            self.owners.remove(&old.id());
            let retired = Retired { of: author.clone(), index, reason };
            self.retired.insert(old.id(), retired);
        }
        if let Some(key) = key {
            self.owners.insert(key.id(), (author.clone(), role));
        }
        if role == Role::Sign {
            self.recoveries.remove(author);
        }
    }

    /// Counts a vote; how many there are for this key now.
    pub(super) fn vote(&mut self, of: &Author, key: KeyId, by: &Author) -> usize {
        let votes = self.recoveries.entry(of.clone()).or_default().entry(key).or_default();
        votes.insert(by.clone());
        votes.len()
    }
}
