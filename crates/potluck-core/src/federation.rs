//! The federation: a pure function of its ledger.
//!
//! [`Federation::found`] and [`Federation::apply`] are total, deterministic and do no I/O. The server calls
//! them before it appends; clients and auditors call the same on replay. An agreement is never asserted by
//! anybody: it follows here from the proposals.
//!
//! ```text
//! genesis ─▶ (admit | invite, join)* ─▶ submit* ─▶ open_round ─▶ commit*, reveal* ─▶ (agreement) ─▶ publish ─▶ open_round …
//!                                                                  └▶ (candidates) ─ scores* ─┘└ ratify*
//! ```
//!
//! An author's entries form a chain of their own (sequence and previous digest), so what was signed once can
//! be appended once.

mod agree;
mod amend;
mod authenticate;
pub mod bargain;
mod check;
mod holding;
mod log_key;
mod members;
mod membership;
mod ratify;
mod round;
mod snapshot;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::agree::Agreement;
pub use self::amend::Amendment;
use self::amend::Amendments;
pub use self::authenticate::{Authentic, genesis_entry};
pub use self::holding::Holding;
pub use self::log_key::LogKey;
pub use self::members::{Invitation, Member, Members, Retired};
pub use self::membership::{MAX_REASON, witness_name};
pub use self::ratify::Said;
pub use self::round::{Phase, Round};
pub use self::snapshot::{MAX_SNAPSHOT, SnapshotError};
pub use self::words::sentence;
use crate::admission::{Code, Refusal};
use crate::charter::Charter;
use crate::entry::{
    Admit, Author, Body, Commit, CommitScores, Entry, Genesis, Keys, Nominate, OpenRound, Publish,
    Record, Reinstate, Reveal, RevealScores, Role, Stance, Statement, Submission, Suspend,
};
use crate::envelope::Domain;
use crate::ids::{Blake3, FederationId, PartyId};
use crate::keys::PublicKey;
use crate::lambda::Lambda;
use crate::manifest::{FileEntry, Manifest, WEIGHTS};
use crate::recipe::{Recipe, RecipeError};

/// An expert in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expert {
    /// Where it was submitted.
    pub index: u64,
    /// Its files.
    pub manifest: Manifest,
    /// The party's commitment to its reward.
    pub reward_commitment: Option<Blake3>,
}

/// A published soup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Soup {
    /// Where it was published.
    pub index: u64,
    /// What it is made of.
    pub recipe: Recipe,
    /// What came out.
    pub file: FileEntry,
}

/// What an entry brought about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A party is in.
    Admitted(PartyId),
    /// A party is invited.
    Invited(PartyId),
    /// A party is suspended.
    Suspended(PartyId),
    /// A party is no longer suspended.
    Reinstated(PartyId),
    /// A new key is in force.
    KeyChanged(Author, Role),
    /// A key is void.
    KeyRevoked(Author, Role),
    /// Somebody voted for a member's new key; more votes are needed.
    Vouched(Author),
    /// A party's expert is in.
    Submitted(PartyId),
    /// A round is open.
    Opened(u64),
    /// A party is bound to a proposal, or to scores.
    Committed(PartyId),
    /// A party proposed.
    Revealed(PartyId),
    /// The bargain waits for something else than before.
    Waiting,
    /// A party nominated a candidate, or passed.
    Nominated(PartyId),
    /// A party showed its scores.
    Scored(PartyId),
    /// A party said how it stands to the agreement.
    Stood(PartyId, Stance),
    /// A party took its expert back.
    Withdrawn(PartyId),
    /// A new charter is put to the vote.
    Proposed(Blake3),
    /// A party endorsed a new charter; more must.
    Endorsed(PartyId),
    /// A new charter is in force, of this version.
    Amended(u64),
    /// The last word was in: this follows.
    Agreed(Agreement),
    /// A round was closed without an agreement.
    Voided(u64),
    /// A soup is in force.
    Published(u64),
}

/// The state that a ledger amounts to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Federation {
    id: FederationId,
    size: u64,
    time: u64,
    charter: Charter,
    log: PublicKey,
    base: Manifest,
    members: Members,
    experts: BTreeMap<PartyId, Expert>,
    rounds: Vec<Round>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    log_successors: Vec<LogKey>,
    #[serde(default, skip_serializing_if = "Amendments::is_empty")]
    amendments: Amendments,
}

impl Federation {
    /// Founds the federation from its first entry.
    ///
    /// # Errors
    /// [`Refusal`] where the entry is no genesis, or is not signed by the operator that it names.
    pub fn found(entry: &Entry) -> Result<Self, Refusal> {
        let (id, genesis, authentic) = authenticate::genesis(entry.envelope())?;
        let time = check_record(entry, &authentic)?;
        check_base(&genesis.base)?;
        let Genesis { charter, operator, log, base, nonce: _ } = genesis;
        let mut members = Members::default();
        members.insert(Author::Operator, &Keys::signing(operator), 0);
        if let Some(member) = members.get_mut(&Author::Operator) {
            (member.next, member.previous) = (1, Some(authentic.digest()));
        }
        Ok(Self {
            id,
            size: 1,
            time,
            charter,
            log,
            base,
            members,
            experts: BTreeMap::new(),
            rounds: Vec::new(),
            log_successors: Vec::new(),
            amendments: Amendments::default(),
        })
    }

    /// Applies the entry at `index`, or leaves everything as it was.
    ///
    /// # Errors
    /// [`Refusal`] with the first question that the entry failed.
    pub fn apply(&mut self, index: u64, entry: &Entry) -> Result<Vec<Effect>, Refusal> {
        if index != self.size {
            let sentence = format!("entry {index} came where entry {} is next", self.size);
            return Err(Refusal::new(Code::EntryMismatch, sentence));
        }
        let authentic = self.authenticate(entry.envelope())?;
        let time = check_record(entry, &authentic)?;
        self.enter(authentic, time)
    }

    /// Applies what was authenticated before as the next entry, taken in at `time`; or leaves everything as it
    /// was. The same as [`Self::apply`] of [`Authentic::into_entry`], but the signature is not verified again.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn take(
        &mut self,
        authentic: Authentic,
        time: u64,
    ) -> Result<(Entry, Vec<Effect>), Refusal> {
        self.authenticate_again(&authentic)?;
        let entry = authentic.entry(time);
        let effects = self.enter(authentic, time)?;
        Ok((entry, effects))
    }

    fn enter(&mut self, authentic: Authentic, time: u64) -> Result<Vec<Effect>, Refusal> {
        if time < self.time {
            let sentence =
                format!("the log states the time {time}, and stated {} before", self.time);
            return Err(Refusal::new(Code::TimeBackwards, sentence));
        }
        self.check(&authentic, time)?;
        let digest = authentic.digest();
        let Statement { author, body, .. } = authentic.into_statement();
        let effects = self.step(self.size, time, &author, body);
        let member = self.members.get_mut(&author);
        let member =
            member.expect("authenticate found the author or it just joined; none is removed");
        member.next += 1;
        member.previous = Some(digest);
        self.size += 1;
        self.time = time;
        Ok(effects)
    }

    /// Carries out what [`Self::check`] let through.
    fn step(&mut self, index: u64, time: u64, author: &Author, body: Body) -> Vec<Effect> {
        match (author.clone(), body) {
            (_, Body::Admit(Admit { party, keys })) => {
                self.members.insert(Author::Party(party.clone()), &keys, index);
                vec![Effect::Admitted(party)]
            }
            (_, Body::Invite(invite)) => self.invite(invite),
            (Author::Party(party), Body::Join(join)) => self.join(index, party, &join),
            (_, Body::Suspend(Suspend { party, reason })) => self.suspend(party, Some(reason)),
            (_, Body::Reinstate(Reinstate { party })) => self.suspend(party, None),
            (author, Body::RotateKey(rotate)) => self.rotate(index, author, &rotate),
            (_, Body::RevokeKey(revoke)) => self.revoke(index, revoke),
            (author, Body::RecoverKey(recover)) => self.recover(index, &author, recover),
            (
                Author::Party(party),
                Body::Submit(Submission { manifest, reward_commitment, .. }),
            ) => {
                self.experts.insert(party.clone(), Expert { index, manifest, reward_commitment });
                vec![Effect::Submitted(party)]
            }
            (_, Body::OpenRound(OpenRound { round })) => self.open(round, time),
            (Author::Party(party), Body::Commit(Commit { commitment, .. })) => {
                self.commit(party, commitment)
            }
            (_, Body::CloseRound(_)) => self.close(time),
            (Author::Party(party), Body::Reveal(Reveal { lambda, .. })) => {
                self.reveal(party, lambda, time)
            }
            (Author::Party(party), Body::Nominate(Nominate { lambda, .. })) => {
                self.in_round(|round, charter| round.nominate(charter, party, lambda, time))
            }
            (Author::Party(party), Body::CommitScores(CommitScores { commitment, .. })) => self
                .in_round(|round, charter| round.commit_scores(charter, party, commitment, time)),
            (Author::Party(party), Body::RevealScores(RevealScores { ballot, .. })) => {
                self.in_round(|round, charter| round.reveal_scores(charter, party, ballot, time))
            }
            (Author::Party(party), Body::Ratify(ratify)) => {
                self.in_round(|round, charter| round.stand(charter, (index, time), party, ratify))
            }
            (Author::Party(party), Body::Withdraw(_)) => self.withdraw(index, party),
            (author, Body::Amend(amend)) => self.propose_amendment(index, author, *amend),
            (Author::Party(party), Body::Endorse(endorse)) => self.endorse(index, party, &endorse),
            (_, Body::Publish(Publish { round, recipe, soup: file })) => {
                let soup = Soup { index, recipe, file };
                self.rounds.last_mut().expect("check_publish found the round").soup = Some(soup);
                vec![Effect::Published(round)]
            }
            _ => unreachable!("check refuses every other pair of author and body"),
        }
    }

    /// Takes a step in the current round.
    fn in_round(&mut self, step: impl FnOnce(&mut Round, &Charter) -> Vec<Effect>) -> Vec<Effect> {
        let Self { charter, rounds, .. } = self;
        step(rounds.last_mut().expect("what checks a round's entries found it"), charter)
    }

    /// The round whose soup is in force at the log's `time`: the latest one that is published, unless it is over or one of its
    /// experts was withdrawn.
    pub fn in_force(&self, time: u64) -> Option<&Round> {
        let latest = self.rounds.iter().rev().find(|round| round.soup.is_some())?;
        let expires = latest.agreement.as_ref().and_then(|agreement| agreement.expires);
        let is_over = expires.is_some_and(|expires| time > expires) || latest.withdrawn.is_some();
        (!is_over).then_some(latest)
    }

    /// The recipe that follows from a round's agreement.
    ///
    /// # Errors
    /// [`Code::RoundWrong`] where the round has no agreement yet.
    pub fn recipe(&self, round: &Round) -> Result<Recipe, Refusal> {
        let agreement = round.agreement.as_ref().ok_or_else(|| {
            if round.is_void {
                let sentence = format!("round {} was closed without an agreement", round.number);
                return Refusal::new(Code::RoundWrong, sentence);
            }
            if round.bargain.is_some() {
                let sentence =
                    format!("round {} has no agreement yet: candidates are scored", round.number);
                return Refusal::new(Code::RoundWrong, sentence);
            }
            let missing: Vec<_> = round
                .experts
                .keys()
                .filter(|party| !round.proposals.contains_key(*party))
                .map(PartyId::as_str)
                .collect();
            let sentence = format!(
                "round {} has no agreement yet: {} must propose",
                round.number,
                missing.join(", ")
            );
            Refusal::new(Code::RoundWrong, sentence)
        })?;
        self.recipe_of(round, &agreement.lambda)
            .map_err(|error| Refusal::new(Code::RecipeMismatch, error.to_string()))
    }

    /// The recipe of any λ over a round's experts.
    ///
    /// # Errors
    /// [`RecipeError::NoExpert`] where λ gives weight to somebody who is not in the round.
    pub fn recipe_of(&self, round: &Round, lambda: &Lambda) -> Result<Recipe, RecipeError> {
        Recipe::new(self.charter.arithmetic(), self.base.digest(), lambda, |party| {
            round.experts.get(party).copied()
        })
    }

    /// Its identity, which every signature in it names.
    pub fn id(&self) -> FederationId {
        self.id
    }

    /// How many entries it has taken in.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its rules.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// The base's files.
    pub fn base(&self) -> &Manifest {
        &self.base
    }

    /// The base's file of weights.
    pub fn base_weights(&self) -> &FileEntry {
        self.base.weights().expect("found refuses a base without weights")
    }

    /// The experts in force, by party.
    pub fn experts(&self) -> &BTreeMap<PartyId, Expert> {
        &self.experts
    }

    /// The rounds in order.
    pub fn rounds(&self) -> &[Round] {
        &self.rounds
    }

    /// The log's time at its latest entry, in seconds since 1970-01-01 UTC.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Whether a party is in and not suspended.
    fn is_active(&self, party: &PartyId) -> bool {
        let member = self.members.get(&Author::Party(party.clone()));
        member.is_some_and(|member| member.suspended.is_none())
    }

    /// The domain of this federation's statements of one kind.
    pub fn domain(&self, kind: crate::entry::Kind) -> Domain {
        Domain { kind, federation: Some(self.id) }
    }

    /// BLAKE3 of the canonical state: two replays that differ are seen at once.
    pub fn digest(&self) -> Blake3 {
        Blake3::of(&self.snapshot())
    }
}

/// Compares the record with what follows from the envelope; the time that it states.
fn check_record(entry: &Entry, authentic: &Authentic) -> Result<u64, Refusal> {
    let mismatch = || Refusal::new(Code::EntryMismatch, "the record is not that of its envelope");
    let time = Record::parse(entry.record()).map_err(|_| mismatch())?.time;
    if authentic.record(time).to_bytes() == entry.record() { Ok(time) } else { Err(mismatch()) }
}

fn check_base(base: &Manifest) -> Result<(), Refusal> {
    if base.weights().is_some() {
        return Ok(());
    }
    Err(Refusal::new(Code::ManifestRefused, format!("a base holds a file called {WEIGHTS}")))
}

#[cfg(test)]
mod tests;
