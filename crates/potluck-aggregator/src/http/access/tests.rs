//! Who may read what, with which token, and that a revoked one is believed no more.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use potluck_core::Author;
use potluck_wire::token::{FILE, TokenFile};

use super::*;
use crate::fixture::{Folder, admit};

const CHARTER: &str =
    "name = 'news'\nrule = 'mean'\n[parties.agency]\nweight = 1\n[parties.readers]\nweight = 1\n";

fn shared(folder: &Folder) -> Shared {
    let http = crate::config::Http::at("127.0.0.1:0".parse().unwrap());
    Shared::over(&folder.open(), &http, &folder.settings().kept_soups())
}

fn made(number: u8, scopes: &[Scope], party: Option<&str>, expires: u64) -> (Token, Kept) {
    let token = Token::new([number; 5], &[number; 32]);
    let kept = Kept {
        id: token.id().to_owned(),
        digest: token.digest(),
        party: party.map(|party| party.parse().unwrap()),
        note: String::new(),
        scopes: scopes.iter().copied().collect::<BTreeSet<_>>(),
        created: 0,
        expires,
        revoked: None,
    };
    (token, kept)
}

fn keep(folder: &Folder, tokens: &[&Kept]) {
    let tokens = tokens.iter().copied().cloned().collect();
    let text = serde_json::to_vec(&TokenFile { tokens }).unwrap();
    fs::write(folder.path().join(FILE), text).unwrap();
}

fn with(token: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, token.parse().unwrap())])
}

fn bearing(token: &Token) -> HeaderMap {
    with(&format!("Bearer {}", token.reveal()))
}

#[test]
fn the_charter_says_who_needs_a_token() {
    let far = u64::MAX;
    let (guest, of_guest) = made(1, &[Scope::Soups], None, far);
    let (party, of_party) = made(2, &[Scope::Soups, Scope::Experts], Some("agency"), far);
    let (absent, of_absent) = made(3, &[Scope::Experts], Some("readers"), far);
    for (soups, of_nobody, of_guest_is) in [
        ("anyone", Ok(()), Ok(())),
        ("token_holders", Err("token-needed"), Ok(())),
        ("parties", Err("token-needed"), Err("not-permitted")),
    ] {
        let charter = format!("{CHARTER}[access]\nexperts = 'parties'\nsoups = '{soups}'\n");
        let folder = Folder::under(&charter);
        keep(&folder, &[&of_guest, &of_party, &of_absent]);
        let shared = shared(&folder);
        shared.aggregator.say(Author::Operator, admit("agency")).unwrap();
        let read =
            |headers: &HeaderMap, wanted| may_read(&shared, headers, wanted).map_err(Denied::code);
        assert_eq!(read(&HeaderMap::new(), Wanted::Soups), of_nobody, "{soups}");
        assert_eq!(read(&bearing(&guest), Wanted::Soups), of_guest_is, "{soups}");
        assert_eq!(read(&bearing(&party), Wanted::Soups), Ok(()), "{soups}");
        assert_eq!(read(&bearing(&party), Wanted::Experts), Ok(()));
        assert_eq!(read(&bearing(&guest), Wanted::Experts), Err("not-permitted"));
        assert_eq!(read(&bearing(&absent), Wanted::Experts), Err("not-permitted"), "it is not in");
        assert_eq!(read(&bearing(&party), Wanted::Status), Err("not-permitted"), "no such scope");
        assert_eq!(read(&HeaderMap::new(), Wanted::Status), Err("token-needed"));
    }
}

#[test]
fn a_token_must_be_ours_and_in_its_time() {
    let folder = Folder::under(&format!(
        "{CHARTER}[access]\nexperts = 'parties'\nsoups = 'token_holders'\n"
    ));
    let (_, mut kept) = made(1, &[Scope::Soups], None, u64::MAX);
    kept.digest = potluck_core::Blake3::of(b"another secret");
    let (token, _) = made(1, &[Scope::Soups], None, 0);
    let (late, of_late) = made(2, &[Scope::Soups], None, 1);
    keep(&folder, &[&kept, &of_late]);
    let shared = shared(&folder);
    let read =
        |headers: &HeaderMap| may_read(&shared, headers, Wanted::Soups).map_err(Denied::code);
    assert_eq!(read(&bearing(&token)), Err("token-unknown"), "the id alone is no secret");
    assert_eq!(read(&bearing(&late)), Err("token-expired"));
    assert_eq!(read(&bearing(&made(9, &[], None, 0).0)), Err("token-unknown"));
    for wrong in ["Bearer", "Bearer x", "Basic eDp5", "plk_0", "Bearer  "] {
        assert_eq!(read(&with(wrong)), Err("token-malformed"), "{wrong}");
    }
}

#[test]
fn a_revoked_token_is_believed_no_more_without_a_restart() {
    let folder = Folder::under(&format!(
        "{CHARTER}[access]\nexperts = 'parties'\nsoups = 'token_holders'\n"
    ));
    let (token, mut kept) = made(1, &[Scope::Soups], None, u64::MAX);
    let shared = shared(&folder);
    let read = || may_read(&shared, &bearing(&token), Wanted::Soups).map_err(Denied::code);
    assert_eq!(read(), Err("token-unknown"));
    let waits = |wanted: Result<(), &str>| {
        let begun = Instant::now();
        while read() != wanted {
            assert!(begun.elapsed() < Duration::from_secs(30), "{wanted:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    keep(&folder, &[&kept]);
    waits(Ok(()));
    kept.revoked = Some(5);
    keep(&folder, &[&kept]);
    waits(Err("token-revoked"));
    fs::write(folder.path().join(FILE), "{").unwrap();
    waits(Err("token-unknown"));
}
