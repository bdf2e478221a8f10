//! What may be said in a bargain, and when.

use super::choice::outside;
use super::{Bargaining, Batch};
use crate::admission::{Code, Refusal};
use crate::charter::BargainRules;
use crate::entry::{Ballot, CommitScores, MAX_SCORE, Nominate, RevealScores, ballot_commitment};
use crate::federation::round::{Round, decided, late};
use crate::federation::{Federation, Phase};
use crate::ids::PartyId;
use crate::lambda::Lambda;

fn refuse<T>(code: Code, sentence: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(code, sentence))
}

impl Federation {
    pub(in crate::federation) fn check_nominate(
        &self,
        party: &PartyId,
        nominate: &Nominate,
        time: u64,
    ) -> Result<(), Refusal> {
        let (round, bargain, rules) = self.bargaining(nominate.round)?;
        match round.phase(self.charter(), time) {
            Phase::Nominate => {}
            Phase::Close => return late(round, "nominations"),
            phase => return self.not_now(round, phase, "nominations"),
        }
        check_batch(nominate.batch, bargain.batches.len() + 1)?;
        check_heard(bargain, party)?;
        if bargain.nominations.as_ref().is_some_and(|it| it.contains_key(party)) {
            return refuse(Code::RoundWrong, format!("{party} nominated for this batch already"));
        }
        match &nominate.lambda {
            Some(lambda) => self.check_candidate(round, rules, lambda),
            None => Ok(()),
        }
    }

    /// That λ could be nominated in the open round.
    ///
    /// # Errors
    /// [`Code::CandidateRefused`] where it is not over the round's parties, outside a floor or cap, or a candidate already.
    pub fn check_candidate(
        &self,
        round: &Round,
        rules: &BargainRules,
        lambda: &Lambda,
    ) -> Result<(), Refusal> {
        let Some(bargain) = &round.bargain else {
            return refuse(Code::RoundWrong, format!("round {} has no candidates", round.number));
        };
        if !lambda.ppm().keys().eq(round.experts.keys()) {
            let parties: Vec<_> = round.experts.keys().map(PartyId::as_str).collect();
            let sentence =
                format!("a candidate names exactly the round's parties: {}", parties.join(", "));
            return refuse(Code::CandidateRefused, sentence);
        }
        if let Some(sentence) = outside(self.charter(), lambda) {
            return refuse(Code::CandidateRefused, sentence);
        }
        if let Some(number) = bargain.number(lambda) {
            return refuse(
                Code::CandidateRefused,
                format!("{lambda} is candidate {} already", number + 1),
            );
        }
        let nominated = bargain.nominations.iter().flat_map(|it| it.values().flatten());
        if nominated.clone().any(|it| it == lambda) {
            return refuse(Code::CandidateRefused, format!("{lambda} is nominated already"));
        }
        if nominated.count() >= rules.nominations as usize {
            return refuse(Code::CandidateRefused, "the batch has all its candidates");
        }
        Ok(())
    }

    pub(in crate::federation) fn check_commit_scores(
        &self,
        party: &PartyId,
        commit: &CommitScores,
        time: u64,
    ) -> Result<(), Refusal> {
        let (round, bargain, _) = self.bargaining(commit.round)?;
        match round.phase(self.charter(), time) {
            Phase::Score => {}
            Phase::Show | Phase::Close => return late(round, "commitments to scores"),
            phase => return self.not_now(round, phase, "commitments to scores"),
        }
        check_batch(commit.batch, bargain.batches.len())?;
        check_heard(bargain, party)?;
        let batch = bargain.batches.last();
        if batch.is_some_and(|batch| batch.commitments.contains_key(party)) {
            let sentence =
                format!("{party} is committed to scores of batch {} already", commit.batch);
            return refuse(Code::RoundWrong, sentence);
        }
        Ok(())
    }

    pub(in crate::federation) fn check_reveal_scores(
        &self,
        party: &PartyId,
        reveal: &RevealScores,
        time: u64,
    ) -> Result<(), Refusal> {
        let (round, bargain, rules) = self.bargaining(reveal.round)?;
        match round.phase(self.charter(), time) {
            Phase::Show => {}
            Phase::Close => return late(round, "scores"),
            Phase::Score => {
                let missing: Vec<_> = bargain.missing().into_iter().map(PartyId::as_str).collect();
                let sentence = format!(
                    "scores of batch {} are shown once all are committed, or the time for that is over: {} can still \
                     commit",
                    bargain.batches.len(),
                    missing.join(", ")
                );
                return refuse(Code::RoundEarly, sentence);
            }
            phase => return self.not_now(round, phase, "scores"),
        }
        check_batch(reveal.batch, bargain.batches.len())?;
        let Some(batch) = bargain.batches.last() else {
            return refuse(Code::RoundWrong, "there is no batch");
        };
        let Some(bound) = batch.commitments.get(party) else {
            let sentence = format!("{party} committed to no scores of batch {}", reveal.batch);
            return refuse(Code::CommitmentMismatch, sentence);
        };
        if batch.ballots.contains_key(party) {
            let sentence =
                format!("{party} has shown its scores of batch {} already", reveal.batch);
            return refuse(Code::RoundWrong, sentence);
        }
        let place = (round.number, reveal.batch);
        if ballot_commitment(self.id(), place, party, &reveal.nonce, &reveal.ballot) != *bound {
            let sentence = format!(
                "the scores and their nonce are not what {party} committed to, {}",
                bound.short()
            );
            return refuse(Code::CommitmentMismatch, sentence);
        }
        check_ballot(rules, batch, &reveal.ballot)
    }

    fn not_now<T>(&self, round: &Round, phase: Phase, what: &str) -> Result<T, Refusal> {
        match phase {
            Phase::Ratify | Phase::Publish | Phase::Over => decided(round),
            _ => {
                let sentence = format!("round {} takes no {what} now", round.number);
                refuse(Code::RoundEarly, sentence)
            }
        }
    }

    /// The open bargain of round `number`.
    fn bargaining(&self, number: u64) -> Result<(&Round, &Bargaining, &BargainRules), Refusal> {
        let round = self.current(number)?;
        match (&round.bargain, self.charter().bargain()) {
            (Some(bargain), Some(rules)) => Ok((round, bargain, rules)),
            (None, Some(_)) if round.agreement.is_none() && !round.is_void => {
                let sentence =
                    format!("round {number} has no candidates yet: proposals come first");
                refuse(Code::RoundEarly, sentence)
            }
            _ => refuse(
                Code::RoundWrong,
                format!("round {number} is none in which λ is bargained for"),
            ),
        }
    }
}

/// That a ballot says something usable of every candidate of the batch. Whoever commits to one asks first.
///
/// # Errors
/// [`Code::BallotRefused`].
pub fn check_ballot(rules: &BargainRules, batch: &Batch, ballot: &Ballot) -> Result<(), Refusal> {
    let (found, expected) = (ballot.rows.len(), batch.candidates.len());
    if found != expected {
        let sentence = format!("the ballot has {found} rows for {expected} candidates");
        return refuse(Code::BallotRefused, sentence);
    }
    let least = batch.prompts(rules.least_prompts);
    if ballot.prompts < least {
        let sentence = format!(
            "the candidates were scored on {} prompts; the charter asks for at least {least}",
            ballot.prompts
        );
        return refuse(Code::BallotRefused, sentence);
    }
    let mut rows = batch.candidates.iter().zip(&ballot.rows);
    match rows.find(|(_, row)| row.score.unsigned_abs() > MAX_SCORE.unsigned_abs()) {
        Some((candidate, row)) => {
            let sentence = format!(
                "the score of candidate {} is {}; scores lie between −{MAX_SCORE} and {MAX_SCORE} ppm of a party's range",
                candidate + 1,
                row.score
            );
            refuse(Code::BallotRefused, sentence)
        }
        None => Ok(()),
    }
}

fn check_batch(found: u32, expected: usize) -> Result<(), Refusal> {
    if found as usize == expected {
        return Ok(());
    }
    refuse(Code::RoundWrong, format!("batch {found} is not the open one, {expected} is"))
}

fn check_heard(bargain: &Bargaining, party: &PartyId) -> Result<(), Refusal> {
    if bargain.heard.contains(party) {
        return Ok(());
    }
    let sentence =
        format!("{party} has no expert in this round, or showed no scores of an earlier batch");
    refuse(Code::RoundWrong, sentence)
}
