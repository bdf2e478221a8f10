//! Random histories of bargaining rounds: whatever is tried in whatever order, everybody who replays them derives the same, what
//! is refused leaves no trace, and what is agreed on follows from the scores.

use super::*;
use crate::entry::Withdraw;

/// A step that somebody tries; whether it is let through is the federation's to say.
#[derive(Debug, Clone)]
enum Attempt {
    Propose(usize),
    Score(usize, u8),
    Show(usize),
    Nominate(usize, u32),
    Stand(usize, u8),
    Close(usize),
    Wait(u64),
    Publish,
    Mispublish,
    Open,
    Withdraw(usize),
    Submit(usize, u8),
}

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let who = || 0usize..3;
    let score = |who| any::<u8>().prop_map(move |seed| Attempt::Score(who, seed));
    let nominate = |who| (0u32..=1_000_000).prop_map(move |ppm| Attempt::Nominate(who, ppm));
    let stand =
        |who| (0u8..6).prop_map(move |stance| Attempt::Stand(who, stance.saturating_sub(3)));
    let one = |it: Attempt| vec![it];
    let all = |of: fn(usize) -> Attempt| (0..3).map(of).collect::<Vec<_>>();
    prop_oneof![
        // What everybody does, so that histories get somewhere.
        8 => Just(all(Attempt::Propose)),
        24 => [score(0), score(1), score(2)].prop_map(Vec::from),
        24 => Just(all(Attempt::Show)),
        12 => [nominate(0), nominate(1), nominate(2)].prop_map(Vec::from),
        8 => [stand(0), stand(1), stand(2)].prop_map(Vec::from),
        8 => Just(one(Attempt::Publish)),
        // And what one does alone.
        2 => who().prop_map(Attempt::Propose).prop_map(one),
        4 => who().prop_flat_map(score).prop_map(one),
        4 => who().prop_map(Attempt::Show).prop_map(one),
        4 => who().prop_flat_map(nominate).prop_map(one),
        2 => who().prop_flat_map(stand).prop_map(one),
        2 => who().prop_map(Attempt::Close).prop_map(one),
        2 => (1u64..12).prop_map(Attempt::Wait).prop_map(one),
        1 => Just(one(Attempt::Mispublish)),
        3 => Just(one(Attempt::Open)),
        // Rarely: with it most rounds are over.
        1 => (0usize..12).prop_map(|it| Vec::from_iter((it < 3).then_some(Attempt::Withdraw(it)))),
        1 => (who(), any::<u8>()).prop_map(|(who, content)| vec![Attempt::Submit(who, content)]),
    ]
}

/// A ledger, and what its parties keep for themselves.
struct Table {
    ledger: Ledger,
    kept: BTreeMap<(usize, u64, u32), Ballot>,
}

impl Table {
    fn current(&self) -> Option<(&Round, u64)> {
        let round = self.ledger.federation.rounds().last()?;
        Some((round, round.number))
    }

    fn try_out(&mut self, attempt: &Attempt) -> Option<Result<Vec<Effect>, Refusal>> {
        let (round, number) = self.current()?;
        let bargain = round.bargain.as_ref();
        let ledger_id = self.ledger.federation.id();
        let said = match *attempt {
            Attempt::Wait(seconds) => {
                self.ledger.now += seconds;
                return None;
            }
            Attempt::Propose(who) => {
                let parties: Vec<_> = round.experts.keys().cloned().collect();
                let mut shares: BTreeMap<_, _> = parties.iter().map(|it| (it.clone(), 0)).collect();
                *shares.get_mut(&parties[who % parties.len()])? = 1_000_000;
                let reveal =
                    Reveal { round: number, lambda: Lambda::new(shares).ok()?, nonce: None };
                self.ledger.say(PARTIES[who], Body::Reveal(reveal))
            }
            Attempt::Score(who, seed) => {
                let (batch, open) = bargain?.batch()?;
                let score = |it: &usize| {
                    i64::from((seed.wrapping_mul(31)).wrapping_add(*it as u8 * 7)) - 20
                };
                let rows = open.candidates.iter().map(|it| Row {
                    score: score(it),
                    error: 1,
                    accept: !(seed as usize + it).is_multiple_of(17),
                });
                let ballot =
                    Ballot { prompts: open.prompts(10) + u32::from(seed), rows: rows.collect() };
                let nonce = nonce(PARTIES[who], batch);
                let party = id(PARTIES[who]);
                let commitment =
                    ballot_commitment(ledger_id, (number, batch), &party, &nonce, &ballot);
                let commit = CommitScores { round: number, batch, commitment };
                let said = self.ledger.say(PARTIES[who], Body::CommitScores(commit));
                if said.is_ok() {
                    self.kept.insert((who, number, batch), ballot);
                }
                said
            }
            Attempt::Show(who) => {
                let (batch, _) = bargain?.batch()?;
                let ballot = self.kept.get(&(who, number, batch))?.clone();
                let nonce = nonce(PARTIES[who], batch);
                let reveal = RevealScores { round: number, batch, ballot, nonce };
                self.ledger.say(PARTIES[who], Body::RevealScores(reveal))
            }
            Attempt::Nominate(who, ppm) => {
                let batch = u32::try_from(bargain?.batches.len() + 1).ok()?;
                let parties: Vec<_> = round.experts.keys().cloned().collect();
                let mut shares: BTreeMap<_, _> = parties.iter().map(|it| (it.clone(), 0)).collect();
                *shares.get_mut(&parties[0])? += ppm;
                *shares.get_mut(&parties[parties.len() - 1])? += 1_000_000 - ppm;
                let lambda = (ppm % 5 != 0).then(|| Lambda::new(shares).unwrap());
                self.ledger
                    .say(PARTIES[who], Body::Nominate(Nominate { round: number, batch, lambda }))
            }
            Attempt::Stand(who, stance) => {
                let agreement = round.agreement.as_ref()?.digest();
                let stance =
                    [Stance::Ratify, Stance::Abstain, Stance::Dissent][usize::from(stance)];
                let reason = "because".to_owned();
                self.ledger.say(
                    PARTIES[who],
                    Body::Ratify(Ratify { round: number, agreement, stance, reason }),
                )
            }
            Attempt::Close(who) => {
                self.ledger.say(PARTIES[who], Body::CloseRound(CloseRound { round: number }))
            }
            Attempt::Publish => self.ledger.publish(number),
            Attempt::Mispublish => {
                // Another λ than the agreed one, by an operator who would like it better.
                let favourite = Lambda::single(round.experts.keys().next()?.clone());
                let recipe = self.ledger.federation.recipe_of(round, &favourite).ok()?;
                // Shares of zero stand in no recipe: it may be the agreed one.
                if self.ledger.federation.recipe(round).is_ok_and(|agreed| agreed == recipe) {
                    return None;
                }
                let publish = Publish { round: number, recipe, soup: weights(b"soup") };
                let said = self.ledger.say("operator", Body::Publish(publish));
                assert!(said.is_err(), "{said:?}");
                said
            }
            Attempt::Open => {
                self.ledger.say("operator", Body::OpenRound(OpenRound { round: number + 1 }))
            }
            Attempt::Withdraw(who) => {
                let expert =
                    self.ledger.federation.experts().get(&id(PARTIES[who]))?.manifest.digest();
                let withdraw = Withdraw { expert, reason: "our data changed".into() };
                self.ledger.say(PARTIES[who], Body::Withdraw(withdraw))
            }
            Attempt::Submit(who, content) => self.ledger.submit(PARTIES[who], &[content]),
        };
        Some(said)
    }
}

fn invariants(ledger: &Ledger) {
    for round in ledger.federation.rounds() {
        assert!(!(round.is_void && round.agreement.is_some()));
        let Some(agreement) = &round.agreement else { continue };
        let Some(bargain) = &round.bargain else { continue };
        let deal = agreement.deal.as_ref().unwrap();
        match deal.outcome {
            Outcome::Fallback(_) => assert_eq!(agreement.lambda, bargain.entitlement),
            Outcome::Chosen { candidate, runner_up } => {
                assert_eq!(agreement.lambda, bargain.candidates[candidate]);
                assert_ne!(runner_up, Some(candidate));
                // Whoever was heard gains, and said that it accepts it, whenever it was asked.
                for party in &bargain.heard {
                    assert!(deal.gains_ppm[party] > 0);
                    let mut rows = bargain.batches.iter().flat_map(|batch| batch.rows(party));
                    assert!(rows.all(|(it, row)| it != candidate || row.accept));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn all_who_replay_derive_the_same(
        attempts in prop::collection::vec(attempts(), 40..120),
        finalists in 0u32..3, veto: bool, void: bool, permille in prop::sample::select(vec![0, 600]),
    ) {
        let on_no_reveal = if void { "void" } else { "drop" };
        let rules = format!(
            "{TIMED}finalists = {finalists}\nveto = {veto}\non_no_reveal = '{on_no_reveal}'\n\
             [agreement]\nratify_permille = {permille}\nvalid_seconds = 50\n"
        );
        let mut table = Table { ledger: Ledger::bargaining(&rules), kept: BTreeMap::new() };
        for attempt in attempts.iter().flatten() {
            let (before, size) = (table.ledger.federation.clone(), table.ledger.entries.len());
            if let Some(said) = table.try_out(attempt) {
                prop_assert_eq!(said.is_ok(), table.ledger.entries.len() > size);
                prop_assert!(said.is_ok() || table.ledger.federation == before);
            }
            invariants(&table.ledger);
        }
        table.ledger.is_the_same_again();
    }
}
