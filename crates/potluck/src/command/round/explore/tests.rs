//! What-if, on a bargain that was struck, one that was not, and one that is under way.

use super::*;
use crate::command::chronicle::tests::told;
use crate::samples::Story;

fn terms(change: impl FnOnce(&mut Terms)) -> Terms {
    let mut terms = Terms::default();
    change(&mut terms);
    terms
}

/// What is explored of a story's first round, and what it is compared with.
fn explored(story: &Story, terms: &Terms) -> (Would, Vec<Would>, Vec<String>) {
    let (chronicle, ledger) = told(story);
    let (told, round) = chronicle.round(ledger.federation(), None).unwrap();
    let bargain = round.bargain.as_ref().unwrap();
    let agreed = told.agreements.last().map(|(_, it)| &it.lambda);
    let against = reference(&told.charter, bargain, agreed).unwrap();
    let variations = terms.variations(&told.charter).unwrap();
    let explored: Vec<_> = variations.iter().map(|it| Would::of(it, bargain).unwrap()).collect();
    let words = words(told, bargain, &against, &explored);
    (against, explored, words)
}

fn id(party: &str) -> PartyId {
    party.parse().unwrap()
}

#[test]
fn the_charter_s_own_choice_is_nobody_s_regret() {
    for rule in ["nash", "leximin", "utilitarian", "alpha_half", "alpha_two", "alpha_sixteen"] {
        for rest in ["", "veto = true\n"] {
            let story = Story::bargained(&format!("rule = '{rule}'\n{rest}"));
            let (agreed, all, words) = explored(&story, &Terms::default());
            assert_eq!(all.len(), 6);
            let own = all.iter().find(|it| it.name == rule).unwrap();
            assert_eq!((own.candidate, own.is_confirmed), (agreed.candidate, true), "{rule}");
            for party in agreed.gains.keys() {
                assert_eq!(own.regret(&agreed, party), Some(0));
                assert!(own.short_of_best(party).unwrap() >= 0);
            }
            assert!(words[0].starts_with("Without force: nothing of this is signed or recorded"));
        }
    }
}

#[test]
fn other_terms_choose_otherwise() {
    let story = Story::bargained("");
    let lighter = terms(|it| it.weight = vec![(id("agency"), 1)]);
    let (agreed, all, _) = explored(&story, &lighter);
    assert_eq!(all[0].name, "weight agency=1");
    // Who has less weight gains no more by it.
    assert!(all[0].regret(&agreed, &id("agency")).unwrap() >= 0);
    let capped = terms(|it| it.cap = vec![(id("agency"), 340_000)]);
    let (_, all, _) = explored(&story, &capped);
    assert!(!all[0].is_fallback && all[0].excluded > 0);
    let none = terms(|it| it.floor = vec![(id("readers"), 590_000), (id("agency"), 300_000)]);
    let (agreed, all, words) = explored(&story, &none);
    assert!(all[0].is_fallback, "no candidate leaves so much to both");
    assert!(agreed.gains.len() == 3 && words.iter().any(|line| line.contains("(no deal)")));
}

#[test]
fn without_a_party_its_face_of_the_simplex_is_left() {
    let story = Story::bargained("");
    let (chronicle, ledger) = told(&story);
    let bargain = ledger.federation().rounds()[0].bargain.clone().unwrap();
    drop(chronicle);
    let alone = terms(|it| it.without = vec![id("readers")]);
    let (_, all, _) = explored(&story, &alone);
    let lambda = all[0].lambda(&bargain).unwrap();
    assert!(all[0].is_fallback || lambda.ppm()[&id("readers")] == 0);
    assert!(!all[0].gains.contains_key(&id("readers")));
}

#[test]
fn what_no_charter_can_have_is_refused() {
    let charter = potluck_core::Charter::from_toml(&crate::samples::bargain::charter("")).unwrap();
    let refused = |change: fn(&mut Terms)| {
        terms(change).variations(&charter).unwrap_err().message().to_owned()
    };
    assert!(refused(|it| it.weight = vec![(id("agency"), 0)]).contains("weight is 0"));
    assert!(refused(|it| it.floor = vec![(id("agency"), 990_000)]).contains("floors sum to"));
    assert!(refused(|it| it.without = vec![id("nobody")]).contains("names no party nobody"));
}

#[test]
fn before_there_are_scores_nothing_would_be_chosen() {
    let (against, all, _) = explored(&Story::entitled(""), &Terms::default());
    assert!(against.is_fallback && all.iter().all(|it| it.is_fallback && it.gains.is_empty()));
}
