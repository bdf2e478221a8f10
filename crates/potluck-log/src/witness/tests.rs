use std::convert::Infallible;

use ed25519_dalek::SigningKey;

use super::*;
use crate::checkpoint::Checkpoint;
use crate::consistency::ConsistencyProof;
use crate::evidence::ForkKind;
use crate::key::NoteSigner;
use crate::tree::{MAX_TREE_SIZE, Tree};

const TIME: u64 = 1_679_315_147;

fn log() -> NoteSigner {
    NoteSigner::new("example.org/log".parse().unwrap(), SigningKey::from_bytes(&[1; 32]))
}

fn witness() -> Witness {
    let name = "witness.example/w1".parse().unwrap();
    let mut witness = Witness::new(Cosigner::new(name, SigningKey::from_bytes(&[3; 32])));
    witness.watch(log().verifier_key().clone(), None).unwrap();
    witness
}

fn tree(size: u64, salt: u8) -> Tree {
    let mut tree = Tree::new();
    (0..size).for_each(|n| _ = tree.push(&[&n.to_be_bytes()[..], &[salt]].concat()));
    tree
}

fn note(size: u64, root: Hash, state: u8) -> String {
    let origin = log().verifier_key().name().clone();
    Checkpoint { origin, size, root, state: [state; 32] }.sign(&log())
}

/// The request for the tree's first `new` leaves, after its first `old`.
fn request(tree: &Tree, old: u64, new: u64, state: u8) -> String {
    let note = note(new, tree.root_at(new).unwrap(), state);
    let checkpoint = SignedCheckpoint::open(&note, log().verifier_key()).unwrap();
    AddCheckpoint::new(old, tree.consistency(old, new).unwrap(), &checkpoint).to_string()
}

fn ask(witness: &mut Witness, request: &str) -> WitnessAnswer {
    let Ok(answer) = witness.add_checkpoint(request.as_bytes(), TIME, |_| Ok::<(), Infallible>(()));
    answer
}

fn latest(witness: &Witness) -> u64 {
    witness.latest(log().verifier_key().name()).map_or(0, SignedCheckpoint::size)
}

#[test]
fn an_honest_log_is_cosigned_all_the_way() {
    let (mut witness, tree) = (witness(), tree(40, 0));
    let keys = [witness.key().clone()];
    let mut before = 0;
    for size in [0, 0, 1, 1, 2, 7, 8, 33, 40] {
        let body = request(&tree, before, size, size as u8);
        assert_eq!(AddCheckpoint::parse(body.as_bytes()).unwrap().to_string(), body);
        let answer = ask(&mut witness, &body);
        assert_eq!((answer.status(), latest(&witness)), (200, size), "{answer:?}");
        let mut checkpoint = SignedCheckpoint::open(
            &note(size, tree.root_at(size).unwrap(), size as u8),
            log().verifier_key(),
        )
        .unwrap();
        let added = checkpoint.add_cosignatures(&answer.body(), &keys).unwrap();
        assert_eq!(added[0].time(), TIME);
        assert_eq!(witness.latest(checkpoint.origin()), Some(&checkpoint));
        before = size;
    }
}

#[test]
fn each_refusal_has_the_specifications_status_and_changes_nothing() {
    let (mut witness, tree, other) = (witness(), tree(40, 0), tree(40, 1));
    assert_eq!(ask(&mut witness, &request(&tree, 0, 20, 0)).status(), 200);
    let before = witness.latest(log().verifier_key().name()).cloned();
    let good = request(&tree, 20, 30, 0);
    let (head, checkpoint) = good.split_once("\n\n").unwrap();
    let first = head.lines().nth(1).unwrap();
    let foreign = "example.org/other\n30\n";
    let cases = [
        (400, String::new()),
        (400, good.replace("old 20", "old 020")),
        (400, good.replace("old 20", "new 20")),
        (400, good.replace(first, "AAAA")),
        (400, format!("{head}\n{checkpoint}")),
        (400, format!("{head}\n{}\n{checkpoint}", format!("{first}\n").repeat(63))),
        (400, request(&tree, 0, 30, 0).replace("old 0", "old 31")),
        (403, good.replace("potluck-state/1 00", "potluck-state/1 01")),
        (403, good.replace("— example.org/log", "— example.org/lag")),
        (404, good.replace("example.org/log\n30\n", foreign)),
        (409, good.replace("old 20", "old 19")),
        (409, good.replace("old 20", "old 0")),
        (409, request(&tree, 0, 10, 0)),
        (422, good.replace(&format!("{first}\n"), "")),
        (422, good.replace(first, &Hash([9; 32]).to_base64())),
        (422, request(&other, 20, 30, 0)),
        (422, request(&other, 20, 20, 0)),
        (422, request(&tree, 20, 20, 1)),
        (422, request(&tree, 20, 20, 0).replace("old 20\n", &format!("old 20\n{first}\n"))),
    ];
    for (status, body) in cases {
        let answer = ask(&mut witness, &body);
        assert_eq!(answer.status(), status, "{body}\n{answer:?}");
        if status == 409 {
            assert_eq!((answer.content_type(), &*answer.body()), ("text/x.tlog.size", "20\n"));
            assert_eq!(AddCheckpoint::parse_conflict(answer.body().as_bytes()), Some(20));
        }
        assert_eq!(witness.latest(log().verifier_key().name()), before.as_ref());
    }
    assert_eq!(ask(&mut witness, &good).status(), 200);
}

#[test]
fn only_this_crates_checkpoints_are_cosigned() {
    let root = tree(3, 0).root().to_base64();
    for body in [
        format!("example.org/log\n3\n{root}\n"),
        format!(
            "example.org/log\n{}\n{root}\npotluck-state/1 {}\n",
            MAX_TREE_SIZE + 1,
            "00".repeat(32)
        ),
    ] {
        let request = format!("old 0\n\n{}", Note::sign(body, &log()));
        assert_eq!(ask(&mut witness(), &request).status(), 400);
    }
    // The empty tree has one root, and the empty tree needs no proof.
    let request = |size, root, proof: &str| format!("old 0\n{proof}\n{}", note(size, root, 0));
    let hash = format!("{root}\n");
    assert_eq!(ask(&mut witness(), &request(0, Hash([1; 32]), "")).status(), 422);
    assert_eq!(ask(&mut witness(), &request(3, Hash([1; 32]), &hash)).status(), 422);
    assert_eq!(ask(&mut witness(), &request(3, Hash([1; 32]), "")).status(), 200);
}

#[test]
fn a_forking_log_leaves_evidence() {
    let (mut witness, tree, other) = (witness(), tree(40, 0), tree(40, 1));
    assert_eq!(ask(&mut witness, &request(&tree, 0, 20, 0)).status(), 200);
    let kind = |answer: WitnessAnswer| {
        let evidence = match answer {
            WitnessAnswer::Refused(WitnessRefusal::Inconsistent { evidence, .. }) => evidence?,
            WitnessAnswer::Refused(WitnessRefusal::OtherState { evidence }) => evidence,
            _ => return None,
        };
        let read: ForkEvidence = evidence.to_string().parse().unwrap();
        read.verify(log().verifier_key()).ok().map(|proof| proof.kind())
    };
    let root = other.root_at(20).unwrap();
    let rewritten = ask(&mut witness, &request(&other, 20, 30, 0));
    assert_eq!(kind(rewritten), Some(ForkKind::Rewritten { root }));
    let two_roots = ask(&mut witness, &request(&other, 20, 20, 0));
    assert_eq!(kind(two_roots), Some(ForkKind::TwoRoots));
    let two_states = ask(&mut witness, &request(&tree, 20, 20, 1));
    assert_eq!(kind(two_states), Some(ForkKind::TwoStates));
    // A spoiled proof accuses nobody.
    let spoiled = request(&tree, 20, 30, 0);
    let first = spoiled.lines().nth(1).unwrap().to_owned();
    let spoiled = spoiled.replace(&first, &Hash([9; 32]).to_base64());
    assert_eq!(kind(ask(&mut witness, &spoiled)), None);
}

#[test]
fn what_cannot_be_kept_is_not_cosigned() {
    let (mut witness, tree) = (witness(), tree(9, 0));
    let body = request(&tree, 0, 9, 0);
    let full = witness.add_checkpoint(body.as_bytes(), TIME, |_| Err("the disk is full"));
    assert_eq!((full, latest(&witness)), (Err("the disk is full"), 0));
    let mut kept = None;
    let answer = witness.add_checkpoint(body.as_bytes(), TIME, |checkpoint| {
        kept = Some(checkpoint.note().to_owned());
        Ok::<(), Infallible>(())
    });
    assert_eq!(answer.unwrap().status(), 200);
    // After a restart it goes on from there, and from nothing older.
    let mut again = self::witness();
    let key = log().verifier_key().clone();
    let kept = SignedCheckpoint::open(&kept.unwrap(), &key).unwrap();
    again.watch(key.clone(), Some(kept.clone())).unwrap();
    again.watch(key.clone(), None).unwrap();
    assert_eq!(again.latest(key.name()), Some(&kept));
    assert_eq!(ask(&mut again, &body).status(), 409);
    let other = NoteSigner::new("example.org/b".parse().unwrap(), SigningKey::from_bytes(&[7; 32]));
    let refused = again.watch(other.verifier_key().clone(), Some(kept)).unwrap_err();
    assert_eq!(refused.found.as_str(), "example.org/log");
}

#[test]
fn a_witness_without_a_clock_cosigns_nothing() {
    let mut witness = witness();
    let body = request(&tree(3, 0), 0, 3, 0);
    let Ok(answer) = witness.add_checkpoint(body.as_bytes(), 0, |_| Ok::<(), Infallible>(()));
    assert_eq!((answer.status(), latest(&witness)), (500, 0));
}

#[test]
fn the_specifications_request_is_read() {
    let body = "old 20852014\n\
        PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\
        jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n\
        5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n\
        /6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n\
        example.com/behind-the-sofa\n20852163\n\
        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhc\
        yv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        — example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/\
        V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n";
    let request = AddCheckpoint::parse(body.as_bytes()).unwrap();
    assert_eq!((request.old_size(), request.proof.hashes().len()), (20_852_014, 4));
    assert_eq!(request.to_string(), body);
    assert_eq!(ask(&mut witness(), body).status(), 404);
    let none = ConsistencyProof::from_hashes(vec![]).unwrap();
    assert_ne!(request.proof, none);
}
