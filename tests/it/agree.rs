//! Agree: λ follows from all proposals, and from nothing else.

use support::checkpoint::SMALL;
use support::federation::{Federation, PARTIES};

#[test]
fn nothing_is_published_before_everybody_proposed() {
    let federation = Federation::with_parties(SMALL).unwrap();
    assert_eq!(federation.operator(&["round", "open"], &[]).error_code(), "round-wrong");
    for party in PARTIES {
        federation.push(party, &federation.expert(party).unwrap()).succeeded();
    }
    federation.operator(&["round", "open"], &[]).succeeded();
    federation.propose("agency", "agency=0.5,checkers=0.25,readers=0.25").succeeded();
    let ended = federation.operator(&["publish"], &[]);
    assert_eq!((ended.code, ended.error_code().as_str()), (Some(4), "round-wrong"));
}

#[test]
fn a_lambda_over_other_parties_is_refused() {
    let federation = Federation::agreed(SMALL).unwrap();
    federation.operator(&["publish"], &[]).succeeded();
    federation.operator(&["round", "open"], &[]).succeeded();
    let before = federation.checkpoint();
    for lambda in ["agency=1", "agency=0.5,checkers=0.5,strangers=0"] {
        let ended = federation.propose("agency", lambda);
        assert_ne!(ended.code, Some(0), "{ended:?}");
    }
    assert_eq!(federation.propose("agency", "agency=0.5,checkers=0.4,readers=0").code, Some(3));
    assert_eq!(federation.checkpoint(), before);
}
