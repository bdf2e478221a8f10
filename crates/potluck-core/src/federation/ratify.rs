//! How the parties stand to an agreement. Dissent is recorded with its reason, and never dropped.

use serde::{Deserialize, Serialize};

use super::bargain::NoDeal;
use super::membership::check_reason;
use super::round::{Round, wrong};
use super::{Agreement, Effect, Federation, Phase};
use crate::admission::Refusal;
use crate::charter::Charter;
use crate::entry::{Ratify, Stance};
use crate::ids::{Blake3, PartyId};

/// What one party said of an agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Where it said it.
    pub index: u64,
    /// Of which agreement: one that was not ratified may have been replaced since.
    pub agreement: Blake3,
    /// How it stands to it.
    pub stance: Stance,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Round {
    /// Whether its agreement still needs ratifications.
    ///
    /// λ₀ needs none where it holds for want of a deal: to that the parties agreed in the charter.
    pub fn is_unratified(&self, charter: &Charter) -> bool {
        let Some(agreement) = self.agreement.as_ref().filter(|it| !it.is_fallback()) else {
            return false;
        };
        !self.is_enough(charter, agreement, |stance| stance == Some(Stance::Ratify))
    }

    /// Whether enough could still ratify.
    fn could_be_ratified(&self, charter: &Charter, agreement: &Agreement) -> bool {
        self.is_enough(charter, agreement, |stance| stance.is_none_or(|it| it == Stance::Ratify))
    }

    /// Whether the parties whose stance to `agreement` counts hold as much weight as ratification takes.
    fn is_enough(
        &self,
        charter: &Charter,
        agreement: &Agreement,
        counts: impl Fn(Option<Stance>) -> bool,
    ) -> bool {
        let digest = agreement.digest();
        let stance = |party: &PartyId| {
            self.stances.get(party).filter(|said| said.agreement == digest).map(|said| said.stance)
        };
        let weight = |party: &PartyId| u64::from(charter.weight(party));
        let all: u64 = self.experts.keys().map(weight).sum();
        let counted = self.experts.keys().filter(|party| counts(stance(party)));
        let counted: u64 = counted.map(weight).sum();
        let needed = u128::from(all) * u128::from(charter.agreement().ratify_permille);
        u128::from(counted) * 1000 >= needed
    }

    /// Who has not said how it stands to the agreement.
    pub(super) fn silent(&self) -> Vec<&PartyId> {
        let digest = self.agreement.as_ref().map(Agreement::digest);
        let has_spoken = |party: &&PartyId| {
            self.stances.get(*party).is_some_and(|said| Some(said.agreement) == digest)
        };
        self.experts.keys().filter(|party| !has_spoken(party)).collect()
    }

    pub(super) fn stand(
        &mut self,
        charter: &Charter,
        (index, time): (u64, u64),
        party: PartyId,
        ratify: Ratify,
    ) -> Vec<Effect> {
        let Ratify { round: _, agreement, stance, reason } = ratify;
        self.stances.insert(party.clone(), Said { index, agreement, stance, reason });
        let mut effects = vec![Effect::Stood(party, stance)];
        let agreement = self.agreement.clone().filter(|_| self.soup.is_none());
        if let Some(agreement) = agreement
            && !agreement.is_fallback()
            && !self.could_be_ratified(charter, &agreement)
        {
            effects.extend(self.fail_to_ratify(charter, time));
        }
        effects
    }

    /// The agreement does not come into force: what holds without a deal does, where there is such a thing.
    pub(super) fn fail_to_ratify(&mut self, charter: &Charter, time: u64) -> Vec<Effect> {
        self.fall_back(charter, NoDeal::NotRatified, time)
    }
}

impl Federation {
    pub(super) fn check_ratify(
        &self,
        party: &PartyId,
        ratify: &Ratify,
        time: u64,
    ) -> Result<(), Refusal> {
        let round = self.current(ratify.round)?;
        let Some(agreement) = &round.agreement else {
            return wrong(format!("round {} has no agreement", round.number));
        };
        if !round.experts.contains_key(party) {
            return wrong(format!("{party} has no expert in round {}", round.number));
        }
        if ratify.agreement != agreement.digest() {
            return wrong(format!(
                "{party} speaks of another agreement than that of round {}, which is {}",
                round.number,
                agreement.digest().short()
            ));
        }
        let spoken = round.stances.get(party).filter(|said| said.agreement == ratify.agreement);
        // Who ratified, or let it pass, may come to object; nothing else is taken back.
        if spoken
            .is_some_and(|said| ratify.stance != Stance::Dissent || said.stance == Stance::Dissent)
        {
            return wrong(format!("{party} has said how it stands to this agreement"));
        }
        if ratify.stance == Stance::Ratify && round.phase(&self.charter, time) == Phase::Close {
            return super::round::late(round, "ratifications");
        }
        match ratify.stance {
            Stance::Dissent => check_reason(&ratify.reason),
            _ if ratify.reason.is_empty() => Ok(()),
            _ => check_reason(&ratify.reason),
        }
    }
}
