//! Lines of witnesses are kept where they are true, and shown where they are enough.

use potluck_core::PrivateKey;
use potluck_log::{ConsistencyProof, Cosigner, Hash, SignedCheckpoint};

use super::*;
use crate::fixture::{genesis_under, party, party_key, witness_key};

const WATCHED: &str = "name = 'news'\nrule = 'mean'\n[parties.agency]\nweight = 1\n\
                       [parties.readers]\nweight = 1\n[witnesses]\nquorum = 2\n";

fn cosigner(name: &str, seed: u8) -> Cosigner {
    let key = PrivateKey::from_seed(&[seed; 32]);
    Cosigner::new(name.parse().unwrap(), key.as_dalek().clone())
}

/// The checkpoint with one more line.
fn cosigned_by(cosigner: &Cosigner, note: &str, ledger: &Ledger, time: u64) -> String {
    let checkpoint = SignedCheckpoint::open(note, ledger.signers().verifier_key()).unwrap();
    let none = ConsistencyProof::from_hashes(vec![]).unwrap();
    let consistent =
        none.verify(0, &Hash::empty_root(), checkpoint.size(), &checkpoint.root()).unwrap();
    format!("{note}{}\n", cosigner.cosign(&checkpoint, &consistent, time).unwrap())
}

/// A federation whose two parties are witnesses, and their cosigners.
fn watched(store: &Memory) -> (Ledger, [Cosigner; 2]) {
    let ledger = open_with(store, &genesis_under(WATCHED, 0)).unwrap();
    let cosigners = [("agency", 50), ("readers", 51)].map(|(name, seed)| {
        say(&ledger, admit(name)).unwrap();
        let (author, key) = (party(name), PrivateKey::from_seed(&[seed; 32]));
        let body = witness_key(&ledger.standing().federation, &author, &key);
        let envelope = sign(&ledger.standing().federation, author, body, &party_key(name));
        ledger.record(warrant(&ledger, &envelope)).unwrap();
        cosigner(&format!("potluck/news/{name}"), seed)
    });
    (ledger, cosigners)
}

fn shown(ledger: &Ledger) -> Option<String> {
    ledger.page(0).unwrap().cosigned
}

fn in_folder(ledger: &Ledger) -> String {
    ledger.settle();
    ArchiveReader::over(Arc::clone(ledger.files())).unwrap().checkpoint().to_owned()
}

#[test]
fn what_enough_witnesses_cosigned_is_shown_also_after_a_restart() {
    let store = Memory::default();
    let (ledger, [agency, readers]) = watched(&store);
    let note = ledger.standing().checkpoint.to_string();
    ledger.cosign(&cosigned_by(&agency, &note, &ledger, 7)).unwrap();
    assert_eq!(shown(&ledger), None);
    // The second witness sends its line alone; both are kept.
    ledger.cosign(&cosigned_by(&readers, &note, &ledger, 8)).unwrap();
    let both = cosigned_by(&readers, &cosigned_by(&agency, &note, &ledger, 7), &ledger, 8);
    assert_eq!(shown(&ledger).as_ref(), Some(&both));
    assert_eq!(in_folder(&ledger), both);
    // The ledger goes on; what is cosigned stays what is shown as such, until more is.
    let key = PrivateKey::from_seed(&[60; 32]);
    let body = witness_key(&ledger.standing().federation, &Author::Operator, &key);
    say(&ledger, body).unwrap();
    assert_ne!(in_folder(&ledger), both);
    assert_eq!(shown(&ledger).as_ref(), Some(&both));
    let reopened = open_with(&store, &genesis_under(WATCHED, 0)).unwrap();
    assert_eq!(shown(&reopened), Some(both));
    invariant_the_folder_is_the_ledger(&reopened);
}

#[test]
fn a_line_that_is_nobodys_or_false_is_refused() {
    let store = Memory::default();
    let (ledger, [agency, readers]) = watched(&store);
    let note = ledger.standing().checkpoint.to_string();
    let code = |note: &str| ledger.cosign(note).unwrap_err().code;
    let stranger = cosigner("potluck/news/stranger", 52);
    let imposter = cosigner("potluck/news/agency", 53);
    let good = cosigned_by(&agency, &note, &ledger, 7);
    let other = cosigned_by(&readers, &note, &ledger, 9);
    // The other's line, altered in the middle of its signature.
    let (head, tail) = other.trim_end().split_at(other.len() - 40);
    let line = format!("{}{}{}", head.lines().last().unwrap(), "A".repeat(20), &tail[20..]);
    for wrong in [
        note.clone(),
        "no note".to_owned(),
        cosigned_by(&stranger, &note, &ledger, 7),
        cosigned_by(&imposter, &note, &ledger, 7),
        format!("{good}{line}\n"),
        good.replacen("potluck/news\n", "potluck/olds\n", 1),
        good.replace("\n5\n", "\n6\n"),
    ] {
        assert_eq!(code(&wrong), Code::CheckpointRefused, "{wrong}");
    }
    // Signed by the log's key, but over another tree: a log that was restored from an older copy, say.
    let forked = open_with(&Memory::default(), &genesis_under(WATCHED, 0)).unwrap();
    say(&forked, admit("readers")).unwrap();
    let fork = cosigned_by(&agency, forked.standing().checkpoint.note(), &forked, 7);
    assert_eq!(code(&fork), Code::CheckpointRefused);
    assert_eq!((shown(&ledger), store.0.lock().unwrap().cosigned.len()), (None, 0));
    // Nothing was kept of them, and the true line is.
    ledger.cosign(&good).unwrap();
    assert_eq!(in_folder(&ledger), good);
}

#[test]
fn who_is_no_longer_a_witness_does_not_count_and_what_is_surpassed_is_dropped() {
    let store = Memory::default();
    let (ledger, cosigners) = watched(&store);
    let cosign_all = |time| {
        for cosigner in &cosigners {
            let note = ledger.standing().checkpoint.to_string();
            ledger.cosign(&cosigned_by(cosigner, &note, &ledger, time)).unwrap();
        }
    };
    let kept = || store.0.lock().unwrap().cosigned.keys().copied().collect::<Vec<u64>>();
    cosign_all(7);
    let old = ledger.standing().checkpoint.to_string();
    assert_eq!(kept(), [5]);
    let (author, key) = (party("readers"), PrivateKey::from_seed(&[70; 32]));
    let body = witness_key(&ledger.standing().federation, &author, &key);
    let envelope = sign(&ledger.standing().federation, author, body, &party_key("readers"));
    ledger.record(warrant(&ledger, &envelope)).unwrap();
    // The key that cosigned is replaced: one of two lines is a witness's now.
    assert_eq!(shown(&ledger), None);
    let newer = [&cosigners[0], &cosigner("potluck/news/readers", 70)];
    for cosigner in newer {
        let note = ledger.standing().checkpoint.to_string();
        ledger.cosign(&cosigned_by(cosigner, &note, &ledger, 9)).unwrap();
    }
    assert_eq!(kept(), [6]);
    assert!(shown(&ledger).unwrap().contains("\n6\n"));
    // What is below the latest with enough lines is true, and of no use.
    ledger.cosign(&cosigned_by(newer[0], &old, &ledger, 10)).unwrap();
    assert_eq!(kept(), [6]);
}
