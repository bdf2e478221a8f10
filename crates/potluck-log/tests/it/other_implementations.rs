//! The same bytes as `tlog_tiles` makes, and notes that `signed_note` reads and writes alike.

use potluck_log::{Checkpoint, Hash, Note, SignedCheckpoint, Tree, VerifierKey};
use signed_note::{StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{HashReader, prove_record, prove_tree, stored_hashes, tree_hash};

use crate::{grown, record, signer};

const STATE: [u8; 32] = [0xa5; 32];

/// The extension line that holds [`STATE`].
fn extension() -> String {
    format!("potluck-state/1 {}\n", "a5".repeat(32))
}

/// The hashes that `tlog_tiles` stores, in its order.
pub(crate) struct Stored(Vec<tlog_tiles::Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|&index| self.0[index as usize]).collect())
    }
}

pub(crate) fn stored(size: u64) -> Stored {
    let mut all = Stored(Vec::new());
    for n in 0..size {
        let new = stored_hashes(n, &record(n), &all).unwrap();
        all.0.extend(new);
    }
    all
}

fn bytes(hashes: &[Hash]) -> Vec<[u8; 32]> {
    hashes.iter().map(|hash| hash.0).collect()
}

#[test]
fn roots_and_proofs_are_those_of_tlog_tiles() {
    let (ours, theirs): (Tree, Stored) = (grown(150), stored(150));
    for size in 1..=150 {
        assert_eq!(ours.root_at(size).unwrap().0, tree_hash(size, &theirs).unwrap().0);
        for n in 0..size {
            let proof = prove_record(size, n, &theirs).unwrap();
            let proof: Vec<[u8; 32]> = proof.iter().map(|hash| hash.0).collect();
            assert_eq!(bytes(ours.inclusion(n, size).unwrap().hashes()), proof);

            let proof = prove_tree(size, n + 1, &theirs).unwrap();
            let proof: Vec<[u8; 32]> = proof.iter().map(|hash| hash.0).collect();
            assert_eq!(bytes(ours.consistency(n + 1, size).unwrap().hashes()), proof);
        }
    }
}

#[test]
fn our_checkpoint_is_read_by_others() {
    let signer = signer(1);
    let key = signer.verifier_key();
    let tree = grown(11);
    let ours = Checkpoint { origin: key.name().clone(), size: 11, root: tree.root(), state: STATE };
    let note = ours.sign(&signer);

    let verifier = StandardVerifier::new(&key.to_string()).unwrap();
    let theirs = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
    let (verified, unverified) =
        theirs.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 0));
    assert_eq!(theirs.to_bytes(), note.as_bytes());

    let body = tlog_tiles::Checkpoint::from_bytes(theirs.text()).unwrap();
    assert_eq!(body.origin(), key.name().as_str());
    assert_eq!((body.size(), body.hash().0, body.extension()), (11, tree.root().0, &*extension()));
    assert_eq!(body.to_bytes(), theirs.text());
}

#[test]
fn their_checkpoint_is_read_by_us_and_has_the_same_bytes() {
    let ours = signer(0);
    let key: &VerifierKey = ours.verifier_key();
    // A secret key in the form of Go's `note` package: the seed is 32 zero bytes.
    let [a, b, c, d] = key.id();
    let id = format!("{a:02x}{b:02x}{c:02x}{d:02x}");
    let seed = format!("AQ{}", "A".repeat(42));
    let secret = format!("PRIVATE+KEY+{}+{id}+{seed}", key.name());
    let theirs = StandardSigner::new(&secret).unwrap();

    let root = grown(7).root();
    let (origin, hash) = (key.name().as_str(), tlog_tiles::Hash(root.0));
    let body = tlog_tiles::Checkpoint::new(origin, 7, hash, &extension()).unwrap();
    let mut note = signed_note::Note::new(&body.to_bytes(), &[]).unwrap();
    note.add_sigs(&[&theirs]).unwrap();
    let note = String::from_utf8(note.to_bytes()).unwrap();

    let checkpoint = Checkpoint { origin: key.name().clone(), size: 7, root, state: STATE };
    assert_eq!(checkpoint.sign(&ours), note);
    assert_eq!(SignedCheckpoint::open(&note, key).unwrap().checkpoint(), &checkpoint);
}

#[test]
fn both_refuse_the_same_malformed_notes() {
    let checkpoint = Checkpoint {
        origin: signer(1).verifier_key().name().clone(),
        size: 0,
        root: Hash::empty_root(),
        state: STATE,
    };
    let note = checkpoint.sign(&signer(1));
    for cut in (0..note.len()).filter(|&cut| note.is_char_boundary(cut)) {
        for altered in [note[..cut].to_owned(), format!("{}\n{}", &note[..cut], &note[cut..])] {
            let ours = Note::parse(altered.as_bytes()).is_ok();
            let theirs = signed_note::Note::from_bytes(altered.as_bytes()).is_ok();
            assert_eq!(ours, theirs, "{altered:?}");
        }
    }
}
