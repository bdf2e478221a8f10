//! The promises of fork evidence: what is forked can be shown, and no honest log can be accused.

use potluck_log::{ForkEvidence, ForkKind};

use super::steps::Steps;
use super::world::{FORK, LEAVES, histories, signer};

/// Reads evidence as text, and plays an accusation.
pub fn evidence(bytes: &[u8]) {
    if let Some(evidence) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()) {
        let evidence: ForkEvidence = evidence;
        let text = evidence.to_string();
        let again: ForkEvidence = text.parse().unwrap();
        assert_eq!((&again, again.to_string()), (&evidence, text));
        let _ = evidence.verify(signer().verifier_key());
    }
    accusation(&mut Steps(bytes));
}

fn accusation(steps: &mut Steps<'_>) {
    let histories = histories();
    let [older, newer, path] = [(); 3].map(|()| steps.below(2) as usize);
    let [older_state, newer_state] = [(); 2].map(|()| steps.below(2) as u8);
    let (old, new) = (steps.below(LEAVES + 1), steps.below(LEAVES + 1));
    let (low, high) = (old.min(new), old.max(new));
    let tree = &histories.trees[path];
    let front = (low.is_power_of_two() && low < high).then(|| tree.root_at(low).unwrap());
    let consistency = tree.consistency(low, high).unwrap();
    let mut hashes: Vec<_> = front.into_iter().chain(consistency.hashes().to_vec()).collect();
    steps.tamper(&mut hashes, &histories.hashes);
    let one = histories.signed(older, old, older_state);
    let other = histories.signed(newer, new, newer_state);
    let evidence = ForkEvidence::rewritten(one, other, hashes).unwrap();

    let same_root = old == new && histories.root(older, old) == histories.root(newer, new);
    // Trees of both histories are one up to the fork.
    let same_past = older == newer || old.min(new) <= FORK;
    match evidence.verify(signer().verifier_key()).map(|proof| proof.kind()) {
        Ok(ForkKind::TwoRoots) => assert!(old == new && !same_root),
        Ok(ForkKind::TwoStates) => assert!(same_root && older_state != newer_state),
        Ok(ForkKind::Rewritten { root }) => {
            assert!(old < new && !same_past, "an honest log is accused");
            assert_eq!(root, histories.root(newer, old));
        }
        Err(_) => (),
    }
    // Of one size, the two checkpoints alone are enough.
    let plain = ForkEvidence::of_one_size(one, other).verify(signer().verifier_key());
    if old == new {
        assert_eq!(plain.is_ok(), !same_root || older_state != newer_state);
    }
    // Of two sizes, the newer tree's own path is.
    if 0 < old && old < new {
        let tree = &histories.trees[newer];
        let front = old.is_power_of_two().then(|| tree.root_at(old).unwrap());
        let path = tree.consistency(old, new).unwrap();
        let path = front.into_iter().chain(path.hashes().to_vec()).collect();
        let honest = ForkEvidence::rewritten(one, other, path).unwrap();
        assert_eq!(honest.verify(signer().verifier_key()).is_ok(), !same_past);
    }
}
