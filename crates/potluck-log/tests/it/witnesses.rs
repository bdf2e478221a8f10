//! Whatever logs ask of a witness, it never vouches for two histories; and who forks leaves proof.

use std::collections::BTreeMap;
use std::convert::Infallible;

use potluck_log::{
    AddCheckpoint, Checkpoint, Cosigner, CosignerKey, ForkEvidence, ForkKind, Frontier, NotAFork,
    SignedCheckpoint, Tree, Witness, WitnessAnswer, WitnessRefusal,
};
use proptest::prelude::*;
use signed_note::{StandardVerifier, VerifierList};

use crate::{grown, record, signer};

const LARGEST: u64 = 40;

fn cosigner(n: u8) -> Cosigner {
    let key = ed25519_dalek::SigningKey::from_bytes(&[100 + n; 32]);
    Cosigner::new(format!("witness.example/w{n}").parse().unwrap(), key)
}

/// A tree that is everybody's up to leaf `fork`, and its own from there on.
fn history(size: u64, fork: u64) -> Tree {
    let mut tree = Tree::new();
    for n in 0..size {
        tree.push(&record(if n < fork { n } else { n + 1000 * (fork + 1) }));
    }
    tree
}

fn signed(tree: &Tree, size: u64, state: u8) -> SignedCheckpoint {
    let signer = signer(1);
    let origin = signer.verifier_key().name().clone();
    let root = tree.root_at(size).unwrap();
    let note = Checkpoint { origin, size, root, state: [state; 32] }.sign(&signer);
    SignedCheckpoint::open(&note, signer.verifier_key()).unwrap()
}

/// A log that asks for a size of one of its histories, from what it says is the witness's size.
#[derive(Clone, Debug)]
struct Request {
    fork: u64,
    size: u64,
    state: u8,
    /// The witness's own size, or another one.
    old: Option<u64>,
}

fn requests() -> impl Strategy<Value = Vec<Request>> {
    let request = (
        prop_oneof![3 => Just(LARGEST), 1 => 0..LARGEST],
        0..=LARGEST,
        prop_oneof![5 => Just(0u8), 1 => Just(1u8)],
        prop_oneof![4 => Just(None), 1 => (0..=LARGEST).prop_map(Some)],
    );
    let request = request.prop_map(|(fork, size, state, old)| Request { fork, size, state, old });
    prop::collection::vec(request, 1..25)
}

/// Every checkpoint that was cosigned is of one growing history, with one text a size.
fn invariant_one_history(cosigned: &[(Request, SignedCheckpoint)]) {
    let mut texts = BTreeMap::new();
    for pair in cosigned.windows(2) {
        let [(_, before), (request, after)] = pair else { unreachable!() };
        assert!(before.size() <= after.size());
        let tree = history(after.size(), request.fork);
        let proof = tree.consistency(before.size(), after.size()).unwrap();
        let (from, to) = (before.root(), after.root());
        assert!(proof.verify(before.size(), &from, after.size(), &to).is_ok());
    }
    for (_, checkpoint) in cosigned {
        let text = (checkpoint.root(), checkpoint.state());
        assert_eq!(*texts.entry(checkpoint.size()).or_insert(text), text);
    }
}

/// Evidence that a witness hands out convinces anybody, and there is none against an honest log.
fn invariant_evidence_convinces(answer: &WitnessAnswer) {
    let evidence = match answer {
        WitnessAnswer::Refused(WitnessRefusal::Inconsistent {
            evidence: Some(evidence), ..
        }) => evidence,
        WitnessAnswer::Refused(WitnessRefusal::OtherState { evidence }) => evidence,
        _ => return,
    };
    let read: ForkEvidence = evidence.to_string().parse().unwrap();
    assert!(read.verify(signer(1).verifier_key()).is_ok());
    assert!(read.verify(signer(2).verifier_key()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_witness_vouches_for_one_history(requests in requests()) {
        let log = signer(1).verifier_key().clone();
        let mut witness = Witness::new(cosigner(0));
        witness.watch(log.clone(), None).unwrap();
        let keys = [witness.key().clone()];
        let mut cosigned: Vec<(Request, SignedCheckpoint)> = Vec::new();
        for (request, time) in requests.into_iter().zip(1u64..) {
            let before = witness.latest(log.name()).cloned();
            let latest = before.as_ref().map_or(0, SignedCheckpoint::size);
            let old = request.old.unwrap_or(latest);
            let tree = history(request.size.max(old), request.fork);
            let proof = tree.consistency(old, tree.len()).unwrap();
            let mut checkpoint = signed(&tree, request.size, request.state);
            let body = AddCheckpoint::new(old, proof, &checkpoint).to_string();
            let keep = |_: &SignedCheckpoint| Ok::<(), Infallible>(());
            let Ok(answer) = witness.add_checkpoint(body.as_bytes(), time, keep);
            invariant_evidence_convinces(&answer);
            match answer.status() {
                200 => {
                    let added = checkpoint.add_cosignatures(&answer.body(), &keys).unwrap();
                    prop_assert_eq!((added.len(), added[0].time()), (1, time));
                    prop_assert_eq!(old, latest);
                    cosigned.push((request, checkpoint));
                }
                409 => prop_assert_ne!(old, latest),
                _ => prop_assert_eq!(witness.latest(log.name()), before.as_ref()),
            }
        }
        invariant_one_history(&cosigned);
    }

    #[test]
    fn a_fork_is_proved_and_an_extension_is_not(
        (new, old, fork) in (2u64..300).prop_flat_map(|new| (Just(new), 1..new, 0..new)),
        altered in any::<prop::sample::Index>(),
    ) {
        let log = signer(1).verifier_key().clone();
        let (honest, forked) = (history(old, u64::MAX >> 12), history(new, fork));
        let (older, newer) = (signed(&honest, old, 0), signed(&forked, new, 0));
        let front = old.is_power_of_two().then(|| forked.root_at(old).unwrap());
        let proof = forked.consistency(old, new).unwrap();
        let path: Vec<_> = front.into_iter().chain(proof.hashes().iter().copied()).collect();
        let evidence = ForkEvidence::rewritten(&older, &newer, path.clone()).unwrap();
        let read: ForkEvidence = evidence.to_string().parse().unwrap();
        let verdict = read.verify(&log).map(|proof| proof.kind());
        if fork < old {
            let root = forked.root_at(old).unwrap();
            prop_assert_eq!(verdict, Ok(ForkKind::Rewritten { root }));
        } else {
            prop_assert_eq!(verdict, Err(NotAFork::Consistent));
        }
        let mut path = path;
        let at = altered.index(path.len());
        path[at].0[0] ^= 1;
        let spoiled = ForkEvidence::rewritten(&older, &newer, path).unwrap();
        prop_assert_eq!(spoiled.verify(&log).unwrap_err(), NotAFork::OtherTree);
    }

    #[test]
    fn frontiers_go_on_from_any_size(size in 0u64..700, more in 0u64..300) {
        let mut frontier = Frontier::new();
        (0..size).for_each(|n| _ = frontier.push(&record(n)).unwrap());
        let mut again: Frontier = frontier.to_string().parse().unwrap();
        (size..size + more).for_each(|n| _ = again.push(&record(n)).unwrap());
        prop_assert_eq!(again.root(), grown(size + more).root());
        prop_assert_eq!(again.size(), size + more);
    }
}

#[test]
fn a_cosigned_checkpoint_is_read_by_others_and_by_us() {
    let log = signer(1).verifier_key().clone();
    let tree = grown(9);
    let mut checkpoint = signed(&tree, 9, 0);
    let cosigners: Vec<Cosigner> = (0..20).map(cosigner).collect();
    let keys: Vec<CosignerKey> = cosigners.iter().map(|one| one.cosigner_key().clone()).collect();
    for cosigner in cosigners {
        let mut witness = Witness::new(cosigner);
        witness.watch(log.clone(), None).unwrap();
        let body = AddCheckpoint::new(0, tree.consistency(0, 9).unwrap(), &checkpoint).to_string();
        let keep = |_: &SignedCheckpoint| Ok::<(), Infallible>(());
        let Ok(answer) = witness.add_checkpoint(body.as_bytes(), 7, keep);
        checkpoint.add_cosignatures(&answer.body(), &keys).unwrap();
    }
    assert_eq!(checkpoint.cosigned_by(&keys).unwrap().len(), 20);

    let verifier = StandardVerifier::new(&log.to_string()).unwrap();
    let theirs = signed_note::Note::from_bytes(checkpoint.note().as_bytes()).unwrap();
    let (verified, unverified) =
        theirs.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 20));
    assert_eq!(theirs.to_bytes(), checkpoint.note().as_bytes());
}
