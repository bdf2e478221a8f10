use super::*;
use crate::experiment::study::Candidate;

/// A candidate whose prompts all have the same scores.
fn candidate(role: Role, lambda: &[f64], scores: &[f64]) -> Candidate {
    Candidate {
        role,
        lambda: lambda.to_vec(),
        scores: scores.iter().map(|score| vec![*score; 4]).collect(),
        measures: vec![vec![10.0 - 5.0 * lambda.get(1).copied().unwrap_or(0.0); 4]],
        collapsed: vec![0.0; 4],
    }
}

/// Experts at (10, 0) and (0, 2), a base at (−2, −1), soups on an arc above the chord.
fn seen() -> Seen {
    let mut candidates = vec![candidate(Role::Base, &[0.0, 0.0], &[-2.0, -1.0])];
    for step in 0..=10 {
        let share = f64::from(step) / 10.0;
        let lift = share * (1.0 - share);
        let scores = [10.0 * (1.0 - share + lift), 2.0 * (share + lift)];
        candidates.push(candidate(Role::Soup, &[1.0 - share, share], &scores));
    }
    for (share, scores) in [(0.0, [10.0, 0.0]), (0.5, [7.0, 1.4]), (1.0, [0.0, 2.0])] {
        candidates.push(candidate(Role::Morl, &[1.0 - share, share], &scores));
    }
    for (share, scores) in [(0.0, [10.0, 0.0]), (0.5, [-10.0, -4.0]), (1.0, [0.0, 2.0])] {
        candidates.push(candidate(Role::Control, &[1.0 - share, share], &scores));
    }
    Seen {
        seed: 1,
        parties: vec!["a".to_owned(), "b".to_owned()],
        measures: vec!["words".to_owned()],
        candidates,
        seconds: Default::default(),
        facts: Value::Null,
    }
}

#[test]
fn shapes_of_a_front_that_is_known() {
    let shapes = shapes(&[seen(), seen()], Some("words"));
    let figure = |key: &str| shapes[key]["figure"].as_f64().unwrap();
    // The base lies at (−0.2, −0.5) in shares of the range; both experts gain at least 1.2 of it.
    assert!((figure("A") - 1.2).abs() < 1e-12);
    assert!((figure("B") - 2.0 * 0.1 * 0.9).abs() < 1e-12);
    assert_eq!(figure("B share"), 1.0);
    assert!((figure("E") - (-1.0 - 2.0 - 1.0)).abs() < 1e-12);
    assert!((figure("F") - 0.0).abs() < 1e-12, "no soup falls below its own line");
    assert!((figure("falls") + 1.0).abs() < 1e-12);
    assert!(figure("C") > 1.0 && figure("D") > 1.0 && figure("D equal") > figure("D"));
    for key in ["A", "B", "B share", "E", "falls"] {
        assert_eq!(shapes[key]["holds"], true, "{key}");
        let interval = &shapes[key]["interval"];
        assert!((interval[0].as_f64().unwrap() - figure(key)).abs() < 1e-12, "nothing varies");
    }
    assert_eq!(shapes["F"]["holds"], Value::Null);
    assert!(shapes.get("lora").is_none(), "what a study does not have is not judged");
}

#[test]
fn experts_that_do_not_trade_are_a_failure_and_not_a_gap() {
    let mut other = seen();
    let corner = other.at(Role::Soup, &[0.0, 1.0]).unwrap();
    other.candidates[corner].scores[1] = vec![-1.0; 4];
    let shapes = shapes(&[seen(), other], None);
    assert_eq!((&shapes["B"]["holds"], &shapes["B"]["figure"]), (&false.into(), &Value::Null));
    assert!(shapes["B"]["why"].as_str().unwrap().contains("do not trade"));
}

#[test]
fn gains_are_shares_of_what_the_own_expert_gains() {
    let seen = seen();
    let means = Means::of(&seen);
    let middle = seen.at(Role::Soup, &[0.5, 0.5]).unwrap();
    let gains = gains(&seen, &means, middle).unwrap();
    assert!((gains[0] - 9.5 / 12.0).abs() < 1e-12 && (gains[1] - 2.5 / 3.0).abs() < 1e-12);
}
