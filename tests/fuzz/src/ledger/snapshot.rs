//! The promises of the reader of snapshots: what it takes is a state, and a ledger goes on from it.

use potluck_core::{Blake3, Federation};

use super::world::story;

/// Reads a snapshot, and goes on from it with whatever the committed ledger says.
pub fn snapshot(bytes: &[u8]) {
    let Ok(state) = Federation::from_snapshot(bytes) else { return };
    assert_eq!(state.snapshot(), bytes, "one state has one text");
    assert_eq!(state.digest(), Blake3::of(bytes));
    state.base_weights();
    state.witnesses();
    for round in state.rounds() {
        let _ = state.recipe(round);
    }
    for entry in &story().entries {
        let mut after = state.clone();
        if after.apply(state.size(), entry).is_ok() {
            assert_eq!(after.size(), state.size() + 1);
            assert_eq!(Federation::from_snapshot(&after.snapshot()).unwrap(), after);
        } else {
            assert_eq!(after, state, "a refusal leaves a trace");
        }
    }
}
