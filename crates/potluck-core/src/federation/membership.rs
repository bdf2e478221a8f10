//! The rules by which members come in, are suspended, and change their keys.
//!
//! ```text
//!            admit | invite, join            suspend
//!  nobody ─────────────────────────▶ active ─────────▶ suspended
//!                                      │  ◀───────────
//!                                      │    reinstate
//!  its key:  in force ─ rotate_key ─▶ retired (another is in force)
//!            in force ─ revoke_key ─▶ retired (none is; K votes of recover_key put one there)
//! ```
//!
//! The log's own key has its rules in [`super::log_key`]. A key that was ever known never comes back in any role. A signature counts by its place in the log: what was
//! signed before a revocation stays valid.

use super::members::{Invitation, Members};
use super::{Effect, Federation};
use crate::admission::{Code, Refusal};
use crate::entry::{
    Admit, Author, Invite, Join, Keys, Proof, RecoverKey, Reinstate, RevokeKey, Role, RotateKey,
    Suspend, possession_text,
};
use crate::ids::{KeyId, PartyId};
use crate::keys::PublicKey;

/// The longest reason for a suspension or revocation, in bytes.
pub const MAX_REASON: usize = 500;

fn refuse<T>(code: Code, sentence: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(code, sentence))
}

impl Federation {
    pub(super) fn check_admit(&self, admit: &Admit) -> Result<(), Refusal> {
        self.check_vacant(&admit.party)?;
        self.check_new_keys(&admit.keys)
    }

    pub(super) fn check_invite(&self, invite: &Invite) -> Result<(), Refusal> {
        self.check_vacant(&invite.party)?;
        self.check_new_key(&invite.key)
    }

    pub(super) fn check_join(
        &self,
        party: &PartyId,
        join: &Join,
        time: u64,
    ) -> Result<(), Refusal> {
        let Some(invitation) = self.members.invitation(join.invite) else {
            return refuse(Code::InviteUnknown, "no such invitation was made in this federation");
        };
        if invitation.party != *party {
            let sentence = format!("the invitation is for {}, not for {party}", invitation.party);
            return refuse(Code::InviteUnknown, sentence);
        }
        match invitation.taken_by {
            Some(key) if key == join.keys.sign.id() => {
                return refuse(Code::InviteUsed, "this key took the invitation up already");
            }
            Some(key) => {
                let sentence = format!(
                    "the invitation was taken up by another key, {}: if that is not yours, tell the operator",
                    key.short()
                );
                return refuse(Code::InviteTaken, sentence);
            }
            None => (),
        }
        if time > invitation.expires {
            let sentence = format!(
                "the invitation expired {} seconds ago; ask for another",
                time - invitation.expires
            );
            return refuse(Code::InviteExpired, sentence);
        }
        self.check_vacant(party)?;
        self.check_new_keys(&join.keys)?;
        if join.verify(self.id, party, &invitation.key).is_err() {
            let sentence =
                "a signature in it does not verify: of the invitation, or of a key that it brings";
            return refuse(Code::SignatureInvalid, sentence);
        }
        Ok(())
    }

    /// That the charter names the party, and that nobody speaks for it. Somebody whose key was revoked before
    /// it said anything but that it joined (a thief of the invitation, say) does not hold the seat.
    fn check_vacant(&self, party: &PartyId) -> Result<(), Refusal> {
        if !self.charter.parties().contains_key(party) {
            return refuse(Code::PartyRefused, format!("the charter names no party {party}"));
        }
        match self.members.get(&Author::Party(party.clone())) {
            Some(member) if member.sign.is_some() => {
                refuse(Code::PartyRefused, format!("{party} is in already"))
            }
            Some(member) if member.next > 1 => {
                let sentence = format!(
                    "{party} lost its key, but has spoken: its key is replaced by votes, not by the operator"
                );
                refuse(Code::PartyRefused, sentence)
            }
            _ => Ok(()),
        }
    }

    fn check_new_keys(&self, keys: &Keys) -> Result<(), Refusal> {
        let each: Vec<_> = keys.each().map(|(_, key)| key).collect();
        for (position, key) in each.iter().enumerate() {
            if each[..position].contains(key) {
                return refuse(Code::KeyRefused, "each role needs a key of its own");
            }
            self.check_new_key(key)?;
        }
        Ok(())
    }

    fn check_new_key(&self, key: &PublicKey) -> Result<(), Refusal> {
        let outside = &self.charter.witnesses().outside;
        if self.is_of_log(key)
            || self.members.knows(key.id())
            || outside.values().any(|witness| witness == key)
        {
            let sentence = format!("the key {} was in use here before", key.id().short());
            return refuse(Code::KeyRefused, sentence);
        }
        Ok(())
    }

    fn check_held(
        &self,
        of: &Author,
        role: Role,
        key: &PublicKey,
        proof: &Proof,
    ) -> Result<(), Refusal> {
        let text = possession_text(self.id, of, role, key);
        if key.verify(text.as_bytes(), proof.as_bytes()).is_err() {
            let sentence = format!("nothing shows that {of} holds the key {}", key.id().short());
            return refuse(Code::KeyRefused, sentence);
        }
        Ok(())
    }

    fn check_party(&self, party: &PartyId, is_suspended: bool) -> Result<(), Refusal> {
        let Some(member) = self.members.get(&Author::Party(party.clone())) else {
            return refuse(Code::PartyRefused, format!("{party} is not in"));
        };
        match (member.suspended.is_some(), is_suspended) {
            (true, false) => refuse(Code::PartyRefused, format!("{party} is suspended already")),
            (false, true) => refuse(Code::PartyRefused, format!("{party} is not suspended")),
            _ => Ok(()),
        }
    }

    pub(super) fn check_suspend(&self, suspend: &Suspend) -> Result<(), Refusal> {
        self.check_party(&suspend.party, false)?;
        check_reason(&suspend.reason)
    }

    pub(super) fn check_reinstate(&self, reinstate: &Reinstate) -> Result<(), Refusal> {
        self.check_party(&reinstate.party, true)?;
        // Who lost its seat by an amendment comes back by another: without a weight it would have a say in nothing.
        if !self.charter.parties().contains_key(&reinstate.party) {
            let sentence = format!("the charter names no party {}", reinstate.party);
            return refuse(Code::PartyRefused, sentence);
        }
        Ok(())
    }

    pub(super) fn check_rotate(&self, author: &Author, rotate: &RotateKey) -> Result<(), Refusal> {
        self.check_new_key(&rotate.key)?;
        self.check_held(author, rotate.role, &rotate.key, &rotate.proof)?;
        match (rotate.role, &rotate.handover) {
            (Role::Log, _) => self.check_handover(author, rotate),
            (_, None) => Ok(()),
            (_, Some(_)) => refuse(Code::StatementMalformed, "only the log's key is handed over"),
        }
    }

    pub(super) fn check_revoke(&self, author: &Author, revoke: &RevokeKey) -> Result<(), Refusal> {
        check_reason(&revoke.reason)?;
        if *author != revoke.of && *author != Author::Operator {
            let sentence = format!("{author} may revoke its own keys only");
            return refuse(Code::NotPermitted, sentence);
        }
        if self.log().id() == revoke.key {
            let sentence = "a log without a key signs nothing: its key is replaced, not revoked";
            return refuse(Code::KeyRefused, sentence);
        }
        match self.members.owner(revoke.key) {
            Some((owner, _)) if *owner == revoke.of => Ok(()),
            _ => {
                let sentence = format!("{} has no key {} in force", revoke.of, revoke.key.short());
                refuse(Code::KeyRefused, sentence)
            }
        }
    }

    pub(super) fn check_recover(
        &self,
        author: &Author,
        recover: &RecoverKey,
    ) -> Result<(), Refusal> {
        if self.charter.keys().recovery == 0 {
            return refuse(Code::NotPermitted, "the charter lets nobody replace a lost key");
        }
        if *author == recover.of {
            let sentence = format!("{author} replaces its own key by rotate_key");
            return refuse(Code::NotPermitted, sentence);
        }
        if self.members.get(&recover.of).is_none() {
            return refuse(Code::PartyRefused, format!("{} is not in", recover.of));
        }
        let votes = self.members.recovery(&recover.of).and_then(|keys| keys.get(&recover.key.id()));
        if votes.is_some_and(|votes| votes.contains(author)) {
            return refuse(Code::KeyRefused, format!("{author} voted for this key already"));
        }
        self.check_new_key(&recover.key)?;
        self.check_held(&recover.of, Role::Sign, &recover.key, &recover.proof)
    }

    pub(super) fn join(&mut self, index: u64, party: PartyId, join: &Join) -> Vec<Effect> {
        self.members.take_up(join.invite, join.keys.sign.id());
        self.members.insert(Author::Party(party.clone()), &join.keys, index);
        vec![Effect::Admitted(party)]
    }

    pub(super) fn invite(&mut self, invite: Invite) -> Vec<Effect> {
        let Invite { party, key, expires } = invite;
        self.members.invite(Invitation { party: party.clone(), key, expires, taken_by: None });
        vec![Effect::Invited(party)]
    }

    pub(super) fn rotate(&mut self, index: u64, author: Author, rotate: &RotateKey) -> Vec<Effect> {
        if rotate.role == Role::Log {
            return self.succeed(index, rotate.key);
        }
        self.members.replace(&author, rotate.role, Some(rotate.key), index, None);
        vec![Effect::KeyChanged(author, rotate.role)]
    }

    pub(super) fn revoke(&mut self, index: u64, revoke: RevokeKey) -> Vec<Effect> {
        let role = self.members.owner(revoke.key).map(|(_, role)| role);
        let role = role.expect("check_revoke found the key's owner");
        self.members.replace(&revoke.of, role, None, index, Some(revoke.reason));
        vec![Effect::KeyRevoked(revoke.of, role)]
    }

    /// Counts the vote; with the last one that the charter asks for, the new key is in force.
    pub(super) fn recover(&mut self, index: u64, by: &Author, recover: RecoverKey) -> Vec<Effect> {
        let RecoverKey { of, key, proof: _ } = recover;
        let votes = self.members.vote(&of, key.id(), by);
        if (votes as u64) < u64::from(self.charter.keys().recovery) {
            return vec![Effect::Vouched(of)];
        }
        self.members.replace(&of, Role::Sign, Some(key), index, None);
        vec![Effect::KeyChanged(of, Role::Sign)]
    }

    /// Sets or lifts a suspension.
    pub(super) fn suspend(&mut self, party: PartyId, reason: Option<String>) -> Vec<Effect> {
        let is_suspended = reason.is_some();
        if let Some(member) = self.members.get_mut(&Author::Party(party.clone())) {
            member.suspended = reason;
        }
        vec![if is_suspended { Effect::Suspended(party) } else { Effect::Reinstated(party) }]
    }

    /// Everybody who may speak, and every key that ever was.
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// Whose identity on the network this key is. A signing key is one where its owner has no other.
    pub fn peer(&self, key: KeyId) -> Option<&Author> {
        let (author, role) = self.members.owner(key)?;
        let separate = self.members.get(author).is_some_and(|member| member.transport.is_some());
        match role {
            Role::Transport => Some(author),
            Role::Sign if !separate => Some(author),
            Role::Sign | Role::Witness | Role::Log => None,
        }
    }

    /// Who may cosign checkpoints: the name of the key in notes, and the key. Parties that are not suspended, and
    /// the charter's outside witnesses.
    pub fn witnesses(&self) -> Vec<(String, PublicKey)> {
        let name = self.charter.name();
        let parties = self.members.iter().filter_map(|(author, member)| match author {
            Author::Party(party) if member.suspended.is_none() => {
                member.witness.map(|key| (witness_name(name.as_str(), party), key))
            }
            _ => None,
        });
        let outside = self.charter.witnesses().outside.iter();
        parties.chain(outside.map(|(name, key)| (name.clone(), *key))).collect()
    }
}

/// The name of a party's witness key in notes.
pub fn witness_name(federation: &str, party: &PartyId) -> String {
    format!("potluck/{federation}/{party}")
}

pub(super) fn check_reason(reason: &str) -> Result<(), Refusal> {
    if reason.is_empty() || reason.len() > MAX_REASON || reason.chars().any(char::is_control) {
        let sentence = format!("a reason is one line of 1 to {MAX_REASON} bytes");
        return refuse(Code::StatementMalformed, sentence);
    }
    Ok(())
}
