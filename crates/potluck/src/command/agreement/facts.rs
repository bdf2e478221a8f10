//! What the documents of an agreement speak of.

use std::collections::BTreeMap;

use potluck_core::entry::Stance;
pub(super) use potluck_core::federation::Holding as Standing;
use potluck_core::federation::bargain::{Bargaining, Deal, NoDeal, Outcome, Purpose, Reason};
use potluck_core::federation::{Agreement, Round};
use potluck_core::{Charter, Federation, PartyId};

use super::words::share;
use crate::command::chronicle::Told;

/// One agreement, in its ledger.
pub(super) struct Facts<'a> {
    /// The ledger's outcome.
    pub(super) federation: &'a Federation,
    /// What the state does not say of the round any more.
    pub(super) told: &'a Told,
    /// The round.
    pub(super) round: &'a Round,
    /// Its agreement.
    pub(super) agreement: &'a Agreement,
    /// The ledger's entries.
    pub(super) size: u64,
    /// The root over them.
    pub(super) root: String,
    /// By what the log is judged.
    pub(super) log_key: String,
    /// The aggregator's address, where it was read from there.
    pub(super) address: Option<String>,
    /// The soup's licence, where whoever writes the documents knows it.
    pub(super) license: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// The charter by which the round went.
    pub(super) fn charter(&self) -> &'a Charter {
        &self.told.charter
    }

    /// The bargain and how it ended, where there was one.
    pub(super) fn bargain(&self) -> Option<(&'a Bargaining, &'a Deal)> {
        Some((self.round.bargain.as_ref()?, self.agreement.deal.as_ref()?))
    }

    /// Whether it holds, by the ledger's last entry.
    pub(super) fn standing(&self) -> Standing {
        let time = self.federation.time();
        self.federation.holding(self.round, self.agreement, self.charter(), time)
    }

    /// λ in words.
    pub(super) fn headline(&self) -> String {
        let shares = self.agreement.lambda.ppm().iter();
        let shares: Vec<_> =
            shares.map(|(party, ppm)| format!("{party} {}", share(*ppm))).collect();
        shares.join(", ")
    }

    /// The candidate that was chosen before anybody ratified, with the runner-up, whatever became of it.
    pub(super) fn chosen(&self) -> Option<(usize, Option<usize>)> {
        let deals = self.told.agreements.iter().filter_map(|(_, it)| it.deal.as_ref());
        deals.rev().find_map(|deal| match deal.outcome {
            Outcome::Chosen { candidate, runner_up } => Some((candidate, runner_up)),
            Outcome::Fallback(_) => None,
        })
    }

    /// Why λ₀ holds, where it does for want of a deal.
    pub(super) fn no_deal(&self) -> Option<NoDeal> {
        match self.agreement.deal.as_ref()?.outcome {
            Outcome::Fallback(why) => Some(why),
            Outcome::Chosen { .. } => None,
        }
    }

    /// How many candidates are out, for each reason.
    pub(super) fn excluded(&self) -> Vec<(Reason, usize)> {
        let order = [
            Reason::NoGain,
            Reason::NotAccepted,
            Reason::BelowFloor,
            Reason::AboveCap,
            Reason::Struck,
        ];
        let deal = self.agreement.deal.as_ref();
        let of = |reason| {
            deal.map_or(0, |deal| deal.excluded.iter().filter(|it| it.reason == reason).count())
        };
        order.map(|reason| (reason, of(reason))).into_iter().filter(|(_, n)| *n > 0).collect()
    }

    /// The candidate that a party likes best, and what it gives it, by the first scores.
    pub(super) fn best(&self, party: &PartyId) -> Option<(usize, i64)> {
        let bargain = self.round.bargain.as_ref()?;
        let gains = (0..bargain.candidates.len())
            .filter_map(|it| Some((it, *bargain.first_gains(it).get(party)?)));
        // Of equals the first.
        gains.fold(None, |best, it| match best {
            Some((_, most)) if most >= it.1 => best,
            _ => Some(it),
        })
    }

    /// What λ gives each party by the first scores, which compare with those of every other candidate.
    pub(super) fn first_gains(&self) -> BTreeMap<PartyId, i64> {
        let bargain = self.round.bargain.as_ref();
        let number = bargain.and_then(|it| Some((it, it.number(&self.agreement.lambda)?)));
        number.map(|(bargain, number)| bargain.first_gains(number)).unwrap_or_default()
    }

    /// What λ gives each party that was heard.
    pub(super) fn gains(&self) -> BTreeMap<PartyId, i64> {
        self.agreement.deal.as_ref().map(|deal| deal.gains_ppm.clone()).unwrap_or_default()
    }

    /// The latest word of each party on this agreement.
    pub(super) fn stance(&self, party: &PartyId) -> Option<Stance> {
        let digest = self.agreement.digest();
        let said = self.told.stood.iter().rev();
        let mut said = said.filter(|(_, it, said)| it == party && said.agreement == digest);
        said.next().map(|(_, _, said)| said.stance)
    }

    /// Who was heard when the finalists were chosen: whoever showed scores in every batch before theirs.
    pub(super) fn heard_first(&self, bargain: &Bargaining) -> Vec<PartyId> {
        let before = || bargain.batches.iter().filter(|it| it.purpose != Purpose::Finalists);
        let parties = self.round.experts.keys();
        let heard = |party: &&PartyId| before().all(|batch| batch.ballots.contains_key(*party));
        parties.filter(heard).cloned().collect()
    }
}
