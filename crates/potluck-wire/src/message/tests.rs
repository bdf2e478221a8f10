//! Known bytes for each message, and refusals of all that is not exactly one.

use std::collections::BTreeMap;

use potluck_core::recipe::Arithmetic;
use potluck_core::{Lambda, Manifest, Sha256};
use proptest::prelude::*;

use super::*;
use crate::status::{PeerStatus, UploadStatus};

fn file() -> FileEntry {
    FileEntry {
        path: "model.safetensors".into(),
        size: 3,
        blake3: Blake3::from_bytes([1; 32]),
        sha256: Sha256::from_bytes([2; 32]),
    }
}

fn recipe() -> Recipe {
    let lambda = Lambda::new(BTreeMap::from([("readers".parse().unwrap(), 1_000_000)])).unwrap();
    let manifest = Manifest::new(vec![file()]).unwrap().digest();
    Recipe::new(Arithmetic::Linear1, Blake3::from_bytes([3; 32]), &lambda, |_| Some(manifest))
        .unwrap()
}

/// Every request with its bytes.
fn requests() -> Vec<(Ask, String)> {
    let ones = "01".repeat(32);
    let blake3 = Blake3::from_bytes([1; 32]);
    vec![
        (Ask::Ledger { from: 7 }, r#"{"ledger":{"from":7}}"#.into()),
        (Ask::Append { envelope: r#"{"a":"b"}"#.into() }, {
            r#"{"append":{"envelope":"{\"a\":\"b\"}"}}"#.into()
        }),
        (Ask::Submit { envelope: "{}".into(), compares: false, pieces: false }, {
            r#"{"submit":{"envelope":"{}"}}"#.into()
        }),
        (Ask::Submit { envelope: "{}".into(), compares: true, pieces: false }, {
            r#"{"submit":{"envelope":"{}","compares":true}}"#.into()
        }),
        (Ask::Submit { envelope: "{}".into(), compares: true, pieces: true }, {
            r#"{"submit":{"envelope":"{}","compares":true,"pieces":true}}"#.into()
        }),
        (Ask::Fetch { blake3, ranges: None }, {
            format!(r#"{{"fetch":{{"blake3":"{ones}","ranges":null}}}}"#)
        }),
        (Ask::Fetch { blake3, ranges: Some(vec![[0, 65536], [131072, 131073]]) }, {
            format!(r#"{{"fetch":{{"blake3":"{ones}","ranges":[[0,65536],[131072,131073]]}}}}"#)
        }),
        (Ask::Blend { round: 2 }, r#"{"blend":{"round":2}}"#.into()),
        (Ask::Cosign { checkpoint: "c\n".into() }, r#"{"cosign":{"checkpoint":"c\n"}}"#.into()),
        (Ask::Status {}, r#"{"status":{}}"#.into()),
    ]
}

/// Every reply with its bytes.
fn replies() -> Vec<(Reply, String)> {
    let (ones, twos) = ("01".repeat(32), "02".repeat(32));
    let wanted = Wanted {
        blake3: Blake3::from_bytes([1; 32]),
        ranges: Ranges::new(65537, &[[65536, 65537]]).unwrap(),
    };
    let receipt = Receipt { index: 4, record: "{}".into(), proof: "p\n".into() };
    let recipe_text = serde_json::to_string(&recipe()).unwrap();
    let status = Status {
        uploads: vec![UploadStatus {
            party: "agency".into(),
            blake3: Blake3::from_bytes([1; 32]),
            size: 9,
            verified: 5,
            resumed_from: 1,
            rate: 2,
            seconds_left: Some(2),
        }],
        peers: vec![PeerStatus { name: "agency".into(), connections: 1, quarantine: 9 }],
        disk_left: Some(7),
        fault: None,
    };
    vec![
        (Reply::Status(status), {
            format!(
                r#"{{"status":{{"uploads":[{{"party":"agency","blake3":"{ones}","size":9,"verified":5,"resumed_from":1,"rate":2,"seconds_left":2}}],"peers":[{{"name":"agency","connections":1,"quarantine":9}}],"disk_left":7,"fault":null}}}}"#
            )
        }),
        (Reply::Ledger { checkpoint: "c\n".into(), cosigned: None, count: 1 }, {
            r#"{"ledger":{"checkpoint":"c\n","cosigned":null,"count":1}}"#.into()
        }),
        (Reply::Entry { record: "{}".into(), envelope: "{}".into() }, {
            r#"{"entry":{"record":"{}","envelope":"{}"}}"#.into()
        }),
        (Reply::Receipt(receipt), {
            r#"{"receipt":{"index":4,"record":"{}","proof":"p\n"}}"#.into()
        }),
        (Reply::Compare { blobs: vec![Compared { blake3: wanted.blake3, size: 65537 }] }, {
            format!(r#"{{"compare":{{"blobs":[{{"blake3":"{ones}","size":65537}}]}}}}"#)
        }),
        (Reply::Wanted { blobs: vec![(&wanted).into()] }, {
            format!(
                r#"{{"wanted":{{"blobs":[{{"blake3":"{ones}","size":65537,"ranges":[[65536,65537]]}}]}}}}"#
            )
        }),
        (Reply::Progress { done: 1, total: 2 }, r#"{"progress":{"done":1,"total":2}}"#.into()),
        (Reply::Found { size: 3 }, r#"{"found":{"size":3}}"#.into()),
        (Reply::Blended { recipe: recipe(), soup: file() }, {
            format!(
                r#"{{"blended":{{"recipe":{recipe_text},"soup":{{"path":"model.safetensors","size":3,"blake3":"{ones}","sha256":"{twos}"}}}}}}"#
            )
        }),
        (Reply::Cosigned {}, r#"{"cosigned":{}}"#.into()),
        (Reply::Refused(Refusal::new(Code::NotFound, "no such blob")), {
            r#"{"refused":{"code":"not-found","sentence":"no such blob"}}"#.into()
        }),
    ]
}

#[test]
fn each_request_has_these_bytes() {
    for (ask, text) in requests() {
        let request = Request::new(ask);
        let body = format!(r#"{{"v":1,"ask":{text}}}"#);
        assert_eq!(&request.to_frame().unwrap()[4..], body.as_bytes());
        assert_eq!(Request::parse(body.as_bytes()), Ok(request));
    }
}

#[test]
fn each_reply_has_these_bytes() {
    for (reply, text) in replies() {
        assert_eq!(&reply.to_frame().unwrap()[4..], text.as_bytes());
        assert_eq!(Reply::parse(text.as_bytes()).unwrap(), reply);
        assert!(text.starts_with(&format!("{{\"{}\"", reply.name())));
    }
}

#[test]
fn another_version_is_told_which_one_is_spoken() {
    let refusal = Request::parse(br#"{"v":2,"ask":{"dance":{"with":"stars"}},"new":1}"#);
    let sentence = "a request of version 2; this server speaks version 1";
    assert_eq!(refusal, Err(Refusal::new(Code::ProtocolError, sentence)));
}

#[test]
fn what_is_not_exactly_a_request_is_refused() {
    let deep = format!(r#"{{"v":1,"ask":{}"#, "[".repeat(100_000));
    for bad in [
        "",
        "{}",
        r#"{"v":1}"#,
        r#"{"v":"1","ask":{"ledger":{"from":0}}}"#,
        r#"{"v":1,"ask":{"ledger":{"from":-1}}}"#,
        r#"{"v":1,"ask":{"ledger":{"from":1e400}}}"#,
        r#"{"v":1,"ask":{"ledger":{"from":0,"to":1}}}"#,
        r#"{"v":1,"ask":{"ledger":{"from":0}},"more":1}"#,
        r#"{"v":1,"v":1,"ask":{"ledger":{"from":0}}}"#,
        r#"{"v":1,"ask":{"ledger":{"from":0},"blend":{"round":1}}}"#,
        r#"{"v":1,"ask":{"dance":{}}}"#,
        "\u{feff}{\"v\":1,\"ask\":{\"ledger\":{\"from\":0}}}",
        r#"{"v":1,"ask":{"ledger":{"from":0}}} x"#,
        &deep,
    ] {
        let code = Request::parse(bad.as_bytes()).map_err(|refusal| refusal.code);
        assert_eq!(code, Err(Code::ProtocolError), "{}", &bad[..bad.len().min(80)]);
    }
}

#[test]
fn the_longest_envelope_fits_in_a_request_and_in_an_entry() {
    // Every byte of it is one that JSON writes as two.
    let envelope = "\n".repeat(potluck_core::envelope::MAX_ENVELOPE);
    let record = "\"".repeat(potluck_core::entry::MAX_RECORD);
    assert!(
        Request::new(Ask::Submit { envelope: envelope.clone(), compares: true, pieces: false })
            .to_frame()
            .is_ok()
    );
    assert!(Reply::Entry { record, envelope }.to_frame().is_ok());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Request::parse(&bytes);
        let _ = Reply::parse(&bytes);
    }

    #[test]
    fn a_damaged_message_is_refused_or_another_whole_one(
        at in any::<prop::sample::Index>(),
        byte: u8,
        which in any::<prop::sample::Index>(),
    ) {
        let texts: Vec<String> = replies().into_iter().map(|(_, text)| text).collect();
        let mut body = which.get(&texts).clone().into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        if let Ok(reply) = Reply::parse(&body) {
            let again = Reply::parse(&reply.to_frame().unwrap()[4..]).unwrap();
            prop_assert_eq!(again, reply);
        }
    }
}
