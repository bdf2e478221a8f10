use super::*;

use crate::checkpoint::Checkpoint;
use crate::consistency::ConsistencyProof;
use crate::hash::Hash;
use crate::key::NoteSigner;

const TIME: u64 = 1_679_315_147;

fn secret(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn log() -> NoteSigner {
    NoteSigner::new("example.com/behind-the-sofa".parse().unwrap(), secret(1))
}

fn witness(name: &str, seed: u8) -> Cosigner {
    Cosigner::new(name.parse().unwrap(), secret(seed))
}

/// A checkpoint of the empty tree, which anybody can tell to be consistent.
fn empty(state: u8) -> (SignedCheckpoint, Consistent) {
    let root = Hash::empty_root();
    let origin = log().verifier_key().name().clone();
    let note = Checkpoint { origin, size: 0, root, state: [state; 32] }.sign(&log());
    let consistent = ConsistencyProof::from_hashes(vec![]).unwrap().verify(0, &root, 0, &root);
    (SignedCheckpoint::open(&note, log().verifier_key()).unwrap(), consistent.unwrap())
}

fn line(witness: &Cosigner, time: u64) -> String {
    let (checkpoint, consistent) = empty(0xab);
    format!("{}\n", witness.cosign(&checkpoint, &consistent, time).unwrap())
}

fn names(cosigned: &[Cosigned]) -> Vec<(&str, u64)> {
    cosigned.iter().map(|one| (one.witness().as_str(), one.time())).collect()
}

#[test]
fn the_signed_bytes_and_the_key_line_are_known() {
    // Made independently, by Python's hashlib and OpenSSL.
    let w1 = witness("witness.example.com/w1", 3);
    assert_eq!(
        line(&w1, TIME),
        "— witness.example.com/w1 hL7HcAAAAABkGFDL/J4cn5tUtXqxHbpzaszVfntkzeQfPZCpfi14ZlGN6eYwPx+i+\
         18qpXOlRu6SDSigDCtBpZUQTPgW4cH45VAbDg==\n"
    );
    let vkey = "witness.example.com/w1+84bec770+BO1JKMYo0cLG6ukDOJBZlWEpWSc6XGP5NjbBRhSshzfR";
    assert_eq!(w1.cosigner_key().to_string(), vkey);
    assert_eq!(vkey.parse().as_ref(), Ok(w1.cosigner_key()));
}

#[test]
fn the_roles_of_a_log_and_of_a_witness_are_not_exchanged() {
    let wrong = |found, expected| Some(VerifierKeyError::Algorithm { found, expected });
    let log_key = log().verifier_key().to_string();
    assert_eq!(log_key.parse::<CosignerKey>().err(), wrong(1, 4));
    let witness_key = witness("w.example", 3).cosigner_key().to_string();
    assert_eq!(witness_key.parse::<crate::VerifierKey>().err(), wrong(4, 1));
    // One key under one name has two ids: the one's line is not the other's.
    let same = witness("example.com/behind-the-sofa", 1);
    let (checkpoint, _) = empty(0xab);
    assert_eq!(checkpoint.cosigned_by(&[same.cosigner_key().clone()]), Ok(vec![]));
}

#[test]
fn cosignatures_are_added_found_and_counted_once() {
    let (a, b) = (witness("a.example", 3), witness("b.example", 4));
    let stranger = witness("c.example", 5);
    let keys = [a.cosigner_key().clone(), b.cosigner_key().clone()];
    let (mut checkpoint, _) = empty(0xab);
    let answer = [line(&a, TIME), line(&stranger, TIME)].concat();
    let added = checkpoint.add_cosignatures(&answer, &keys).unwrap();
    assert_eq!(names(&added), [("a.example", TIME)]);
    checkpoint.add_cosignatures(&line(&b, TIME + 9), &keys).unwrap();
    checkpoint.add_cosignatures(&line(&a, TIME + 1), &keys).unwrap();
    checkpoint.add_cosignatures(&line(&a, TIME - 1), &keys).unwrap();

    let read = SignedCheckpoint::open(checkpoint.note(), log().verifier_key()).unwrap();
    assert_eq!(read, checkpoint);
    let found = read.cosigned_by(&keys).unwrap();
    assert_eq!(names(&found), [("a.example", TIME + 1), ("b.example", TIME + 9)]);
    assert_eq!(read.parsed_note().signatures().len(), 3);
    assert_eq!(read.cosigned_by(&[]), Ok(vec![]));
}

#[test]
fn one_key_with_two_names_is_one_witness() {
    // The name is not signed, so the second line needs no second secret.
    let (a, twin) = (witness("a.example", 3), witness("twin.example", 3));
    let renamed = witness("a.example", 4);
    let keys = [&a, &twin, &renamed].map(|one| one.cosigner_key().clone());
    let (mut checkpoint, _) = empty(0xab);
    let lines = [line(&a, TIME), line(&twin, TIME), line(&renamed, TIME)].concat();
    checkpoint.add_cosignatures(&lines, &keys).unwrap();
    assert_eq!(names(&checkpoint.cosigned_by(&keys).unwrap()), [("a.example", TIME)]);
}

#[test]
fn every_flipped_bit_is_refused() {
    let key = witness("a.example", 3);
    let keys = [key.cosigner_key().clone()];
    let line = line(&key, TIME);
    let (mut checkpoint, _) = empty(0xab);
    for at in 0..line.len() {
        for bit in 0..8 {
            let mut bytes = line.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(altered) = String::from_utf8(bytes) else { continue };
            let added = checkpoint.add_cosignatures(&altered, &keys);
            assert!(added.is_err() || added == Ok(vec![]), "bit {bit} of byte {at}");
        }
    }
    assert_eq!(checkpoint, empty(0xab).0);
}

#[test]
fn a_false_line_of_a_known_witness_spoils_the_checkpoint() {
    let key = witness("a.example", 3);
    let keys = [key.cosigner_key().clone()];
    let bad = CosignatureError::Bad { witness: "a.example".into() };
    // The line of another state: the extension line is cosigned too.
    let (mut other, _) = empty(0xac);
    assert_eq!(other.add_cosignatures(&line(&key, TIME), &keys), Err(bad.clone()));
    let spoiled = format!("{}{}", other.note(), line(&key, TIME));
    let spoiled = SignedCheckpoint::open(&spoiled, log().verifier_key()).unwrap();
    assert_eq!(spoiled.cosigned_by(&keys), Err(bad));
    // A true line of that witness takes the false one's place, whatever time that claims.
    let mut cured = spoiled;
    let (_, consistent) = empty(0xac);
    let line = key.cosign(&cured, &consistent, TIME - 1).unwrap();
    cured.add_cosignatures(&format!("{line}\n"), &keys).unwrap();
    assert_eq!(names(&cured.cosigned_by(&keys).unwrap()), [("a.example", TIME - 1)]);
}

#[test]
fn times_and_trees_that_no_witness_states_are_refused() {
    let key = witness("a.example", 3);
    let (checkpoint, consistent) = empty(0xab);
    for time in [0, MAX_COSIGNATURE_TIME + 1, u64::MAX] {
        let refused = key.cosign(&checkpoint, &consistent, time);
        assert_eq!(refused, Err(CosignError::Time { time }));
    }
    let (none, one) = (ConsistencyProof::from_hashes(vec![]).unwrap(), Hash([1; 32]));
    let other = none.verify(0, &Hash::empty_root(), 1, &one).unwrap();
    assert_eq!(key.cosign(&checkpoint, &other, TIME), Err(CosignError::OtherTree));
    // A zero time, truly signed.
    let text = checkpoint.parsed_note().text();
    let mut signature = vec![0; 8];
    signature.extend(secret(3).sign(message(0, text).as_bytes()).to_bytes());
    assert_eq!(key.cosigner_key().time_of(&signature, text), None);
}

#[test]
fn a_checkpoint_holds_so_many_signatures_and_no_more() {
    let many: Vec<Cosigner> = (0..64).map(|n| witness(&format!("w{n}.example"), 100 + n)).collect();
    let keys: Vec<CosignerKey> = many.iter().map(|one| one.cosigner_key().clone()).collect();
    let (mut checkpoint, _) = empty(0xab);
    let lines: String = many[..63].iter().map(|one| line(one, TIME)).collect();
    assert_eq!(checkpoint.add_cosignatures(&lines, &keys).unwrap().len(), 63);
    let full = checkpoint.add_cosignatures(&line(&many[63], TIME), &keys);
    assert_eq!(full, Err(CosignatureError::TooMany));
    assert_eq!(checkpoint.cosigned_by(&keys).unwrap().len(), 63);
}
