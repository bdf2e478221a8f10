//! How the terms change: a new charter, by the thresholds of the old one and of itself; an expert taken back.
//!
//! After The Update Framework (§5.3, "update the root role"): version n + 1 needs the threshold of version n and its own, so that
//! neither those who leave nor those who come decide alone. A charter changes between rounds only.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::membership::check_reason;
use super::{Effect, Federation};
use crate::admission::{Code, Refusal};
use crate::charter::Charter;
use crate::entry::{Amend, Author, Endorse, Withdraw};
use crate::ids::{Blake3, PartyId};

/// A charter that is put to the vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    /// Where it was put to the vote.
    pub index: u64,
    /// By whom.
    pub by: Author,
    /// The version that it would be.
    pub version: u64,
    /// The whole new charter.
    pub charter: Charter,
    /// Who endorsed it.
    pub endorsed: BTreeSet<PartyId>,
}

/// The charter's version, and what is put to the vote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Amendments {
    /// How often the charter was amended.
    made: u64,
    /// By [`Amend::digest`]; one of each author at most.
    pending: BTreeMap<Blake3, Amendment>,
}

impl Amendments {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn refuse<T>(sentence: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(Code::AmendmentRefused, sentence))
}

impl Federation {
    /// The version of the charter in force: 1 at the founding.
    pub fn charter_version(&self) -> u64 {
        self.amendments.made + 1
    }

    /// What is put to the vote, by the digest with which it is endorsed.
    pub fn amendments(&self) -> &BTreeMap<Blake3, Amendment> {
        &self.amendments.pending
    }

    pub(super) fn check_amend(&self, amend: &Amend) -> Result<(), Refusal> {
        if self.charter.amendment().permille == 0 {
            return Err(Refusal::new(Code::NotPermitted, "the charter is fixed for good"));
        }
        let next = self.charter_version() + 1;
        if amend.version != next {
            return refuse(format!("version {} came where version {next} is next", amend.version));
        }
        if amend.charter.name() != self.charter.name() {
            return refuse(format!(
                "the federation is called {}, and stays so",
                self.charter.name()
            ));
        }
        if amend.charter.adapters().is_some() != self.charter.adapters().is_some() {
            return refuse(
                "what an expert is, adapter or full weights, stays as it was at the founding",
            );
        }
        let seed = |charter: &Charter| charter.adapters().and_then(|rules| rules.shared_a);
        if seed(&amend.charter) != seed(&self.charter) {
            return refuse("adapters.shared_a stays as it was at the founding");
        }
        if amend.charter == self.charter {
            return refuse("it is the charter in force");
        }
        if self.amendments.pending.contains_key(&amend.digest()) {
            return refuse("this charter is put to the vote already");
        }
        for (name, key) in &amend.charter.witnesses().outside {
            if self.is_of_log(key) || self.members.knows(key.id()) {
                return refuse(format!("the key of the witness {name} was in use here before"));
            }
        }
        self.check_between_rounds()
    }

    pub(super) fn check_endorse(&self, party: &PartyId, endorse: &Endorse) -> Result<(), Refusal> {
        let Some(amendment) = self.amendments.pending.get(&endorse.amendment) else {
            let sentence = format!("no charter {} is put to the vote", endorse.amendment.short());
            return refuse(sentence);
        };
        if amendment.endorsed.contains(party) {
            return refuse(format!("{party} endorsed this charter already"));
        }
        self.check_between_rounds()
    }

    fn check_between_rounds(&self) -> Result<(), Refusal> {
        match self.rounds.last() {
            Some(round) if round.soup.is_none() && !round.is_void => refuse(format!(
                "the charter changes between rounds only, and round {} is open",
                round.number
            )),
            _ => Ok(()),
        }
    }

    pub(super) fn check_withdraw(
        &self,
        party: &PartyId,
        withdraw: &Withdraw,
    ) -> Result<(), Refusal> {
        check_reason(&withdraw.reason)?;
        match self.experts.get(party) {
            Some(expert) if expert.manifest.digest() == withdraw.expert => Ok(()),
            Some(expert) => {
                let sentence = format!(
                    "the expert of {party} is {}, not {}",
                    expert.manifest.digest().short(),
                    withdraw.expert.short()
                );
                Err(Refusal::new(Code::NotFound, sentence))
            }
            None => Err(Refusal::new(Code::NotFound, format!("{party} has no expert here"))),
        }
    }

    /// The charter goes to the vote; a party that puts it there has endorsed it.
    pub(super) fn propose_amendment(
        &mut self,
        index: u64,
        by: Author,
        amend: Amend,
    ) -> Vec<Effect> {
        let digest = amend.digest();
        let Amend { version, charter } = amend;
        self.amendments.pending.retain(|_, it| it.by != by);
        let endorsed = match &by {
            Author::Operator => BTreeSet::new(),
            Author::Party(party) => BTreeSet::from([party.clone()]),
        };
        let amendment = Amendment { index, by, version, charter, endorsed };
        self.amendments.pending.insert(digest, amendment);
        let mut effects = vec![Effect::Proposed(digest)];
        effects.extend(self.amend(index, digest));
        effects
    }

    pub(super) fn endorse(&mut self, index: u64, party: PartyId, endorse: &Endorse) -> Vec<Effect> {
        let amendment = self.amendments.pending.get_mut(&endorse.amendment);
        let amendment = amendment.expect("check_endorse found the amendment");
        amendment.endorsed.insert(party.clone());
        let mut effects = vec![Effect::Endorsed(party)];
        effects.extend(self.amend(index, endorse.amendment));
        effects
    }

    /// Brings a charter into force, if enough endorse it.
    fn amend(&mut self, index: u64, digest: Blake3) -> Option<Effect> {
        let Amendment { charter, endorsed, .. } = self.amendments.pending.get(&digest)?;
        let (old, new) = (self.charter.amendment().permille, charter.amendment().permille);
        // Who makes a charter that nobody can change needs everybody.
        let new = if new == 0 { 1000 } else { new };
        if !self.endorses(&self.charter, endorsed, old) || !self.endorses(charter, endorsed, new) {
            return None;
        }
        self.charter = charter.clone();
        self.amendments = Amendments { made: self.amendments.made + 1, pending: BTreeMap::new() };
        let reason = format!("the charter has no seat for it since entry {index}");
        let seated = |party: &PartyId| self.charter.parties().contains_key(party);
        let gone = self.members.iter().filter_map(|(author, _)| match author {
            Author::Party(party) if !seated(party) => Some(party.clone()),
            _ => None,
        });
        for party in gone.collect::<Vec<_>>() {
            self.experts.remove(&party);
            self.suspend(party, Some(reason.clone()));
        }
        Some(Effect::Amended(self.charter_version()))
    }

    /// Whether `parties` hold so much of the weight of the seats that are taken. A suspended party keeps its weight, or the
    /// operator could suspend those who are against.
    fn endorses(&self, charter: &Charter, parties: &BTreeSet<PartyId>, permille: u32) -> bool {
        let taken = |party: &&PartyId| self.members.get(&Author::Party((*party).clone())).is_some();
        let weight = |party: &PartyId| u64::from(charter.weight(party));
        let all: u64 = charter.parties().keys().filter(taken).map(weight).sum();
        let with: u64 = parties.iter().map(weight).sum();
        with > 0 && u128::from(with) * 1000 >= u128::from(all) * u128::from(permille)
    }

    /// The expert is out of every round to come; a round under way that has it is void, and a soup with it no longer in force.
    pub(super) fn withdraw(&mut self, index: u64, party: PartyId) -> Vec<Effect> {
        let expert = self.experts.remove(&party).map(|expert| expert.manifest.digest());
        let mut effects = vec![Effect::Withdrawn(party.clone())];
        for round in &mut self.rounds {
            if round.experts.get(&party).copied() != expert || round.is_void {
                continue;
            }
            let share =
                round.agreement.as_ref().and_then(|it| it.lambda.ppm().get(&party).copied());
            match round.soup {
                Some(_) if share == Some(0) => {}
                Some(_) => round.withdrawn = round.withdrawn.or(Some(index)),
                None => {
                    round.withdrawn = Some(index);
                    effects.extend(round.void());
                }
            }
        }
        effects
    }
}
