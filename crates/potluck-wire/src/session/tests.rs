//! Orders of messages: the ones that are meant, and those that are refused.

use potluck_core::envelope::Domain;
use potluck_core::{Blake3, Code, Envelope, FileEntry, Kind, PrivateKey, Refusal, Sha256};

use super::client::{
    AppendCall, BlendCall, Ended, FetchCall, LedgerCall, MAX_PAGE_ENTRIES, Offered, StatusCall,
    Step, SubmitCall,
};
use super::server::{Asked, accept};
use crate::message::{Compared, LedgerPage, Reply, Request, Wanted};
use crate::ranges::{GROUP, Ranges};
use crate::receipt::Receipt;
use crate::status::Status;

fn envelope() -> Envelope {
    let domain = Domain { kind: Kind::Reveal, federation: None };
    Envelope::sign(domain, b"{}".to_vec(), &PrivateKey::from_seed(&[1; 32])).unwrap()
}

fn receipt() -> Receipt {
    Receipt { index: 0, record: "{}".into(), proof: String::new() }
}

fn file(content: u8, size: u64) -> FileEntry {
    let (blake3, sha256) = (Blake3::from_bytes([content; 32]), Sha256::from_bytes([0; 32]));
    FileEntry { path: "f".into(), size, blake3, sha256 }
}

fn wanted(content: u8, size: u64) -> Wanted {
    Wanted { blake3: Blake3::from_bytes([content; 32]), ranges: Ranges::all(size).unwrap() }
}

fn asked(request: &Request) -> Asked {
    accept(&request.to_frame().unwrap()[4..]).unwrap()
}

fn refused() -> (Reply, Ended) {
    let refusal = Refusal::new(Code::Busy, "later");
    (Reply::Refused(refusal.clone()), Ended::Refused(refusal))
}

fn is_violation<T>(result: Result<Step<T>, Ended>) -> bool {
    matches!(result, Err(Ended::Violation(_)))
}

#[test]
fn a_submission_goes_through_offer_content_and_receipt() {
    let (mut call, request) = SubmitCall::new(&envelope(), vec![file(1, 5), file(2, GROUP)]);
    let Asked::Submit(received, state) = asked(&request) else { panic!("a submission") };
    assert_eq!(received, envelope());
    assert_eq!(call.on(state.progress(0, 0)), Ok(Step::Progress(0, 0)));
    let list = [wanted(2, GROUP), wanted(1, 5)];
    let (state, reply) = state.wanted(&list);
    assert_eq!(call.on(reply), Ok(Step::Done(Offered::Wanted(list.to_vec()))));
    let mut call = call.sending();
    assert_eq!(call.on(state.progress(1, 2)), Ok(Step::Progress(1, 2)));
    assert!(is_violation(call.on(Reply::Wanted { blobs: vec![] })));
    assert_eq!(call.on(refused().0), Err(refused().1));
    assert_eq!(call.on(state.recorded(receipt())), Ok(Step::Done(receipt())));
}

#[test]
fn hashes_are_compared_before_content_is_wanted() {
    let file = file(1, GROUP + 5);
    let (mut call, request) = SubmitCall::comparing(&envelope(), vec![file.clone()]);
    let Asked::Submit(_, state) = asked(&request) else { panic!("a submission") };
    let blobs = vec![Compared { blake3: file.blake3, size: file.size }];
    let (state, reply) = state.compare(blobs.clone()).unwrap();
    assert_eq!(call.on(reply), Ok(Step::Done(Offered::Compare(blobs.clone()))));
    let mut call = call.compared();
    assert_eq!(call.on(state.progress(1, 2)), Ok(Step::Progress(1, 2)));
    assert!(is_violation(call.on(Reply::Compare { blobs })), "twice");
    assert!(is_violation(call.on(Reply::Receipt(receipt()))), "nothing was verified yet");
    assert_eq!(call.on(refused().0), Err(refused().1));
    let list = [wanted(1, GROUP + 5)];
    let (state, reply) = state.wanted(&list);
    assert_eq!(call.on(reply), Ok(Step::Done(list.to_vec())));
    assert_eq!(call.sending().on(state.recorded(receipt())), Ok(Step::Done(receipt())));
}

#[test]
fn hashes_are_asked_of_those_alone_who_have_them_and_of_what_they_offered() {
    let whole = |content: u8, size| Compared { blake3: Blake3::from_bytes([content; 32]), size };
    let (mut call, request) = SubmitCall::new(&envelope(), vec![file(1, 5)]);
    let Asked::Submit(_, state) = asked(&request) else { panic!("a submission") };
    let state = state.compare(vec![whole(1, 5)]).unwrap_err();
    assert!(is_violation(call.on(Reply::Compare { blobs: vec![whole(1, 5)] })));
    assert_eq!(call.on(state.wanted(&[]).1), Ok(Step::Done(Offered::Wanted(vec![]))));
    for blobs in [vec![whole(2, 5)], vec![whole(1, 6)], vec![whole(1, 5), whole(1, 5)]] {
        let (mut call, _) = SubmitCall::comparing(&envelope(), vec![file(1, 5), file(1, 5)]);
        assert!(is_violation(call.on(Reply::Compare { blobs: blobs.clone() })), "{blobs:?}");
    }
}

#[test]
fn what_is_recorded_already_wants_nothing() {
    let (mut call, request) = SubmitCall::new(&envelope(), vec![]);
    let Asked::Submit(_, state) = asked(&request) else { panic!("a submission") };
    assert_eq!(call.on(state.recorded(receipt())), Ok(Step::Done(Offered::Recorded(receipt()))));
}

#[test]
fn a_server_may_want_only_what_was_offered_and_once() {
    for list in [vec![wanted(2, 5)], vec![wanted(1, 6)], vec![wanted(1, 5), wanted(1, 5)]] {
        let (mut call, _) = SubmitCall::new(&envelope(), vec![file(1, 5), file(1, 5)]);
        let blobs = list.iter().map(Into::into).collect();
        assert!(is_violation(call.on(Reply::Wanted { blobs })), "{list:?}");
    }
    let (mut call, _) = SubmitCall::new(&envelope(), vec![file(1, 5)]);
    let mut blob: crate::message::WantedText = (&wanted(1, 5)).into();
    blob.ranges = vec![[0, 4]];
    assert!(is_violation(call.on(Reply::Wanted { blobs: vec![blob] })));
}

#[test]
fn a_ledger_page_has_as_many_entries_as_its_head_says() {
    let (mut call, request) = LedgerCall::new(3);
    let Asked::Ledger(3, state) = asked(&request) else { panic!("a ledger request") };
    let entry = potluck_core::Entry::parse(b"{}", envelope().as_bytes()).unwrap();
    let entries = vec![entry.clone(), entry];
    let page = LedgerPage { checkpoint: "c".into(), cosigned: None, entries };
    let mut frames = state.page(&page);
    assert_eq!(call.on(frames.next().unwrap()), Ok(Step::More));
    assert_eq!(call.on(frames.next().unwrap()), Ok(Step::More));
    assert_eq!(call.on(frames.next().unwrap()), Ok(Step::Done(page.clone())));
    assert!(frames.next().is_none());
}

#[test]
fn ledger_pages_out_of_order_or_beyond_bounds_are_violations() {
    let head = |count| Reply::Ledger { checkpoint: String::new(), cosigned: None, count };
    let entry = Reply::Entry { record: "{}".into(), envelope: "{}".into() };
    assert!(is_violation(LedgerCall::new(0).0.on(entry.clone())));
    assert!(is_violation(LedgerCall::new(0).0.on(head(MAX_PAGE_ENTRIES + 1))));
    let (mut call, _) = LedgerCall::new(0);
    assert_eq!(call.on(head(1)), Ok(Step::More));
    assert!(is_violation(call.on(entry)), "an entry whose envelope is none");
    let (mut call, _) = LedgerCall::new(0);
    assert!(matches!(call.on(head(0)), Ok(Step::Done(_))));
}

#[test]
fn content_of_another_size_is_a_violation() {
    let ranges = Ranges::all(GROUP + 1).unwrap();
    let (mut call, request) = FetchCall::new(Blake3::from_bytes([1; 32]), &ranges);
    let Asked::Fetch(_, state) = asked(&request) else { panic!("a fetch") };
    let (found, reply) = state.found(GROUP + 1).unwrap();
    assert_eq!(found, ranges);
    assert_eq!(call.on(reply), Ok(Step::Done(())));
    assert!(is_violation(call.on(Reply::Found { size: 5 })));
}

#[test]
fn ranges_that_are_none_of_the_file_are_refused() {
    let (_, request) = FetchCall::new(Blake3::from_bytes([1; 32]), &Ranges::all(5).unwrap());
    let Asked::Fetch(_, state) = asked(&request) else { panic!("a fetch") };
    assert_eq!(state.found(4).map(|_| ()).map_err(|refusal| refusal.code), {
        Err(Code::ProtocolError)
    });
}

#[test]
fn a_reply_to_another_request_is_a_violation() {
    let progress = Reply::Progress { done: 0, total: 0 };
    assert!(is_violation(AppendCall::new(&envelope()).0.on(progress.clone())));
    assert_eq!(BlendCall::new(1).0.on(progress), Ok(Step::Progress(0, 0)));
    assert!(is_violation(BlendCall::new(1).0.on(Reply::Receipt(receipt()))));
    assert_eq!(BlendCall::new(1).0.on(refused().0), Err(refused().1));
}

#[test]
fn a_status_is_answered_by_one() {
    let (mut call, request) = StatusCall::new();
    let Asked::Status(state) = asked(&request) else { panic!("a status request") };
    let status = Status { disk_left: Some(1), ..Status::default() };
    assert_eq!(call.on(state.status(status.clone())), Ok(Step::Done(status)));
    assert!(is_violation(StatusCall::new().0.on(Reply::Cosigned {})));
}

#[test]
fn an_envelope_that_is_none_is_refused_at_the_door() {
    let body = br#"{"v":1,"ask":{"append":{"envelope":"{}"}}}"#;
    let code = accept(body).map(|_| ()).map_err(|refusal| refusal.code);
    assert_eq!(code, Err(Code::EnvelopeMalformed));
}
