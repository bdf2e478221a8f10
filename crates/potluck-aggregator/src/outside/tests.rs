//! A witness as the specification has it, and witnesses as they should not be.

use std::sync::{Arc, Mutex};

use potluck_core::{Author, PrivateKey};
use potluck_log::{Cosigner, VerifierKey, Witness};
use potluck_net::Service as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::fixture::{Folder, admit};
use crate::url::NoPlainUrl;

const NAME: &str = "witness.example/w1";

fn witness_key() -> PrivateKey {
    PrivateKey::from_seed(&[90; 32])
}

fn folder() -> Folder {
    let key = witness_key().public();
    Folder::under(&format!(
        "name = 'news'\nrule = 'mean'\n[parties.agency]\nweight = 1\n[parties.readers]\nweight = 1\n\
         [witnesses]\nquorum = 1\n[witnesses.outside]\n'{NAME}' = '{key}'\n"
    ))
}

fn witness(log: &str) -> Witness {
    let key = witness_key().as_dalek().clone();
    let mut witness = Witness::new(Cosigner::new(NAME.parse().unwrap(), key));
    witness.watch(log.parse::<VerifierKey>().unwrap(), None).unwrap();
    witness
}

type Answers = Arc<Mutex<dyn FnMut(&[u8]) -> (u16, String) + Send>>;

/// A server that hands the bodies of requests to `answers`; its address.
async fn serve(answers: Answers) -> PlainUrl {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            let body = loop {
                stream.read_buf(&mut request).await.unwrap();
                let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else {
                    continue;
                };
                let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
                assert!(head.starts_with("post /w/add-checkpoint http/1.1"), "{head}");
                let length = head.split("content-length: ").nth(1).unwrap();
                let length: usize = length.lines().next().unwrap().parse().unwrap();
                if request.len() == end + 4 + length {
                    break request.split_off(end + 4);
                }
            };
            let (status, answer) = (answers.lock().unwrap())(&body);
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n", answer.len());
            // One that does not wait for an answer is no concern of the witness's.
            let _ = stream.write_all((head + &answer).as_bytes()).await;
        }
    });
    format!("http://{address}/w/").parse().unwrap()
}

fn shown(aggregator: &Aggregator) -> Option<String> {
    aggregator.ledger(0).unwrap().cosigned
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_cosigns_what_grows_and_tells_where_it_was() {
    let folder = folder();
    let aggregator = folder.open();
    let mut witness = witness(&aggregator.verifier_key());
    let url = serve(Arc::new(Mutex::new(move |body: &[u8]| {
        let answer = witness.add_checkpoint(body, 77, |_| Ok::<_, ()>(())).unwrap();
        (answer.status(), answer.body())
    })))
    .await;
    assert_eq!(ask(&aggregator, &url, 0).await.unwrap(), 1);
    let first = shown(&aggregator).unwrap();
    assert!(first.contains(&format!("— {NAME} ")), "{first}");
    aggregator.say(Author::Operator, admit("agency")).unwrap();
    aggregator.say(Author::Operator, admit("readers")).unwrap();
    assert_eq!(shown(&aggregator).as_ref(), Some(&first));
    // After a restart nobody here knows how far the witness was; it says so.
    assert_eq!(ask(&aggregator, &url, 0).await.unwrap(), 3);
    assert!(shown(&aggregator).unwrap().starts_with("potluck/news\n3\n"));
    assert_eq!(ask(&aggregator, &url, 3).await.unwrap(), 3);

    let (end, ended) = watch::channel(());
    let (_named, urls) = watch::channel(vec![url]);
    let asking = tokio::spawn(ask_witnesses(aggregator.clone(), urls, ended));
    drop(end);
    timeout(PATIENCE, asking).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_answers_nonsense_does_no_harm() {
    let folder = folder();
    let aggregator = folder.open();
    let stranger =
        Cosigner::new("x".parse().unwrap(), PrivateKey::from_seed(&[91; 32]).as_dalek().clone());
    let mut other = Witness::new(stranger);
    other.watch(aggregator.verifier_key().parse().unwrap(), None).unwrap();
    let line = {
        let standing = aggregator.standing();
        let proof = aggregator.consistency(0, 1).unwrap();
        let request = AddCheckpoint::new(0, proof, &standing.checkpoint).to_string();
        other.add_checkpoint(request.as_bytes(), 7, |_| Ok::<_, ()>(())).unwrap().body()
    };
    for (status, body, expected) in [
        (200, String::new(), "not kept"),
        (200, "no line of a signature\n".to_owned(), "not kept"),
        (200, line, "not kept"),
        (200, "x".repeat(2 * MAX_ANSWER), "cannot be read"),
        (409, "many\n".to_owned(), "refused: 409"),
        (409, "7\n".to_owned(), "remembers 7"),
        (404, "this witness does not watch that log\n".to_owned(), "does not watch"),
        (503, "\u{1b}[31m".to_owned(), "\\u{1b}"),
    ] {
        let url = serve(Arc::new(Mutex::new(move |_: &[u8]| (status, body.clone())))).await;
        let error = crate::in_full(&ask(&aggregator, &url, 0).await.unwrap_err());
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(shown(&aggregator), None);
    let nobody = "http://127.0.0.1:1".parse().unwrap();
    assert!(matches!(ask(&aggregator, &nobody, 0).await, Err(AskError::Unreached(_))));
}

#[test]
fn addresses_are_plain_http() {
    let url: PlainUrl = "http://witness.example:8080/w1/".parse().unwrap();
    assert_eq!(url.to_string(), "http://witness.example:8080/w1");
    assert_eq!("http://w.example".parse::<PlainUrl>().unwrap().to_string(), "http://w.example:80");
    for wrong in
        ["", "witness", "https://w.example", "http://", "http://u@w.example", "http://w/?a"]
    {
        assert_eq!(wrong.parse::<PlainUrl>(), Err(NoPlainUrl), "{wrong:?}");
    }
}
