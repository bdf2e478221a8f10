use ed25519_dalek::SigningKey;

use super::*;
use crate::checkpoint::Checkpoint;
use crate::key::NoteSigner;
use crate::tree::Tree;

fn log() -> NoteSigner {
    NoteSigner::new("example.org/log".parse().unwrap(), SigningKey::from_bytes(&[1; 32]))
}

/// A tree whose leaf `changed` is another than everybody else's.
fn tree(size: u64, changed: Option<u64>) -> Tree {
    let mut tree = Tree::new();
    for n in 0..size {
        tree.push(&(if Some(n) == changed { u64::MAX - n } else { n }).to_be_bytes());
    }
    tree
}

fn signed(size: u64, root: Hash, state: u8) -> SignedCheckpoint {
    let origin = log().verifier_key().name().clone();
    let note = Checkpoint { origin, size, root, state: [state; 32] }.sign(&log());
    SignedCheckpoint::open(&note, log().verifier_key()).unwrap()
}

/// The consistency path with the old root in front where it is left out.
fn ancestry(tree: &Tree, old: u64, new: u64) -> Vec<Hash> {
    let front = old.is_power_of_two().then(|| tree.root_at(old).unwrap());
    let proof = tree.consistency(old, new).unwrap();
    front.into_iter().chain(proof.hashes().iter().copied()).collect()
}

fn judged(evidence: &ForkEvidence) -> Result<ForkKind, NotAFork> {
    let text = evidence.to_string();
    let read: ForkEvidence = text.parse().unwrap();
    assert_eq!(&read, evidence);
    read.verify(log().verifier_key()).map(|proof| proof.kind())
}

#[test]
fn one_size_and_two_texts_are_a_fork() {
    let (a, b) = (tree(5, None).root(), tree(5, Some(2)).root());
    let of = |one: SignedCheckpoint, other: SignedCheckpoint| {
        judged(&ForkEvidence::of_one_size(&one, &other))
    };
    assert_eq!(of(signed(5, a, 0), signed(5, b, 0)), Ok(ForkKind::TwoRoots));
    assert_eq!(of(signed(5, a, 0), signed(5, b, 1)), Ok(ForkKind::TwoRoots));
    assert_eq!(of(signed(5, a, 0), signed(5, a, 1)), Ok(ForkKind::TwoStates));
    assert_eq!(of(signed(5, a, 0), signed(5, a, 0)), Err(NotAFork::Same));
    let needless = ForkEvidence::rewritten(&signed(5, a, 0), &signed(5, b, 0), vec![a]).unwrap();
    let wrong = NotAFork::WrongLength { count: 1, older: 5, newer: 5 };
    assert_eq!(judged(&needless), Err(wrong));
    let wrong = NotAFork::WrongLength { count: 0, older: 5, newer: 6 };
    assert_eq!(of(signed(5, a, 0), signed(6, b, 0)), Err(wrong));
    let order = NotAFork::Order { older: 6, newer: 5 };
    assert_eq!(of(signed(6, a, 0), signed(5, b, 0)), Err(order));
}

#[test]
fn every_rewritten_past_is_proved_and_every_honest_one_is_not() {
    const LARGEST: u64 = 34;
    let honest = tree(LARGEST, None);
    for changed in [0, 3, 15, 16, 31] {
        let forked = tree(LARGEST, Some(changed));
        for new in 1..=LARGEST {
            for old in 1..new {
                let root = |tree: &Tree, size| tree.root_at(size).unwrap();
                let older = signed(old, root(&honest, old), 1);
                let path = ancestry(&forked, old, new);
                let newer = signed(new, root(&forked, new), 2);
                let evidence = ForkEvidence::rewritten(&older, &newer, path.clone()).unwrap();
                let expected = if changed < old {
                    Ok(ForkKind::Rewritten { root: root(&forked, old) })
                } else {
                    Err(NotAFork::Consistent)
                };
                assert_eq!(
                    evidence.contradiction(&older, &newer),
                    expected,
                    "{changed}: {old} to {new}"
                );
                // The path of one tree says nothing of another.
                if changed < new {
                    let newer = signed(new, root(&honest, new), 2);
                    let evidence = ForkEvidence::rewritten(&older, &newer, path).unwrap();
                    assert_eq!(
                        evidence.contradiction(&older, &newer),
                        Err(NotAFork::OtherTree),
                        "{changed}: {old} to {new}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_rewritten_past_is_proved_to_whoever_has_the_text_and_the_key() {
    let (honest, forked) = (tree(11, None), tree(23, Some(4)));
    let (older, newer) = (signed(11, honest.root(), 1), signed(23, forked.root(), 2));
    let path = ancestry(&forked, 11, 23);
    let evidence = ForkEvidence::rewritten(&older, &newer, path.clone()).unwrap();
    let root = forked.root_at(11).unwrap();
    assert_eq!(judged(&evidence), Ok(ForkKind::Rewritten { root }));
    let proof = evidence.verify(log().verifier_key()).unwrap();
    assert_eq!((proof.older(), proof.newer()), (&older, &newer));

    let name = log().verifier_key().name().clone();
    let stranger = NoteSigner::new(name, SigningKey::from_bytes(&[2; 32]));
    assert!(matches!(evidence.verify(stranger.verifier_key()), Err(NotAFork::Older(_))));
    for at in 0..path.len() {
        let mut altered = path.clone();
        altered[at].0[at] ^= 1;
        let evidence = ForkEvidence::rewritten(&older, &newer, altered).unwrap();
        assert_eq!(judged(&evidence), Err(NotAFork::OtherTree));
        let shorter = [&path[..at], &path[at + 1..]].concat();
        let evidence = ForkEvidence::rewritten(&older, &newer, shorter).unwrap();
        assert!(judged(&evidence).is_err());
    }
}

#[test]
fn a_false_root_of_the_empty_tree_is_proof_alone() {
    let newer = signed(3, tree(3, None).root(), 1);
    let of =
        |root| judged(&ForkEvidence::rewritten(&signed(0, root, 0), &newer, Vec::new()).unwrap());
    let root = Hash::empty_root();
    assert_eq!(of(root), Err(NotAFork::Consistent));
    assert_eq!(of(Hash([1; 32])), Ok(ForkKind::Rewritten { root }));
}

#[test]
fn each_malformed_evidence_has_its_name() {
    let (a, b) = (tree(5, None).root(), tree(5, Some(2)).root());
    let good = ForkEvidence::of_one_size(&signed(5, a, 0), &signed(5, b, 0)).to_string();
    let refused = |text: &str| text.parse::<ForkEvidence>().unwrap_err();
    let json = |text: &str| matches!(refused(text), ParseEvidenceError::Json(_));
    assert!(json(""));
    assert!(json(&good.replace("\"newer\"", "\"never\"")));
    assert!(json(&good.replace("[]", "[],\"more\":1")));
    assert!(json(&good.replace("[]", "[\"00\"]")));
    let version = good.replace("fork/1", "fork/2");
    assert!(matches!(refused(&version), ParseEvidenceError::Format));
    let note = good.replacen("— ", "- ", 1);
    assert!(matches!(refused(&note), ParseEvidenceError::Note(_)));
    let hashes = vec![format!("\"{a}\""); 65].join(",");
    let long = good.replace("[]", &format!("[{hashes}]"));
    let TooManyHashes { count } = match refused(&long) {
        ParseEvidenceError::Ancestry(too_many) => too_many,
        other => unreachable!("{other}"),
    };
    assert_eq!(count, 65);
    let huge = " ".repeat(MAX_EVIDENCE_BYTES + 1);
    assert!(matches!(refused(&huge), ParseEvidenceError::TooLong { .. }));
}
