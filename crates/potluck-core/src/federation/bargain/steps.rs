//! How a bargain goes on: each step is taken when everybody has spoken, or when its time is over and somebody says so.

use std::collections::BTreeMap;

use super::{Bargaining, Batch, Deal, NoDeal, Outcome, Purpose};
use crate::charter::{BargainRules, Charter, Fallback, NoShow};
use crate::entry::Ballot;
use crate::federation::round::Round;
use crate::federation::{Agreement, Effect};
use crate::ids::{Blake3, PartyId};
use crate::lambda::Lambda;

/// What comes after a step.
enum Next {
    /// Another wait has begun.
    Wait,
    /// There is an end.
    End(Deal, Lambda),
    /// There is none.
    NoDeal(NoDeal),
    /// The charter makes the round void.
    Void,
}

impl Round {
    pub(in crate::federation) fn nominate(
        &mut self,
        charter: &Charter,
        party: PartyId,
        lambda: Option<Lambda>,
        time: u64,
    ) -> Vec<Effect> {
        let mut effects = vec![Effect::Nominated(party.clone())];
        effects.extend(self.advance(charter, time, |bargain, rules| {
            let nominations = bargain.nominations.get_or_insert_default();
            nominations.insert(party, lambda);
            let count = nominations.values().flatten().count();
            count >= rules.nominations as usize || bargain.missing().is_empty()
        }));
        effects
    }

    pub(in crate::federation) fn commit_scores(
        &mut self,
        charter: &Charter,
        party: PartyId,
        commitment: Blake3,
        time: u64,
    ) -> Vec<Effect> {
        let mut effects = vec![Effect::Committed(party.clone())];
        effects.extend(self.advance(charter, time, |bargain, _| {
            if let Some(batch) = bargain.batches.last_mut() {
                batch.commitments.insert(party, commitment);
            }
            bargain.missing().is_empty()
        }));
        effects
    }

    pub(in crate::federation) fn reveal_scores(
        &mut self,
        charter: &Charter,
        party: PartyId,
        ballot: Ballot,
        time: u64,
    ) -> Vec<Effect> {
        let mut effects = vec![Effect::Scored(party.clone())];
        effects.extend(self.advance(charter, time, |bargain, _| {
            if let Some(batch) = bargain.batches.last_mut() {
                batch.ballots.insert(party, ballot);
            }
            bargain.missing().is_empty()
        }));
        effects
    }

    /// Goes on without those for whom it waited.
    pub(in crate::federation) fn close_step(
        &mut self,
        charter: &Charter,
        time: u64,
    ) -> Vec<Effect> {
        self.advance(charter, time, |_, _| true)
    }

    /// Takes a step where `is_over` says so after its change.
    fn advance(
        &mut self,
        charter: &Charter,
        time: u64,
        is_over: impl FnOnce(&mut Bargaining, &BargainRules) -> bool,
    ) -> Vec<Effect> {
        let (Some(bargain), Some(rules)) = (&mut self.bargain, charter.bargain()) else {
            return Vec::new();
        };
        if !is_over(bargain, rules) {
            return Vec::new();
        }
        let quorum = charter.rounds().quorum_permille;
        let all = self.experts.keys().map(|party| u64::from(charter.weight(party))).sum();
        match bargain.step(charter, rules, (quorum, all), time) {
            Next::Wait => vec![Effect::Waiting],
            Next::End(deal, lambda) => self.agree(charter, lambda, Some(deal), time),
            Next::NoDeal(why) => self.fall_back(charter, why, time),
            Next::Void => self.void(),
        }
    }

    /// What holds without a deal.
    pub(in crate::federation) fn fall_back(
        &mut self,
        charter: &Charter,
        why: NoDeal,
        time: u64,
    ) -> Vec<Effect> {
        let (Some(bargain), Some(rules)) = (&self.bargain, charter.bargain()) else {
            return self.void();
        };
        if rules.fallback == Fallback::Nothing {
            return self.void();
        }
        let lambda = bargain.entitlement.clone();
        let gains = bargain.number(&lambda).map(|number| bargain.gains(number));
        let choice = bargain.rank(charter, rules, (&bargain.scored(), false), 0);
        let deal = Deal {
            rule: rules.rule,
            outcome: Outcome::Fallback(why),
            gains_ppm: gains.unwrap_or_default(),
            excluded: choice.excluded,
        };
        self.agree(charter, lambda, Some(deal), time)
    }

    /// The round has its λ.
    pub(in crate::federation) fn agree(
        &mut self,
        charter: &Charter,
        lambda: Lambda,
        deal: Option<Deal>,
        time: u64,
    ) -> Vec<Effect> {
        let rules = charter.agreement();
        let expires = (rules.valid_seconds > 0).then(|| time.saturating_add(rules.valid_seconds));
        let agreement =
            Agreement { round: self.number, rule: charter.rule(), lambda, deal, expires };
        self.agreement = Some(agreement.clone());
        self.decided = (rules.ratify_seconds > 0).then_some(time);
        vec![Effect::Agreed(agreement)]
    }

    /// The round has none, and will have none.
    pub(in crate::federation) fn void(&mut self) -> Vec<Effect> {
        self.agreement = None;
        self.is_void = true;
        vec![Effect::Voided(self.number)]
    }
}

impl Bargaining {
    /// What comes after the present wait; `quorum` is in thousandths of all weight.
    fn step(
        &mut self,
        charter: &Charter,
        rules: &BargainRules,
        (quorum, all): (u32, u64),
        time: u64,
    ) -> Next {
        self.since = time;
        if let Some(nominations) = self.nominations.take() {
            return self.take_in(charter, rules, nominations);
        }
        let Some(batch) = self.batches.last_mut() else { return Next::NoDeal(NoDeal::NoCandidate) };
        if !batch.is_bound && !batch.commitments.is_empty() {
            batch.is_bound = true;
            return Next::Wait;
        }
        let purpose = batch.purpose;
        let heard: Vec<_> = batch.ballots.keys().cloned().collect();
        let is_missing = heard.len() < self.heard.len();
        self.heard = heard.into_iter().collect();
        if is_missing && rules.on_no_reveal == NoShow::Void {
            return Next::Void;
        }
        let weight: u64 = self.heard.iter().map(|party| u64::from(charter.weight(party))).sum();
        if self.heard.is_empty() || u128::from(weight) * 1000 < u128::from(all) * u128::from(quorum)
        {
            return Next::NoDeal(NoDeal::NoQuorum);
        }
        let nominated =
            self.batches.iter().filter(|batch| batch.purpose == Purpose::Nominated).count();
        match purpose {
            Purpose::Finalists => self.decide(charter, rules, true),
            _ if nominated < rules.batches as usize => {
                self.nominations = Some(BTreeMap::new());
                Next::Wait
            }
            _ => self.finals(charter, rules),
        }
    }

    /// Makes a batch of what was nominated; where nothing was, there is nothing more to try.
    fn take_in(
        &mut self,
        charter: &Charter,
        rules: &BargainRules,
        nominations: BTreeMap<PartyId, Option<Lambda>>,
    ) -> Next {
        let first = self.candidates.len();
        self.candidates.extend(nominations.into_values().flatten());
        if self.candidates.len() == first {
            return self.finals(charter, rules);
        }
        let batch = Batch::new(Purpose::Nominated, (first..self.candidates.len()).collect());
        self.batches.push(batch);
        Next::Wait
    }

    /// Lets the best be scored once more, where the charter wants that.
    fn finals(&mut self, charter: &Charter, rules: &BargainRules) -> Next {
        if rules.finalists == 0 {
            return self.decide(charter, rules, false);
        }
        let scored = self.scored();
        let best = self.rank(charter, rules, (&scored, false), rules.finalists as usize).ranked;
        if best.is_empty() {
            return Next::NoDeal(NoDeal::NoCandidate);
        }
        self.batches.push(Batch::new(Purpose::Finalists, best));
        Next::Wait
    }

    fn decide(&self, charter: &Charter, rules: &BargainRules, of_finalists: bool) -> Next {
        let scored = self.scored();
        let finalists = self.batches.last().map(|batch| batch.candidates.clone());
        let numbers = if of_finalists { finalists.unwrap_or_default() } else { scored.clone() };
        let choice = self.rank(charter, rules, (&numbers, of_finalists), 2);
        let mut excluded = choice.excluded;
        if of_finalists {
            // Why the others did not come so far.
            let before = self.rank(charter, rules, (&scored, false), 0).excluded;
            excluded.extend(before.into_iter().filter(|it| !numbers.contains(&it.candidate)));
            excluded.sort_by_key(|it| it.candidate);
        }
        let winner = choice.ranked.first().copied();
        let Some((candidate, lambda)) =
            winner.and_then(|it| self.candidates.get(it).map(|lambda| (it, lambda.clone())))
        else {
            return Next::NoDeal(NoDeal::NoCandidate);
        };
        let outcome = Outcome::Chosen { candidate, runner_up: choice.ranked.get(1).copied() };
        let gains_ppm = self.gains(candidate);
        Next::End(Deal { rule: rules.rule, outcome, gains_ppm, excluded }, lambda)
    }
}
