//! A bargaining round: from proposals over candidates and scores to a deal, or to none.

mod histories;
mod refusals;
mod worlds;

use super::*;
use crate::entry::{
    Ballot, CloseRound, CommitScores, Nominate, Ratify, RevealScores, Row, Stance,
    ballot_commitment,
};
use crate::federation::bargain::{NoDeal, Outcome, Purpose, Reason};

/// Without deadlines.
const BARGAIN: &str = "[bargain]\nleast_prompts = 10\n";

/// With them: each step has ten seconds.
const TIMED: &str = "[rounds]\nreveal_seconds = 10\nquorum_permille = 500\n[bargain]\nleast_prompts = 10\n\
                     nominate_seconds = 10\nscore_seconds = 10\nshow_seconds = 10\n";

fn nonce(party: &str, batch: u32) -> Blake3 {
    Blake3::of(format!("{party}{batch}").as_bytes())
}

fn lambda(text: &str) -> Lambda {
    text.parse().unwrap()
}

/// What a λ is worth to somebody who likes its own share, but not alone: 4·λ·(1.25 − λ) − 0.5, in ppm.
fn taste(party: &str, lambda: &Lambda) -> Row {
    let own = f64::from(lambda.ppm()[&id(party)]) / 1e6;
    let score = (4.0 * own * (1.25 - own) - 0.5) * 1e6;
    #[expect(clippy::cast_possible_truncation, reason = "within a million")]
    let score = score.round() as i64;
    Row { score, error: 1000, accept: true }
}

impl Ledger {
    /// Round 1 is open, under a charter that goes on so.
    fn bargaining(rest: &str) -> Self {
        let genesis = genesis_of(&format!("{CHARTER}{rest}"), 0);
        let federation = Federation::found(&genesis).unwrap();
        Self { federation, entries: vec![genesis], now: 1000 }.opened()
    }

    /// Everybody wants its own expert alone; λ₀ is what the mean makes of that.
    fn entitled(rest: &str) -> Self {
        let mut ledger = Self::bargaining(rest);
        for party in PARTIES {
            let shares = PARTIES.map(|it| (id(it), if it == party { 1_000_000 } else { 0 }));
            let lambda = Lambda::new(shares.into()).unwrap();
            ledger.say(party, Body::Reveal(Reveal { round: 1, lambda, nonce: None })).unwrap();
        }
        ledger
    }

    fn round(&self) -> &Round {
        &self.federation.rounds()[0]
    }

    fn phase_now(&self) -> Phase {
        self.round().phase(self.federation.charter(), self.now)
    }

    fn waits_for(&self) -> Vec<String> {
        let missing = self.round().missing(self.federation.charter(), self.now);
        missing.into_iter().map(PartyId::to_string).collect()
    }

    fn ballot(&self, of: impl Fn(&Lambda) -> Row) -> Ballot {
        let bargain = self.round().bargain.as_ref().unwrap();
        let (_, batch) = bargain.batch().unwrap();
        let rows = batch.candidates.iter().map(|&it| of(&bargain.candidates[it])).collect();
        Ballot { prompts: batch.prompts(25), rows }
    }

    fn batch(&self) -> u32 {
        u32::try_from(self.round().bargain.as_ref().unwrap().batches.len()).unwrap()
    }

    fn bind_scores(&mut self, party: &str, ballot: &Ballot) -> Result<Vec<Effect>, Refusal> {
        let (federation, batch) = (self.federation.id(), self.batch());
        let nonce = nonce(party, batch);
        let commitment = ballot_commitment(federation, (1, batch), &id(party), &nonce, ballot);
        self.say(party, Body::CommitScores(CommitScores { round: 1, batch, commitment }))
    }

    fn show_scores(&mut self, party: &str, ballot: &Ballot) -> Result<Vec<Effect>, Refusal> {
        let (ballot, batch) = (ballot.clone(), self.batch());
        let nonce = nonce(party, batch);
        self.say(party, Body::RevealScores(RevealScores { round: 1, batch, ballot, nonce }))
    }

    fn nominate(&mut self, party: &str, lambda: Option<&str>) -> Result<Vec<Effect>, Refusal> {
        let (batch, lambda) = (self.batch() + 1, lambda.map(|text| text.parse().unwrap()));
        self.say(party, Body::Nominate(Nominate { round: 1, batch, lambda }))
    }

    fn close_step(&mut self) -> Result<Vec<Effect>, Refusal> {
        self.say("operator", Body::CloseRound(CloseRound { round: 1 }))
    }

    fn stand(&mut self, party: &str, stance: Stance, why: &str) -> Result<Vec<Effect>, Refusal> {
        let agreement = self.round().agreement.as_ref().unwrap().digest();
        let reason = why.to_owned();
        self.say(party, Body::Ratify(Ratify { round: 1, agreement, stance, reason }))
    }

    /// These parties score the open batch.
    fn scored_by(&mut self, parties: &[&str], of: &dyn Fn(&str, &Lambda) -> Row) {
        let ballots: Vec<_> =
            parties.iter().map(|party| self.ballot(|lambda| of(party, lambda))).collect();
        for (party, ballot) in parties.iter().zip(&ballots) {
            self.bind_scores(party, ballot).unwrap();
        }
        if self.phase_now() == Phase::Score {
            self.now += 11;
            self.close_step().unwrap();
        }
        for (party, ballot) in parties.iter().zip(&ballots) {
            self.show_scores(party, ballot).unwrap();
        }
    }

    /// Goes on until there is an end; nobody nominates.
    fn scored_through(&mut self, of: &dyn Fn(&str, &Lambda) -> Row) {
        while self.round().agreement.is_none() && !self.round().is_void {
            match self.phase_now() {
                Phase::Score => self.scored_by(&PARTIES, of),
                Phase::Nominate => {
                    for party in PARTIES {
                        self.nominate(party, None).unwrap();
                    }
                }
                phase => panic!("{phase:?}"),
            }
        }
    }

    fn agreed_on(&self) -> &Agreement {
        self.round().agreement.as_ref().unwrap()
    }

    fn is_the_same_again(&self) {
        assert_eq!(self.replay(), self.federation);
        let read = Federation::from_snapshot(&self.federation.snapshot()).unwrap();
        assert_eq!(read, self.federation);
    }
}

#[test]
fn the_whole_bargain() {
    let mut ledger = Ledger::entitled(BARGAIN);
    let bargain = ledger.round().bargain.clone().unwrap();
    assert_eq!(bargain.entitlement, lambda("agency=0.25,checkers=0.25,readers=0.5"));
    // Three vertices, three edges, the centroid, and λ₀.
    assert_eq!((bargain.candidates.len(), bargain.number(&bargain.entitlement)), (8, Some(7)));
    assert_eq!(ledger.phase_now(), Phase::Score);
    assert_eq!(code(ledger.publish(1)), Code::RoundWrong);

    ledger.scored_by(&PARTIES, &taste);
    assert_eq!(
        (ledger.phase_now(), ledger.waits_for()),
        (Phase::Nominate, PARTIES.map(String::from).to_vec())
    );
    ledger.nominate("agency", Some("agency=0.4,checkers=0.3,readers=0.3")).unwrap();
    ledger.nominate("readers", None).unwrap();
    let effects = ledger.nominate("checkers", Some("agency=0.3,checkers=0.4,readers=0.3")).unwrap();
    assert_eq!(effects, [Effect::Nominated(id("checkers")), Effect::Waiting]);

    ledger.scored_by(&PARTIES, &taste);
    // Two nominations are all that a batch takes: it does not wait for the third party.
    ledger.nominate("agency", Some("agency=0.3,checkers=0.3,readers=0.4")).unwrap();
    ledger.nominate("readers", Some("agency=0.28,checkers=0.28,readers=0.44")).unwrap();
    ledger.scored_by(&PARTIES, &taste);

    let bargain = ledger.round().bargain.clone().unwrap();
    let (number, finals) = bargain.batch().unwrap();
    assert_eq!((number, finals.purpose, finals.candidates.len()), (4, Purpose::Finalists, 3));
    assert_ne!(
        finals.seed(ledger.federation.id(), 1),
        bargain.batches[0].seed(ledger.federation.id(), 1)
    );
    // The readers weigh as much as both others: of equal thirds and more for them, more wins.
    ledger.scored_by(&PARTIES, &taste);
    let agreement = ledger.agreed_on().clone();
    assert_eq!(agreement.lambda, lambda("agency=0.3,checkers=0.3,readers=0.4"));
    let deal = agreement.deal.unwrap();
    let Outcome::Chosen { candidate, runner_up } = deal.outcome else { panic!("{deal:?}") };
    assert_eq!(
        (bargain.candidates[candidate].clone(), runner_up.is_some()),
        (agreement.lambda, true)
    );
    assert_eq!(deal.gains_ppm[&id("agency")], 640_000);
    // A vertex gives two parties less than nothing.
    let vertex = deal.excluded.iter().find(|it| it.candidate == 0).unwrap();
    assert_eq!((vertex.reason, &vertex.party), (Reason::NoGain, &id("checkers")));
    ledger.publish(1).unwrap();
    assert!(ledger.federation.in_force(u64::MAX).is_some());
    ledger.is_the_same_again();
}

#[test]
fn who_refuses_everything_is_left_what_the_proposals_entitle_to() {
    let refuse =
        |party: &str, lambda: &Lambda| Row { accept: party != "agency", ..taste(party, lambda) };
    let mut ledger = Ledger::entitled(BARGAIN);
    ledger.scored_through(&refuse);
    let agreement = ledger.agreed_on().clone();
    assert_eq!(agreement.lambda, lambda("agency=0.25,checkers=0.25,readers=0.5"));
    let deal = agreement.deal.as_ref().unwrap();
    assert_eq!(deal.outcome, Outcome::Fallback(NoDeal::NoCandidate));
    assert!(deal.excluded.iter().all(|it| it.party == id("agency") || it.reason == Reason::NoGain));
    assert!(agreement.is_fallback() && !ledger.round().is_unratified(ledger.federation.charter()));
    // What λ₀ is worth to each is known, too: it was a candidate.
    assert_eq!(deal.gains_ppm[&id("readers")], taste("readers", &agreement.lambda).score);
    ledger.publish(1).unwrap();
    ledger.is_the_same_again();

    let mut ledger = Ledger::entitled(&format!("{BARGAIN}fallback = 'nothing'\n"));
    ledger.scored_through(&refuse);
    assert!(ledger.round().is_void && ledger.round().agreement.is_none());
    ledger.say("operator", Body::OpenRound(OpenRound { round: 2 })).unwrap();
    ledger.is_the_same_again();
}

#[test]
fn who_shows_no_scores_is_left_out_where_a_quorum_is_there() {
    let mut ledger = Ledger::entitled(TIMED);
    ledger.scored_by(&["agency", "readers"], &taste);
    assert_eq!(ledger.waits_for(), ["agency", "readers"]);
    assert_eq!(code(ledger.nominate("checkers", None)), Code::RoundWrong);
    ledger.now += 11;
    assert_eq!(ledger.phase_now(), Phase::Close);
    assert_eq!(code(ledger.nominate("agency", None)), Code::RoundLate);
    ledger.close_step().unwrap();
    // Nothing was nominated: the finalists come next, and then one of them.
    ledger.scored_by(&["agency", "readers"], &taste);
    let deal = ledger.agreed_on().deal.clone().unwrap();
    assert_eq!(deal.gains_ppm.keys().cloned().collect::<Vec<_>>(), [id("agency"), id("readers")]);
    assert!(matches!(deal.outcome, Outcome::Chosen { .. }));
    ledger.is_the_same_again();
}

#[test]
fn without_a_quorum_there_is_no_deal() {
    let mut ledger = Ledger::entitled(TIMED);
    ledger.scored_by(&["agency"], &taste);
    let deal = ledger.agreed_on().deal.clone().unwrap();
    assert_eq!(deal.outcome, Outcome::Fallback(NoDeal::NoQuorum));
    ledger.is_the_same_again();

    // Nobody at all.
    let mut ledger = Ledger::entitled(TIMED);
    ledger.now += 11;
    ledger.close_step().unwrap();
    assert_eq!(
        ledger.agreed_on().deal.as_ref().unwrap().outcome,
        Outcome::Fallback(NoDeal::NoQuorum)
    );
    ledger.is_the_same_again();

    // A commitment is not enough.
    let mut ledger = Ledger::entitled(&format!("{TIMED}on_no_reveal = 'void'\n"));
    let ballot = ledger.ballot(|lambda| taste("agency", lambda));
    ledger.bind_scores("agency", &ballot).unwrap();
    ledger.now += 11;
    assert_eq!(ledger.close_step().unwrap(), [Effect::Waiting]);
    ledger.now += 11;
    assert_eq!(ledger.close_step().unwrap(), [Effect::Voided(1)]);
    ledger.is_the_same_again();
}

#[test]
fn what_is_not_ratified_does_not_come_into_force() {
    let rules = format!(
        "{BARGAIN}[agreement]\nratify_permille = 700\nratify_seconds = 100\nvalid_seconds = 500\n"
    );
    let mut ledger = Ledger::entitled(&rules);
    ledger.scored_through(&taste);
    assert_eq!(ledger.phase_now(), Phase::Ratify);
    assert_eq!(code(ledger.publish(1)), Code::RoundEarly);
    assert_eq!(code(ledger.close_step()), Code::RoundEarly);
    ledger.stand("readers", Stance::Ratify, "").unwrap();
    assert_eq!(code(ledger.stand("readers", Stance::Ratify, "")), Code::RoundWrong);
    assert_eq!(code(ledger.stand("agency", Stance::Dissent, "")), Code::StatementMalformed);
    assert_eq!(ledger.waits_for(), ["agency", "checkers"]);
    ledger.stand("checkers", Stance::Ratify, "").unwrap();
    assert_eq!(ledger.phase_now(), Phase::Publish);
    // Dissent is heard at any time, and stays on record.
    ledger.publish(1).unwrap();
    ledger.stand("agency", Stance::Dissent, "too few facts").unwrap();
    ledger.stand("checkers", Stance::Dissent, "seen it since").unwrap();
    assert_eq!(ledger.round().stances[&id("agency")].reason, "too few facts");
    assert!(ledger.federation.in_force(1500).is_some());
    assert!(ledger.federation.in_force(1501).is_none());
    ledger.is_the_same_again();
}

#[test]
fn enough_dissent_or_silence_is_the_end_of_a_deal() {
    let rules = format!("{BARGAIN}[agreement]\nratify_permille = 700\nratify_seconds = 100\n");
    let mut ledger = Ledger::entitled(&rules);
    ledger.scored_through(&taste);
    let bargained = ledger.agreed_on().digest();
    ledger.stand("agency", Stance::Abstain, "").unwrap();
    // Half of the weight is against it: seven tenths are out of reach.
    ledger.stand("readers", Stance::Dissent, "we were promised more").unwrap();
    assert_eq!(
        ledger.agreed_on().deal.as_ref().unwrap().outcome,
        Outcome::Fallback(NoDeal::NotRatified)
    );
    let said = &ledger.round().stances[&id("readers")];
    assert_eq!((said.agreement, said.stance), (bargained, Stance::Dissent));
    assert_eq!(ledger.phase_now(), Phase::Publish);
    ledger.publish(1).unwrap();
    ledger.is_the_same_again();

    let mut ledger = Ledger::entitled(&rules);
    ledger.scored_through(&taste);
    ledger.stand("readers", Stance::Ratify, "").unwrap();
    ledger.now += 101;
    assert_eq!(
        (ledger.phase_now(), code(ledger.stand("agency", Stance::Ratify, ""))),
        (Phase::Close, Code::RoundLate)
    );
    ledger.close_step().unwrap();
    assert!(ledger.agreed_on().is_fallback());
    ledger.is_the_same_again();
}

#[test]
fn an_agreement_by_proposals_alone_is_ratified_or_void() {
    let mut ledger = Ledger::entitled("[agreement]\nratify_permille = 1000\n");
    assert_eq!(ledger.phase_now(), Phase::Ratify);
    let effects = ledger.stand("agency", Stance::Dissent, "no").unwrap();
    assert_eq!(effects, [Effect::Stood(id("agency"), Stance::Dissent), Effect::Voided(1)]);
    ledger.is_the_same_again();
}

#[test]
fn floors_and_caps_bound_what_can_be_chosen() {
    let charter = "name = 'news'\nrule = 'mean'\n[parties.agency]\nweight = 1\nfloor_ppm = 200000\n\
                   [parties.checkers]\nweight = 1\ncap_ppm = 300000\n[parties.readers]\nweight = 1\n\
                   [limits]\nexpert_bytes = 1000\nchange_permille = 100\n";
    let genesis = genesis_of(&format!("{charter}{BARGAIN}"), 0);
    let federation = Federation::found(&genesis).unwrap();
    let mut ledger = Ledger { federation, entries: vec![genesis], now: 0 }.opened();
    for party in PARTIES {
        ledger.propose(party, 1, "agency=0.4,checkers=0.3,readers=0.3").unwrap();
    }
    let candidates = ledger.round().bargain.as_ref().unwrap().candidates.clone();
    assert!(candidates.iter().all(|it| it.ppm()[&id("agency")] >= 200_000));
    // The lattice within what the floor leaves: its second vertex is 0.2 and 0.8.
    assert_eq!(candidates[1], lambda("agency=0.2,checkers=0.8,readers=0"));
    let level = |_: &str, _: &Lambda| Row { score: 5, error: 0, accept: true };
    ledger.scored_by(&PARTIES, &level);
    for outside in ["agency=0.1,checkers=0.3,readers=0.6", "agency=0.3,checkers=0.4,readers=0.3"] {
        assert_eq!(code(ledger.nominate("agency", Some(outside))), Code::CandidateRefused);
    }
    for party in PARTIES {
        ledger.nominate(party, None).unwrap();
    }
    ledger.scored_through(&level);
    let deal = ledger.agreed_on().deal.clone().unwrap();
    let capped = deal.excluded.iter().find(|it| it.candidate == 1).unwrap();
    assert_eq!((capped.reason, &capped.party), (Reason::AboveCap, &id("checkers")));
    // All are worth the same: the tie goes to what is nearest to λ₀.
    assert_eq!(ledger.agreed_on().lambda, lambda("agency=0.4,checkers=0.3,readers=0.3"));
    ledger.is_the_same_again();
}
