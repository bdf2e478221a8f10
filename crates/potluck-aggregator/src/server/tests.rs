//! The federation as the network calls it: the story, its refusals, and what a kill leaves.

mod disk;
mod members;
mod network;

use std::fs;
use std::io::Read;
use std::path::Path;

use potluck_core::manifest::WEIGHTS;
use potluck_core::{Author, Body, Manifest, PrivateKey};
use potluck_log::{SignedCheckpoint, TlogProof, Tree, VerifierKey};

use super::*;
use crate::fixture::*;
use crate::start::StartError;
use crate::store::{LockError, StoreError};

fn code<T>(result: Result<T, Refusal>) -> Code {
    result.err().expect("a refusal").code
}

/// What an auditor does with a served ledger.
fn invariant_the_served_ledger_verifies(aggregator: &Aggregator) {
    let page = aggregator.ledger(0).unwrap();
    let key: VerifierKey = aggregator.verifier_key().parse().unwrap();
    let checkpoint = SignedCheckpoint::open(&page.checkpoint, &key).unwrap();
    let mut federation = potluck_core::Federation::found(&page.entries[0]).unwrap();
    let mut tree = Tree::new();
    tree.push(page.entries[0].record());
    for (index, entry) in page.entries.iter().enumerate().skip(1) {
        federation.apply(index as u64, entry).unwrap();
        tree.push(entry.record());
    }
    assert_eq!((tree.len(), tree.root()), (checkpoint.size(), checkpoint.root()));
    assert_eq!(checkpoint.state(), *federation.digest().as_bytes());
    assert_eq!(aggregator.standing().federation, federation);
}

fn fetched(aggregator: &Aggregator, peer: &PrivateKey, content: &[u8]) -> Result<(), Refusal> {
    let stored = aggregator.fetch(&peer.public(), &Blake3::of(content))?;
    assert_eq!(fs::read(stored.data).unwrap(), content);
    assert_eq!(stored.size, content.len() as u64);
    assert!(stored.outboard.is_file());
    Ok(())
}

#[test]
fn the_whole_story_with_a_restart_after_every_step() {
    let folder = Folder::new();
    for (turn, name) in (1..).zip(PARTIES) {
        folder.open().say(Author::Operator, admit(name)).unwrap();
        let receipt = folder.open().push_expert(name, &expert(turn)).unwrap();
        let proof: TlogProof = receipt.proof.parse().unwrap();
        let key = folder.open().verifier_key().parse().unwrap();
        let logged = proof.verify(receipt.record.as_bytes(), &key).unwrap();
        assert_eq!(logged.index(), receipt.index);
    }
    folder.open().say(Author::Operator, open_round(1)).unwrap();
    let early = folder.open().blend(&operator().public(), 1, &mut |_, _| {});
    assert_eq!(code(early), Code::RoundWrong);
    folder.open().say(party("agency"), reveal(1, "agency=1,readers=0")).unwrap();
    folder.open().say(party("readers"), reveal(1, "agency=0,readers=1")).unwrap();
    let publish = folder.open().publication();
    assert_eq!(folder.open().publication().soup, publish.soup);
    folder.open().say(Author::Operator, Body::Publish(publish.clone())).unwrap();

    let aggregator = folder.open();
    invariant_the_served_ledger_verifies(&aggregator);
    let soup = fs::read(aggregator.store.blobs.data(publish.soup.blake3)).unwrap();
    fetched(&aggregator, &stranger(), &soup).unwrap();
    // Half of 1/16 and half of 2/16, exactly.
    let first = base_values()[0] + 1.5 / 16.0;
    let data = 8 + u64::from_le_bytes(soup[..8].try_into().unwrap()) as usize;
    assert_eq!(soup[data..data + 4], first.to_le_bytes());
}

#[test]
fn the_charter_says_who_reads_what() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.agree();
    let publish = aggregator.publication();
    let soup = fs::read(aggregator.store.blobs.data(publish.soup.blake3)).unwrap();
    let fetched = |peer: &PrivateKey, content: &[u8]| fetched(&aggregator, peer, content);
    let base = weights_of(&base_values());
    for content in [&base, &expert(1), &b"{}".to_vec()] {
        assert_eq!(code(fetched(&stranger(), content)), Code::NotPermitted);
        fetched(&party_key("readers"), content).unwrap();
        fetched(&operator(), content).unwrap();
    }
    // Blended, but no entry speaks of it yet.
    assert_eq!(code(fetched(&operator(), &soup)), Code::NotFound);
    aggregator.say(Author::Operator, Body::Publish(publish)).unwrap();
    fetched(&stranger(), &soup).unwrap();
    assert_eq!(code(fetched(&operator(), b"unheard of")), Code::NotFound);
    assert!(aggregator.admits(&stranger().public()));
    let blend = aggregator.blend(&party_key("agency").public(), 1, &mut |_, _| {});
    assert_eq!(code(blend), Code::NotPermitted);
}

#[test]
fn an_expert_that_was_replaced_is_still_served() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.say(Author::Operator, admit("agency")).unwrap();
    aggregator.push_expert("agency", &expert(1)).unwrap();
    aggregator.push_expert("agency", &expert(2)).unwrap();
    drop(aggregator);
    for turn in [1, 2] {
        fetched(&folder.open(), &operator(), &expert(turn)).unwrap();
    }
}

#[test]
fn what_fails_is_refused_by_its_code_kept_for_the_operator_and_not_recorded() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.say(Author::Operator, admit("agency")).unwrap();
    let changed = |change: &dyn Fn(&mut Vec<f32>)| {
        let mut values = base_values();
        change(&mut values);
        weights_of(&values)
    };
    let cases = [
        (changed(&|values| values[59_999] = f32::NAN), Code::WeightsNotFinite),
        (changed(&|values| values[0] = f32::NEG_INFINITY), Code::WeightsNotFinite),
        (changed(&|values| values.iter_mut().for_each(|v| *v *= 2.0)), Code::ChangeTooLarge),
        (changed(&|values| values.truncate(59_999)), Code::TensorsDiffer),
        (tensor_file("v", &base_values()), Code::TensorsDiffer),
        (expert(1)[..200_000].to_vec(), Code::HeaderInvalid),
        (b"no safetensors".to_vec(), Code::HeaderInvalid),
        (Vec::new(), Code::HeaderInvalid),
    ];
    for (content, expected) in &cases {
        let refusal = aggregator.push_expert("agency", content).unwrap_err();
        assert_eq!(refusal.code, *expected, "{refusal}");
        assert!(!aggregator.store.blobs.contains(Blake3::of(content)));
        assert_eq!(code(fetched(&aggregator, &operator(), content)), Code::NotFound);
    }
    let kept: Vec<_> = fs::read_dir(folder.store().join("refused")).unwrap().collect();
    assert_eq!(kept.len(), cases.len());
    let kept = kept[0].as_ref().unwrap().path();
    assert!(kept.join(WEIGHTS).is_file() && kept.join("reason.json").is_file());
    assert_eq!(fs::read_dir(folder.store().join("quarantine")).unwrap().count(), 0);
    assert_eq!(aggregator.size(), 2);
    aggregator.push_expert("agency", &expert(1)).unwrap();
}

#[test]
fn nothing_of_a_submission_is_wanted_before_its_envelope_is_good() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.say(Author::Operator, admit("agency")).unwrap();
    let federation = aggregator.standing().federation.clone();
    let agency = party_key("agency");
    let good = submission(&federation, &expert(1));
    let offered = |author: Author, body: &Body, key: &PrivateKey, peer: &PrivateKey| {
        code(aggregator.submit(&peer.public(), &sign(&federation, author, body.clone(), key)))
    };
    let stranger = stranger();
    assert_eq!(offered(party("agency"), &good, &stranger, &stranger), Code::KeyUnknown);
    assert_eq!(offered(party("readers"), &good, &agency, &agency), Code::AuthorMismatch);
    assert_eq!(offered(party("agency"), &good, &agency, &stranger), Code::NotPermitted);
    assert_eq!(offered(Author::Operator, &good, &operator(), &operator()), Code::NotPermitted);
    assert_eq!(
        offered(Author::Operator, &admit("readers"), &operator(), &operator()),
        Code::ProtocolError
    );
    let large = submission(&federation, &vec![0; 1_000_001]);
    assert_eq!(offered(party("agency"), &large, &agency, &agency), Code::ExpertTooLarge);
    let Body::Submit(mut elsewhere) = good.clone() else { unreachable!() };
    elsewhere.base = Blake3::of(b"another base");
    let elsewhere = Body::Submit(elsewhere);
    assert_eq!(offered(party("agency"), &elsewhere, &agency, &agency), Code::BaseMismatch);
    let appended = aggregator.append(&agency.public(), &aggregator.signed(party("agency"), good));
    assert_eq!(code(appended), Code::ProtocolError);
    assert_eq!(
        code(aggregator.append(&operator().public(), &genesis(1))),
        Code::FederationMismatch
    );
    assert_eq!((aggregator.size(), files_of(&folder.store().join("quarantine"))), (2, 0));
}

fn files_of(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_manifest_that_lies_about_its_sha256_is_refused() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.say(Author::Operator, admit("agency")).unwrap();
    let content = expert(1);
    let lie = potluck_core::FileEntry {
        sha256: potluck_core::Sha256::of(b"another"),
        ..entry_of(WEIGHTS, &content)
    };
    let Body::Submit(mut body) = submission(&aggregator.standing().federation, &content) else {
        unreachable!()
    };
    body.manifest = Manifest::new(vec![lie]).unwrap();
    let envelope = aggregator.signed(party("agency"), Body::Submit(body));
    let pushed = aggregator.push(&party_key("agency"), &envelope, &content);
    assert_eq!(code(pushed), Code::ManifestRefused);
}

#[test]
fn a_cut_upload_resumes_after_a_restart_and_asks_for_no_verified_byte_again() {
    let folder = Folder::new();
    folder.open().say(Author::Operator, admit("agency")).unwrap();
    let content = expert(1);
    let (agency, mut lacking) = (party_key("agency"), content.len() as u64 + 1);
    for attempt in 0.. {
        // A restart each time; the old process is gone without a word.
        let aggregator = folder.open();
        let body = submission(&aggregator.standing().federation, &content);
        let envelope = aggregator.signed(party("agency"), body);
        let Offer::Wanted(upload) = aggregator.submit(&agency.public(), &envelope).unwrap() else {
            panic!("recorded without its content")
        };
        let wanted = upload.wanted();
        let stream = stream_of(&wanted, &content);
        let now: u64 = wanted.iter().flat_map(|w| w.ranges.to_pairs()).map(|[a, b]| b - a).sum();
        assert!(now < lacking, "{now} of {lacking} are asked for again");
        lacking = now;
        // A little more than one group, and less than two.
        let cut = 90_000.min(stream.len());
        match upload.receive(&mut &stream[..cut]) {
            Ok(_) => {
                assert!(attempt >= 2);
                break;
            }
            Err(refusal) => assert_eq!(refusal.code, Code::ProtocolError),
        }
        assert_eq!(aggregator.size(), 2);
    }
    let aggregator = folder.open();
    fetched(&aggregator, &operator(), &content).unwrap();
    assert_eq!(files_of(&folder.store().join("quarantine")), 0);
}

#[test]
fn a_corrupt_group_is_refused_at_the_group_and_the_rest_of_the_stream_is_not_read() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.say(Author::Operator, admit("agency")).unwrap();
    let content = expert(1);
    let body = submission(&aggregator.standing().federation, &content);
    let envelope = aggregator.signed(party("agency"), body);
    let agency = party_key("agency");
    let Ok(Offer::Wanted(upload)) = aggregator.submit(&agency.public(), &envelope) else {
        panic!()
    };
    let mut stream = stream_of(&upload.wanted(), &content);
    stream[100_000] ^= 1;
    let mut rest = stream.as_slice();
    let refusal = upload.receive(&mut (&mut rest as &mut dyn Read)).unwrap_err();
    assert_eq!(refusal.code, Code::ContentCorrupt);
    assert!(rest.len() > 65_536, "{}", rest.len());
    let Ok(Offer::Wanted(upload)) = aggregator.submit(&agency.public(), &envelope) else {
        panic!()
    };
    assert_eq!(upload.wanted()[0].ranges.to_pairs(), [[65_536, content.len() as u64]]);
    let busy = aggregator.submit(&agency.public(), &envelope);
    assert_eq!(code(busy), Code::Busy);
    let stream = stream_of(&upload.wanted(), &content);
    upload.receive(&mut stream.as_slice()).unwrap();
}

#[test]
fn content_that_is_there_is_not_asked_for_but_inspected() {
    let folder = Folder::new();
    let aggregator = folder.open();
    for name in PARTIES {
        aggregator.say(Author::Operator, admit(name)).unwrap();
    }
    let content = expert(1);
    let first = aggregator.push_expert("agency", &content).unwrap();
    let body = submission(&aggregator.standing().federation, &content);
    let envelope = aggregator.signed(party("readers"), body);
    let readers = party_key("readers");
    let Ok(Offer::Wanted(upload)) = aggregator.submit(&readers.public(), &envelope) else {
        panic!()
    };
    assert!(upload.wanted().is_empty());
    let receipt = upload.receive(&mut std::io::empty()).unwrap();
    assert_eq!(receipt.index, first.index + 1);
    // The same envelope again: its receipt, and nothing else.
    let Ok(Offer::Recorded(again)) = aggregator.submit(&readers.public(), &envelope) else {
        panic!()
    };
    assert_eq!((again.index, again.record), (receipt.index, receipt.record));
}

#[test]
fn a_blob_that_no_entry_speaks_of_is_used_again() {
    let folder = Folder::new();
    folder.open().say(Author::Operator, admit("agency")).unwrap();
    let content = expert(1);
    {
        // Stored, and killed before the entry is appended.
        let aggregator = folder.open();
        let source = folder.path().join("bytes");
        fs::write(&source, &content).unwrap();
        aggregator.store.blobs.adopt(&source, &entry_of(WEIGHTS, &content)).unwrap();
        assert_eq!(code(fetched(&aggregator, &operator(), &content)), Code::NotFound);
    }
    let aggregator = folder.open();
    aggregator.push_expert("agency", &content).unwrap();
    fetched(&aggregator, &operator(), &content).unwrap();
}

#[test]
fn a_store_that_fails_stops_the_writing_and_not_the_reading() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.say(Author::Operator, admit("agency")).unwrap();
    aggregator.fault.raise("append to the ledger", &"no space left");
    assert_eq!(code(aggregator.say(Author::Operator, admit("readers"))), Code::Internal);
    assert_eq!(code(aggregator.push_expert("agency", &expert(1))), Code::Internal);
    invariant_the_served_ledger_verifies(&aggregator);
}

#[test]
fn only_the_operator_sees_how_it_stands() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.say(Author::Operator, admit("agency")).unwrap();
    let content = expert(1);
    let body = submission(&aggregator.standing().federation, &content);
    let envelope = aggregator.signed(party("agency"), body);
    let agency = party_key("agency");
    let Ok(Offer::Wanted(upload)) = aggregator.submit(&agency.public(), &envelope) else {
        panic!()
    };
    let stream = stream_of(&upload.wanted(), &content);
    upload.receive(&mut &stream[..90_000]).unwrap_err();
    let Ok(Offer::Wanted(_upload)) = aggregator.submit(&agency.public(), &envelope) else {
        panic!()
    };
    let connections = [(agency.public(), 2), (stranger().public(), 1)];
    assert_eq!(code(aggregator.status(&agency.public(), &connections)), Code::NotPermitted);
    assert_eq!(code(aggregator.status(&log_key().public(), &connections)), Code::NotPermitted);
    let status = aggregator.status(&operator().public(), &connections).unwrap();
    let upload = &status.uploads[0];
    assert_eq!((upload.party.as_str(), upload.blake3), ("agency", Blake3::of(&content)));
    assert_eq!((upload.verified, upload.resumed_from), (65_536, 65_536));
    assert_eq!((upload.size, upload.seconds_left), (content.len() as u64, None));
    let seen = status.peers.iter().find(|peer| peer.name == "agency").unwrap();
    assert_eq!((seen.connections, seen.quarantine), (2, content.len() as u64));
    assert_eq!((status.peers.len(), status.uploads.len()), (2, 1));
    assert!(status.disk_left.unwrap() > 0 && status.fault.is_none());
}

#[test]
fn only_the_soup_of_the_recipe_is_published() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.agree();
    let mut publish = aggregator.publication();
    publish.soup.blake3 = Blake3::of(b"another soup");
    let published = aggregator.say(Author::Operator, Body::Publish(publish.clone()));
    assert_eq!(code(published), Code::SoupMismatch);
    // Without anything blended before, publishing blends.
    fs::remove_file(aggregator.store.blobs.data(aggregator.publication().soup.blake3)).unwrap();
    publish.soup = folder_soup(&aggregator);
    aggregator.say(Author::Operator, Body::Publish(publish.clone())).unwrap();
    assert!(aggregator.store.blobs.is_intact(&publish.soup).unwrap());
}

fn folder_soup(aggregator: &Aggregator) -> potluck_core::FileEntry {
    let recipe = aggregator.publication().recipe;
    let file = aggregator.store.soups.file(recipe.digest()).unwrap().unwrap();
    fs::remove_file(aggregator.store.blobs.data(file.blake3)).unwrap();
    file
}

#[test]
fn a_damaged_expert_is_never_blended_and_is_mended_by_pushing_it_again() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.agree();
    let (content, path) = (expert(1), aggregator.store.blobs.data(Blake3::of(&expert(1))));
    let mut damaged = content.clone();
    damaged[100_000] ^= 1;
    fs::write(&path, damaged).unwrap();
    let blend = || aggregator.blend(&operator().public(), 1, &mut |_, _| {});
    assert_eq!(code(blend()), Code::StoredContentCorrupt);
    aggregator.push_expert("agency", &content).unwrap();
    blend().unwrap();
}

#[test]
fn no_expert_is_judged_by_a_damaged_base() {
    let folder = Folder::new();
    let aggregator = folder.open();
    aggregator.say(Author::Operator, admit("agency")).unwrap();
    let base = aggregator.standing().federation.base_weights().blake3;
    let path = aggregator.store.blobs.data(base);
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[100_000] ^= 1;
    fs::write(&path, damaged).unwrap();
    assert_eq!(code(aggregator.push_expert("agency", &expert(1))), Code::Internal);
    assert_eq!(aggregator.size(), 2);
    fs::write(&path, whole).unwrap();
    aggregator.push_expert("agency", &expert(1)).unwrap();
}

#[test]
fn only_one_server_has_a_store() {
    let folder = Folder::new();
    let _first = folder.open();
    let second = Aggregator::open(&folder.settings());
    let held = StartError::Store(StoreError::Lock(LockError::Held { folder: folder.store() }));
    assert_eq!(second.err().unwrap().to_string(), held.to_string());
}

#[test]
fn a_folder_that_contradicts_itself_is_not_served() {
    let error = |change: &dyn Fn(&Path)| {
        let folder = Folder::new();
        change(folder.path());
        crate::in_full(&Aggregator::open(&folder.settings()).err().unwrap())
    };
    let write = |name: &'static str, content: &'static str| {
        move |folder: &Path| fs::write(folder.join(name), content).unwrap()
    };
    assert!(error(&write("base/config.json", "[]")).contains("config.json cannot be used"));
    assert!(
        error(&write("base/model.safetensors", "x")).contains("model.safetensors cannot be used")
    );
    assert!(error(&write("genesis.json", "{}")).contains("genesis.json is no genesis"));
    assert!(error(&write("keys/log.pem", "x")).contains("log.pem holds no key"));
    let other =
        |folder: &Path| fs::write(folder.join("keys/log.pem"), stranger().to_pem()).unwrap();
    assert!(error(&other).contains("is not held here"));
    let missing = |folder: &Path| fs::remove_file(folder.join("genesis.json")).unwrap();
    assert!(error(&missing).contains("cannot read"));
}
