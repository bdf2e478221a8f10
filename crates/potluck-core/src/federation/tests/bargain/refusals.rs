//! What is refused in a bargaining round: each by its own code, and nothing is lost.

use super::*;
use crate::entry::MAX_SCORE;

#[test]
fn out_of_turn() {
    let mut ledger = Ledger::bargaining(BARGAIN);
    let early = |round, batch| {
        let commitment = Blake3::of(b"");
        Body::CommitScores(CommitScores { round, batch, commitment })
    };
    // Proposals come first.
    assert_eq!(code(ledger.say("agency", early(1, 1))), Code::RoundEarly);
    let mut ledger = Ledger::entitled(BARGAIN);
    assert_eq!(code(ledger.say("agency", early(2, 1))), Code::RoundWrong);
    assert_eq!(code(ledger.say("agency", early(1, 2))), Code::RoundWrong);
    assert_eq!(code(ledger.say("operator", early(1, 1))), Code::NotPermitted);
    assert_eq!(
        code(ledger.propose("agency", 1, "agency=1,checkers=0,readers=0")),
        Code::RoundWrong
    );
    assert_eq!(code(ledger.nominate("agency", None)), Code::RoundEarly);
    let ballot = ledger.ballot(|lambda| taste("agency", lambda));
    assert_eq!(code(ledger.show_scores("agency", &ballot)), Code::RoundEarly);
    ledger.bind_scores("agency", &ballot).unwrap();
    // A second commitment, to the same or to another.
    assert_eq!(code(ledger.bind_scores("agency", &ballot)), Code::RoundWrong);
    assert_eq!(ledger.waits_for(), ["checkers", "readers"]);

    // Where there is no bargain in the charter, there is none.
    let mut ledger = Ledger::entitled("");
    assert_eq!(code(ledger.say("agency", early(1, 1))), Code::RoundWrong);
}

#[test]
fn ballots_that_are_of_no_use() {
    let refused = |change: &dyn Fn(&mut Ballot)| {
        let mut ledger = Ledger::entitled(BARGAIN);
        let ballots = PARTIES.map(|party| {
            let mut ballot = ledger.ballot(|lambda| taste(party, lambda));
            if party == "agency" {
                change(&mut ballot);
            }
            ballot
        });
        for (party, ballot) in PARTIES.iter().zip(&ballots) {
            ledger.bind_scores(party, ballot).unwrap();
        }
        let refusal = ledger.show_scores("agency", &ballots[0]).unwrap_err();
        // The others' scores are taken all the same.
        ledger.show_scores("readers", &ballots[2]).unwrap();
        (refusal.code, refusal.sentence)
    };
    for (change, words) in [
        (
            &(|ballot: &mut Ballot| ballot.rows.truncate(3)) as &dyn Fn(&mut Ballot),
            "3 rows for 8 candidates",
        ),
        (&|ballot| ballot.rows.push(ballot.rows[0]), "9 rows"),
        (&|ballot| ballot.prompts = 9, "at least 10"),
        (&|ballot| ballot.rows[4].score = MAX_SCORE + 1, "candidate 5"),
        (&|ballot| ballot.rows[0].score = i64::MIN, "candidate 1"),
    ] {
        let (code, sentence) = refused(change);
        assert_eq!(code, Code::BallotRefused);
        assert!(sentence.contains(words), "{sentence}");
    }
}

#[test]
fn scores_that_were_not_committed_to() {
    let mut ledger = Ledger::entitled(BARGAIN);
    let ballots = PARTIES.map(|party| ledger.ballot(|lambda| taste(party, lambda)));
    ledger.bind_scores("agency", &ballots[0]).unwrap();
    // The readers copy the agency's commitment. It opens for nobody but the agency.
    let bargain = ledger.round().bargain.as_ref().unwrap();
    let commitment = bargain.batches[0].commitments[&id("agency")];
    let copy = CommitScores { round: 1, batch: 1, commitment };
    ledger.say("readers", Body::CommitScores(copy)).unwrap();
    ledger.bind_scores("checkers", &ballots[1]).unwrap();
    let reveal =
        RevealScores { round: 1, batch: 1, ballot: ballots[0].clone(), nonce: nonce("agency", 1) };
    assert_eq!(code(ledger.say("readers", Body::RevealScores(reveal))), Code::CommitmentMismatch);
    let mut other = ballots[1].clone();
    other.rows[0].score += 1;
    assert_eq!(code(ledger.show_scores("checkers", &other)), Code::CommitmentMismatch);
    ledger.show_scores("checkers", &ballots[1]).unwrap();
    assert_eq!(code(ledger.show_scores("checkers", &ballots[1])), Code::RoundWrong);
}

#[test]
fn candidates_that_are_none() {
    let mut ledger = Ledger::entitled(BARGAIN);
    ledger.scored_by(&PARTIES, &taste);
    for lambda in [
        "agency=1",
        "agency=0.5,checkers=0.5,strangers=0",
        // A vertex is a candidate from the start.
        "agency=1,checkers=0,readers=0",
    ] {
        assert_eq!(
            code(ledger.nominate("agency", Some(lambda))),
            Code::CandidateRefused,
            "{lambda}"
        );
    }
    let mine = "agency=0.5,checkers=0.2,readers=0.3";
    ledger.nominate("agency", Some(mine)).unwrap();
    assert_eq!(code(ledger.nominate("agency", None)), Code::RoundWrong);
    assert_eq!(code(ledger.nominate("readers", Some(mine))), Code::CandidateRefused);
    let wrong = Nominate { round: 1, batch: 1, lambda: None };
    assert_eq!(code(ledger.say("readers", Body::Nominate(wrong))), Code::RoundWrong);
}

#[test]
fn stances_to_what_is_not_there() {
    let ratify =
        |agreement| Ratify { round: 1, agreement, stance: Stance::Ratify, reason: String::new() };
    let mut ledger = Ledger::bargaining("");
    let nothing = Body::Ratify(ratify(Blake3::of(b"")));
    assert_eq!(code(ledger.say("agency", nothing)), Code::RoundWrong);
    let mut ledger = Ledger::entitled("");
    let other = Body::Ratify(ratify(Blake3::of(b"another agreement")));
    assert_eq!(code(ledger.say("agency", other)), Code::RoundWrong);
    assert_eq!(
        code(ledger.stand("agency", Stance::Dissent, "two\nlines")),
        Code::StatementMalformed
    );
}
