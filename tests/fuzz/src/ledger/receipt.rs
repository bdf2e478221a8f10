//! The promises of the readers of receipts and of offline proofs.

use potluck_log::{TlogProof, VerifierKey};
use potluck_wire::Receipt;

use super::world::{histories, record, signer, story};

/// Reads a proof as it is kept in a file, and a receipt as it is sent.
pub fn receipt(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    proof(text);
    if let Ok(receipt) = serde_json::from_str::<Receipt>(text) {
        let written = serde_json::to_string(&receipt).unwrap();
        assert_eq!(serde_json::from_str::<Receipt>(&written).unwrap(), receipt);
        verified(&receipt);
        proof(&receipt.proof);
    }
}

fn proof(text: &str) {
    let Ok(proof) = text.parse::<TlogProof>() else { return };
    assert_eq!(proof.to_string(), text, "it is written as it was read");
    let key = signer();
    for (history, leaf) in [(0, 3), (1, 11)] {
        let record = record(history, leaf);
        let Ok(logged) = proof.verify(&record, key.verifier_key()) else { continue };
        // The log of the play signed nothing but its two histories.
        assert_eq!((logged.index(), proof.index()), (leaf, leaf));
        let size = logged.checkpoint().size();
        let roots = [0, 1].map(|history| histories().root(history, size));
        assert!(leaf < size && roots.contains(&logged.checkpoint().root()));
    }
}

/// A receipt holds for one envelope of the committed ledger at most, and that is the one at its place.
fn verified(receipt: &Receipt) {
    let log: VerifierKey = LOG.parse().unwrap();
    for (index, entry) in story().entries.iter().enumerate() {
        if let Ok(logged) = receipt.verify(entry.envelope(), &log) {
            assert_eq!((logged.index(), receipt.index), (index as u64, index as u64));
            assert_eq!(receipt.record.as_bytes(), entry.record());
        }
    }
}

/// The key of the committed ledger's log.
const LOG: &str = "potluck/vectors+add2f1e6+AQxx0mhVbuOpsV98yNv14h+sgpMer2fYwopUBhR5U1Kt";
