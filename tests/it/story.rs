//! The whole story once, small: from a charter to a soup that a stranger recomputes.

use support::checkpoint::SMALL;
use support::federation::{Federation, PARTIES};

#[test]
fn three_parties_one_base_one_soup_that_anyone_can_recompute() {
    let federation = Federation::agreed(SMALL).unwrap();
    let published = federation.operator(&["publish"], &[]).succeeded();
    let lambda = &published["lambda_ppm"];
    assert_eq!((&lambda["agency"], &lambda["readers"]), (&250_000.into(), &500_000.into()));

    let audit = federation.stranger(&["audit"], &[]).succeeded();
    assert_eq!(audit["ok"], true, "{audit}");
    // Genesis, three admissions, three experts, one round, three proposals, one soup.
    assert_eq!(audit["entries"], 12);
    let soup = &audit["soups"][0];
    assert_eq!(soup["blake3"], published["blake3"]);
    assert_eq!(soup["recomputed_blake3"], published["blake3"]);

    let pulled = federation.path("pulled");
    let pulled_text = pulled.display().to_string();
    federation.stranger(&["pull"], &["--out", &pulled_text, "soup"]).succeeded();
    for file in ["model.safetensors", "config.json", "tokenizer.json"] {
        assert!(pulled.join(file).exists(), "{file}");
    }
}

#[test]
fn a_second_round_begins_where_the_first_ended() {
    let federation = Federation::agreed(SMALL).unwrap();
    let first = federation.operator(&["publish"], &[]).succeeded();
    federation.operator(&["round", "open"], &[]).succeeded();
    for party in PARTIES {
        federation.propose(party, "agency=1,checkers=0,readers=0").succeeded();
    }
    let second = federation.operator(&["publish"], &[]).succeeded();
    assert_ne!(first["blake3"], second["blake3"]);
    let audit = federation.stranger(&["audit"], &[]).succeeded();
    assert_eq!(audit["soups"].as_array().map(Vec::len), Some(2));
}
