//! A round, from its opening to its agreement, or to none.
//!
//! ```text
//!  open_round ─▶ commit*  ─ all have, or the deadline ─▶ reveal* ─ all have ─────────────▶ agreed ─▶ publish
//!                (sealed rounds only)                       └─ the deadline ─ close_round ─▶ agreed, or void
//! ```
//!
//! Time is the log's, as each record states it. Who is late, or commits and then shows nothing, is left out of the
//! decision, in which it could have gained nothing by that; its expert stays in the round. Where the charter has a bargain,
//! what follows from the proposals is the fallback, and candidates come next ([`super::bargain`]). An agreement that the
//! charter wants ratified waits for that ([`super::ratify`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bargain::Bargaining;
use super::ratify::Said;
use super::{Agreement, Effect, Federation, Soup, agree};
use crate::admission::{Code, Refusal};
use crate::charter::Charter;
use crate::entry::{CloseRound, Commit, OpenRound, Reveal, commitment};
use crate::ids::{Blake3, PartyId};
use crate::lambda::Lambda;

/// One negotiation of λ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round {
    /// Counts from 1.
    pub number: u64,
    /// The manifest of each party's expert when the round was opened.
    pub experts: BTreeMap<PartyId, Blake3>,
    /// What the parties proposed.
    pub proposals: BTreeMap<PartyId, Lambda>,
    /// What follows, once every party of the round has proposed, or the round was closed.
    pub agreement: Option<Agreement>,
    /// The soup, once it is published.
    pub soup: Option<Soup>,
    /// The log's time when it was opened, where the charter sets deadlines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<u64>,
    /// What the parties are bound to, where rounds are sealed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub commitments: BTreeMap<PartyId, Blake3>,
    /// Whether it was closed without an agreement.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_void: bool,
    /// The candidates and what was said of them, where λ is bargained for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bargain: Option<Bargaining>,
    /// How the parties stand to the agreement.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stances: BTreeMap<PartyId, Said>,
    /// The log's time of the agreement, where there is a deadline for ratification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<u64>,
    /// The entry by which one of its experts was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<u64>,
}

/// What a round is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Commitments.
    Commit,
    /// Proposals.
    Reveal,
    /// Nominations of candidates.
    Nominate,
    /// Commitments to scores.
    Score,
    /// Scores.
    Show,
    /// Ratifications.
    Ratify,
    /// Somebody who closes it: the deadline is over.
    Close,
    /// The operator, who publishes the soup.
    Publish,
    /// Nothing: there is a soup, or there will be none.
    Over,
}

impl Round {
    fn new(number: u64, experts: BTreeMap<PartyId, Blake3>, opened: Option<u64>) -> Self {
        Self {
            number,
            experts,
            proposals: BTreeMap::new(),
            agreement: None,
            soup: None,
            opened,
            commitments: BTreeMap::new(),
            is_void: false,
            bargain: None,
            stances: BTreeMap::new(),
            decided: None,
            withdrawn: None,
        }
    }

    /// What it is waiting for at the log's `time`.
    pub fn phase(&self, charter: &Charter, time: u64) -> Phase {
        let rules = charter.rounds();
        let is_past = |end: Option<u64>| end.is_some_and(|end| time > end);
        let opened = self.opened.unwrap_or(0);
        if self.soup.is_some() || self.is_void {
            Phase::Over
        } else if self.is_unratified(charter) {
            if is_past(self.ratifications_end(charter)) { Phase::Close } else { Phase::Ratify }
        } else if self.agreement.is_some() {
            Phase::Publish
        } else if let (Some(bargain), Some(rules)) = (&self.bargain, charter.bargain()) {
            bargain.phase(rules, time)
        } else if is_past(rules.reveals_end(opened)) {
            Phase::Close
        } else if rules.sealed
            && !self.commitments.keys().eq(self.experts.keys())
            && !is_past(rules.commits_end(opened))
        {
            Phase::Commit
        } else {
            Phase::Reveal
        }
    }

    /// How it stands at the log's `time`, in one word for programs.
    pub fn state(&self, charter: &Charter, time: u64) -> &'static str {
        match self.phase(charter, time) {
            Phase::Commit => "committing",
            Phase::Reveal => "open",
            Phase::Nominate => "nominating",
            Phase::Score => "scoring",
            Phase::Show => "showing",
            Phase::Ratify => "ratifying",
            Phase::Close => "late",
            Phase::Publish => "agreed",
            Phase::Over if self.is_void => "void",
            Phase::Over => "published",
        }
    }

    /// The log's time after which nobody can ratify any more; nothing without a deadline.
    pub fn ratifications_end(&self, charter: &Charter) -> Option<u64> {
        self.decided.map(|it| it.saturating_add(charter.agreement().ratify_seconds))
    }

    /// The log's time after which it no longer takes what it waits for; nothing without a deadline.
    pub fn ends(&self, charter: &Charter) -> Option<u64> {
        let (rules, opened) = (charter.rounds(), self.opened.unwrap_or(0));
        match (&self.agreement, &self.bargain, charter.bargain()) {
            (Some(_), ..) => self.ratifications_end(charter),
            (None, Some(bargain), Some(bargain_rules)) => bargain.ends(bargain_rules),
            // Commitments end before proposals do; with all of them in, it is the proposals' end that counts.
            _ if rules.sealed && !self.commitments.keys().eq(self.experts.keys()) => {
                rules.commits_end(opened)
            }
            _ => rules.reveals_end(opened),
        }
    }

    /// For whom it waits: whose proposals, commitments, nominations, scores or ratifications.
    pub fn missing(&self, charter: &Charter, time: u64) -> Vec<&PartyId> {
        let is_sealed = charter.rounds().sealed;
        let phase = self.phase(charter, time);
        if let Phase::Nominate | Phase::Score | Phase::Show = phase {
            return self.bargain.iter().flat_map(Bargaining::missing).collect();
        }
        if phase == Phase::Ratify {
            return self.silent();
        }
        let due = |party: &&PartyId| match phase {
            Phase::Commit => !self.commitments.contains_key(*party),
            Phase::Reveal => {
                let may = !is_sealed || self.commitments.contains_key(*party);
                may && !self.proposals.contains_key(*party)
            }
            _ => false,
        };
        self.experts.keys().filter(due).collect()
    }

    /// Whether nobody who may still propose has not.
    fn is_complete(&self, is_sealed: bool) -> bool {
        match is_sealed {
            true => self.proposals.keys().eq(self.commitments.keys()),
            false => self.proposals.keys().eq(self.experts.keys()),
        }
    }

    /// Whether as much weight proposed as the charter asks for.
    fn has_quorum(&self, charter: &Charter) -> bool {
        let weight = |party: &PartyId| u64::from(charter.weight(party));
        let all: u64 = self.experts.keys().map(weight).sum();
        let proposed: u64 = self.proposals.keys().map(weight).sum();
        u128::from(proposed) * 1000
            >= u128::from(all) * u128::from(charter.rounds().quorum_permille)
    }
}

impl Federation {
    pub(super) fn check_open(&self, open: &OpenRound) -> Result<(), Refusal> {
        let next = self.rounds.len() as u64 + 1;
        if open.round != next {
            return wrong(format!("round {} came where round {next} is next", open.round));
        }
        if self.rounds.last().is_some_and(|round| round.soup.is_none() && !round.is_void) {
            return wrong(format!("round {} is still open", next - 1));
        }
        if !self.experts.keys().any(|party| self.is_active(party)) {
            return wrong("no active party has submitted an expert yet".to_owned());
        }
        Ok(())
    }

    pub(super) fn check_commit(
        &self,
        party: &PartyId,
        commit: &Commit,
        time: u64,
    ) -> Result<(), Refusal> {
        let round = self.current(commit.round)?;
        if !self.charter.rounds().sealed {
            return wrong("the charter has open proposals: nothing is committed to".to_owned());
        }
        if !round.experts.contains_key(party) {
            return wrong(format!("{party} has no expert in round {}", round.number));
        }
        if round.commitments.contains_key(party) {
            return wrong(format!("{party} is committed in round {} already", round.number));
        }
        match round.phase(&self.charter, time) {
            Phase::Commit => Ok(()),
            Phase::Reveal | Phase::Close if round.bargain.is_none() => late(round, "commitments"),
            _ => decided(round),
        }
    }

    pub(super) fn check_reveal(
        &self,
        party: &PartyId,
        reveal: &Reveal,
        time: u64,
    ) -> Result<(), Refusal> {
        let round = self.current(reveal.round)?;
        match round.phase(&self.charter, time) {
            Phase::Reveal => {}
            Phase::Commit => {
                let missing = round.missing(&self.charter, time);
                let missing: Vec<_> = missing.into_iter().map(PartyId::as_str).collect();
                let sentence = format!(
                    "proposals of round {} are shown once all are committed, or the time for that is over: {} can still \
                     commit",
                    round.number,
                    missing.join(", ")
                );
                return Err(Refusal::new(Code::RoundEarly, sentence));
            }
            Phase::Close if round.bargain.is_none() => return late(round, "proposals"),
            _ => return decided(round),
        }
        if !round.experts.contains_key(party) || round.proposals.contains_key(party) {
            let sentence =
                format!("{party} has no expert in round {} or proposed already", round.number);
            return wrong(sentence);
        }
        self.check_opens(party, round, reveal)?;
        self.check_proposal(round, &reveal.lambda)
    }

    /// That λ is over exactly the round's parties, and below nobody's floor. Whoever commits to one asks first: when it is
    /// shown, it is too late to choose another.
    ///
    /// # Errors
    /// [`Code::LambdaRefused`].
    pub fn check_proposal(&self, round: &Round, lambda: &Lambda) -> Result<(), Refusal> {
        if !lambda.ppm().keys().eq(round.experts.keys()) {
            let parties: Vec<_> = round.experts.keys().map(PartyId::as_str).collect();
            let sentence =
                format!("λ must name exactly the round's parties: {}", parties.join(", "));
            return Err(Refusal::new(Code::LambdaRefused, sentence));
        }
        let below = |(party, share): &(&PartyId, &u32)| **share < self.charter.floor(party);
        match lambda.ppm().iter().find(below) {
            Some((party, share)) => {
                let floor = self.charter.floor(party);
                let sentence = format!(
                    "λ gives {party} {share} ppm, below its floor of {floor} ppm in the charter"
                );
                Err(Refusal::new(Code::LambdaRefused, sentence))
            }
            None => Ok(()),
        }
    }

    /// That a proposal is what its party committed to, where it had to.
    fn check_opens(&self, party: &PartyId, round: &Round, reveal: &Reveal) -> Result<(), Refusal> {
        match (self.charter.rounds().sealed, reveal.nonce, round.commitments.get(party)) {
            (false, None, _) => Ok(()),
            (false, Some(_), _) => {
                let sentence = "the charter has open proposals: a proposal has no nonce";
                Err(Refusal::new(Code::StatementMalformed, sentence))
            }
            (true, _, None) => {
                let sentence = format!("{party} committed to nothing in round {}", round.number);
                Err(Refusal::new(Code::CommitmentMismatch, sentence))
            }
            (true, Some(nonce), Some(bound))
                if commitment(self.id, round.number, party, &nonce, &reveal.lambda) == *bound =>
            {
                Ok(())
            }
            (true, _, Some(bound)) => {
                let sentence = format!(
                    "the proposal and its nonce are not what {party} committed to, {}",
                    bound.short()
                );
                Err(Refusal::new(Code::CommitmentMismatch, sentence))
            }
        }
    }

    pub(super) fn check_close(&self, close: &CloseRound, time: u64) -> Result<(), Refusal> {
        let round = self.current(close.round)?;
        match round.phase(&self.charter, time) {
            Phase::Close => Ok(()),
            Phase::Publish | Phase::Over => decided(round),
            Phase::Commit | Phase::Reveal => {
                let end = self.charter.rounds().reveals_end(round.opened.unwrap_or(0));
                early(round, end, time)
            }
            Phase::Nominate | Phase::Score | Phase::Show | Phase::Ratify => {
                early(round, round.ends(&self.charter), time)
            }
        }
    }

    /// The round called `number`, if it is the latest.
    pub(super) fn current(&self, number: u64) -> Result<&Round, Refusal> {
        self.rounds.last().filter(|round| round.number == number).ok_or_else(|| {
            let sentence = match self.rounds.last() {
                Some(last) => format!("round {number} is not the current one, {} is", last.number),
                None => "no round has been opened yet".to_owned(),
            };
            Refusal::new(Code::RoundWrong, sentence)
        })
    }

    pub(super) fn open(&mut self, number: u64, time: u64) -> Vec<Effect> {
        let experts = self.experts.iter().filter(|(party, _)| self.is_active(party));
        let experts = experts.map(|(party, expert)| (party.clone(), expert.manifest.digest()));
        let opened = (self.charter.rounds().reveal_seconds > 0).then_some(time);
        self.rounds.push(Round::new(number, experts.collect(), opened));
        vec![Effect::Opened(number)]
    }

    pub(super) fn commit(&mut self, party: PartyId, commitment: Blake3) -> Vec<Effect> {
        let round = self.rounds.last_mut().expect("check_commit found the round");
        round.commitments.insert(party.clone(), commitment);
        vec![Effect::Committed(party)]
    }

    pub(super) fn reveal(&mut self, party: PartyId, lambda: Lambda, time: u64) -> Vec<Effect> {
        let Self { charter, rounds, .. } = self;
        let round = rounds.last_mut().expect("check_reveal found the round");
        round.proposals.insert(party.clone(), lambda);
        let mut effects = vec![Effect::Revealed(party)];
        if round.is_complete(charter.rounds().sealed) && round.has_quorum(charter) {
            effects.extend(round.entitle(charter, time));
        }
        effects
    }

    pub(super) fn close(&mut self, time: u64) -> Vec<Effect> {
        let Self { charter, rounds, .. } = self;
        let round = rounds.last_mut().expect("check_close found the round");
        if round.agreement.is_some() {
            round.fail_to_ratify(charter, time)
        } else if round.bargain.is_some() {
            round.close_step(charter, time)
        } else if round.has_quorum(charter) {
            round.entitle(charter, time)
        } else {
            round.void()
        }
    }
}

impl Round {
    /// The proposals are in: what follows from them is the agreement, or what the parties bargain against.
    fn entitle(&mut self, charter: &Charter, time: u64) -> Vec<Effect> {
        let Some(lambda) = agree::entitlement(charter, self) else { return self.void() };
        if charter.bargain().is_some() && self.experts.len() > 1 {
            self.bargain = Some(Bargaining::new(charter, &self.experts, lambda, time));
            return vec![Effect::Waiting];
        }
        self.agree(charter, lambda, None, time)
    }
}

fn early<T>(round: &Round, end: Option<u64>, time: u64) -> Result<T, Refusal> {
    let sentence = match end {
        Some(end) => format!(
            "round {} waits for {} seconds more",
            round.number,
            end.saturating_sub(time).saturating_add(1)
        ),
        None => "the charter sets no deadline: a round waits for everybody".to_owned(),
    };
    Err(Refusal::new(Code::RoundEarly, sentence))
}

pub(super) fn wrong<T>(sentence: String) -> Result<T, Refusal> {
    Err(Refusal::new(Code::RoundWrong, sentence))
}

pub(super) fn late<T>(round: &Round, what: &str) -> Result<T, Refusal> {
    let sentence = format!("the time for {what} of round {} is over", round.number);
    Err(Refusal::new(Code::RoundLate, sentence))
}

pub(super) fn decided<T>(round: &Round) -> Result<T, Refusal> {
    wrong(match round.is_void {
        true => format!("round {} was closed without an agreement", round.number),
        false if round.agreement.is_none() => {
            format!("round {} has its proposals, and looks at candidates", round.number)
        }
        false => format!("round {} has its agreement already", round.number),
    })
}

fn is_false(it: &bool) -> bool {
    !*it
}
