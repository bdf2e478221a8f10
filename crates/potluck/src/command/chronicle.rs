//! What a round was like, for whoever tells of it later: what the state no longer says when the ledger is through.
//!
//! A charter may have been amended since, an agreement that nobody ratified has made room for another, and who objected to the
//! first may have let the second pass. All of that is noted while the entries go by.

use std::collections::BTreeMap;
use std::sync::Arc;

use potluck_core::federation::{Agreement, Effect, Expert, Round, Said};
use potluck_core::{Body, Charter, Federation, PartyId, Statement};

use crate::failure::Failure;
use crate::ledger::Line;

/// Where something stands in the ledger, and when the log took it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Counted from 0.
    pub(super) index: u64,
    /// As the log states it.
    pub(super) time: u64,
}

/// What is told of one round beside its state.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// Its number.
    pub(super) number: u64,
    /// The charter by which it went: no charter changes while a round is open.
    pub(super) charter: Arc<Charter>,
    /// That charter's version.
    pub(super) version: u64,
    /// Where it was opened.
    pub(super) opened: Place,
    /// The experts that it was opened over.
    pub(super) experts: BTreeMap<PartyId, Expert>,
    /// Its agreements: the last one holds, earlier ones were not ratified.
    pub(super) agreements: Vec<(Place, Agreement)>,
    /// All that was said of them, in order.
    pub(super) stood: Vec<(Place, PartyId, Said)>,
    /// Where its soup was published.
    pub(super) published: Option<Place>,
    /// Who took an expert of it back, and why.
    pub(super) withdrawn: Vec<(Place, PartyId, String)>,
}

/// Every round of a ledger.
#[derive(Debug, Clone, Default)]
pub(super) struct Chronicle {
    rounds: Vec<Told>,
    charter: Option<(u64, Arc<Charter>)>,
}

impl Chronicle {
    /// Takes an entry down.
    pub(super) fn note(&mut self, line: &Line<'_>) {
        let place = Place { index: line.index, time: line.record.time };
        for effect in line.effects {
            match effect {
                Effect::Opened(_) => self.opened(place, line.federation),
                Effect::Agreed(agreement) => {
                    self.latest(|told| told.agreements.push((place, agreement.clone())));
                }
                Effect::Stood(party, _) => {
                    let round = line.federation.rounds().last();
                    if let Some(said) = round.and_then(|round| round.stances.get(party)) {
                        let said = (place, party.clone(), said.clone());
                        self.latest(|told| told.stood.push(said));
                    }
                }
                Effect::Published(_) => self.latest(|told| told.published = Some(place)),
                Effect::Withdrawn(party) => self.withdrawn(place, party, line),
                _ => {}
            }
        }
    }

    fn latest(&mut self, change: impl FnOnce(&mut Told)) {
        if let Some(told) = self.rounds.last_mut() {
            change(told);
        }
    }

    fn opened(&mut self, opened: Place, federation: &Federation) {
        let Some(round) = federation.rounds().last() else { return };
        let version = federation.charter_version();
        let known = self.charter.take().filter(|(it, _)| *it == version);
        let (_, charter) =
            known.unwrap_or_else(|| (version, Arc::new(federation.charter().clone())));
        self.charter = Some((version, Arc::clone(&charter)));
        let experts = federation.experts().iter();
        let experts = experts.filter(|(party, _)| round.experts.contains_key(*party));
        self.rounds.push(Told {
            number: round.number,
            charter,
            version,
            opened,
            experts: experts.map(|(party, it)| (party.clone(), it.clone())).collect(),
            agreements: Vec::new(),
            stood: Vec::new(),
            published: None,
            withdrawn: Vec::new(),
        });
    }

    fn withdrawn(&mut self, place: Place, party: &PartyId, line: &Line<'_>) {
        // What was applied is a statement of this kind.
        let statement = serde_json::from_slice(line.entry.envelope().unverified_payload());
        let Ok(Statement { body: Body::Withdraw(withdraw), .. }) = statement else { return };
        for told in &mut self.rounds {
            let expert = told.experts.get(party).map(|it| it.manifest.digest());
            if expert == Some(withdraw.expert) {
                told.withdrawn.push((place, party.clone(), withdraw.reason.clone()));
            }
        }
    }

    /// The round called `number`, or the latest one that has an agreement, with what is told of it.
    pub(super) fn agreed<'a>(
        &'a self,
        federation: &'a Federation,
        number: Option<u64>,
    ) -> Result<(&'a Told, &'a Round, &'a Agreement), Failure> {
        let found = self.rounds.iter().zip(federation.rounds()).rev().find(|(_, round)| {
            number.map_or(round.agreement.is_some(), |number| round.number == number)
        });
        match (found, number) {
            (Some((told, round)), _) => {
                let agreement = round.agreement.as_ref().ok_or_else(|| missing(round))?;
                Ok((told, round, agreement))
            }
            (None, Some(number)) => Err(Failure::input(format!("no round {number} was opened"))),
            (None, None) => Err(Failure::input("no round has an agreement yet")
                .hint("`potluck round status` says what the latest one waits for")),
        }
    }

    /// The round called `number`, or the latest one, with what is told of it.
    pub(super) fn round<'a>(
        &'a self,
        federation: &'a Federation,
        number: Option<u64>,
    ) -> Result<(&'a Told, &'a Round), Failure> {
        let mut rounds = self.rounds.iter().zip(federation.rounds()).rev();
        let found = rounds.find(|(_, round)| number.is_none_or(|number| round.number == number));
        found.ok_or_else(|| match number {
            Some(number) => Failure::input(format!("no round {number} was opened")),
            None => Failure::input("no round was opened yet"),
        })
    }
}

fn missing(round: &Round) -> Failure {
    match round.is_void {
        true => Failure::input(format!("round {} was closed without an agreement", round.number)),
        false => Failure::input(format!("round {} has no agreement yet", round.number))
            .hint("`potluck round status` says what it waits for"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use potluck_core::entry::Stance;

    use super::*;
    use crate::ledger::Ledger;
    use crate::samples::{Story, read_whole};

    /// A story as whoever tells of it holds it.
    pub(in crate::command) fn told(story: &Story) -> (Chronicle, Ledger) {
        let mut chronicle = Chronicle::default();
        let mut visit = |line: Line<'_>| {
            chronicle.note(&line);
            Ok(())
        };
        let ledger = read_whole(story, &mut visit).unwrap();
        (chronicle, ledger)
    }

    #[test]
    fn who_objected_to_what_was_replaced_is_still_told() {
        let mut story = Story::bargained("[agreement]\nratify_permille = 1000\n");
        story.stand("readers", Stance::Dissent, "too little of ours");
        story.stand("readers", Stance::Abstain, "");
        story.serve();
        story.withdraw("checkers", "our sources asked for it");
        let (chronicle, ledger) = told(&story);
        let (told, round, agreement) = chronicle.agreed(ledger.federation(), None).unwrap();
        assert_eq!(told.agreements.len(), 2);
        assert!(agreement.is_fallback() && !told.agreements[0].1.is_fallback());
        let said: Vec<_> = told.stood.iter().map(|(_, _, said)| said.stance).collect();
        assert_eq!(said, [Stance::Dissent, Stance::Abstain]);
        assert_eq!(told.stood[0].2.reason, "too little of ours");
        assert_eq!(told.withdrawn[0].2, "our sources asked for it");
        assert_eq!(round.withdrawn, Some(told.withdrawn[0].0.index));
    }

    #[test]
    fn what_is_not_there_is_said() {
        let (chronicle, ledger) = told(&Story::bargaining(""));
        let error = |number| {
            chronicle.agreed(ledger.federation(), number).unwrap_err().message().to_owned()
        };
        assert_eq!(error(None), "no round has an agreement yet");
        assert_eq!(error(Some(1)), "round 1 has no agreement yet");
        assert_eq!(error(Some(2)), "no round 2 was opened");
    }
}
