//! What the repository is, and which files a revision has: the Hub's API as far as its clients ask before they download.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::revision::Revision;
use super::snapshot::{HubFile, Known, Snapshot};
use super::trouble::X_REPO_COMMIT;
use super::{Answer, Asked, AskedRevision, AtRevision, Trouble, opened, repository};
use crate::http::Shared;

/// The longest list of paths that is read, in bytes.
const MOST_ASKED: usize = 64 << 10;

/// The one repository, in a list.
pub(super) async fn all(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Answer {
    let (snapshot, name) = (at_main(&shared, &headers).await?, repository(&shared));
    Ok(answered(json!([model(&snapshot, &name, Detail::Names)]), &snapshot))
}

/// The repository at `main`.
pub(super) async fn main(
    State(shared): State<Arc<Shared>>,
    Path(Asked { namespace, name }): Path<Asked>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let asked = AskedRevision { namespace, name, revision: "main".into() };
    of_revision(State(shared), Path(asked), uri, headers).await
}

/// The repository at a revision.
pub(super) async fn of_revision(
    State(shared): State<Arc<Shared>>,
    Path(asked): AtRevision,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let snapshot = opened(&shared, &headers, asked).await?;
    let detail = if is_set(&uri, "blobs") { Detail::Sizes } else { Detail::Names };
    Ok(answered(model(&snapshot, &repository(&shared), detail), &snapshot))
}

/// The files of a revision.
pub(super) async fn tree(
    State(shared): State<Arc<Shared>>,
    Path(asked): AtRevision,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let snapshot = opened(&shared, &headers, asked).await?;
    Ok(answered(listed(&snapshot, "", is_set(&uri, "recursive")), &snapshot))
}

/// A folder of a revision.
#[derive(Debug, serde::Deserialize)]
pub(super) struct AskedFolder {
    namespace: String,
    name: String,
    revision: String,
    folder: String,
}

/// The files of a folder.
pub(super) async fn tree_under(
    State(shared): State<Arc<Shared>>,
    Path(AskedFolder { namespace, name, revision, folder }): Path<AskedFolder>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer {
    let snapshot = opened(&shared, &headers, AskedRevision { namespace, name, revision }).await?;
    let under = format!("{}/", folder.trim_end_matches('/'));
    if !snapshot.files.iter().any(|file| file.path.starts_with(&under)) {
        return Err(Trouble::no_file(
            &folder.chars().take(240).collect::<String>(),
            snapshot.commit,
        ));
    }
    Ok(answered(listed(&snapshot, &under, is_set(&uri, "recursive")), &snapshot))
}

/// Some files and folders of a revision; those that are not there are left out.
pub(super) async fn paths(
    State(shared): State<Arc<Shared>>,
    Path(asked): AtRevision,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let snapshot = opened(&shared, &headers, asked).await?;
    let wanted = paths_of(&headers, &body).ok_or_else(|| {
        Trouble::new(
            StatusCode::BAD_REQUEST,
            None,
            "a form or a JSON object with `paths` is expected",
        )
    })?;
    let entry = |path: &String| {
        let path = path.trim_matches('/');
        let under = format!("{path}/");
        match snapshot.file(path) {
            Ok(file) => Some(file_entry(file)),
            Err(_) if snapshot.files.iter().any(|it| it.path.starts_with(&under)) => {
                Some(folder_entry(path, &snapshot))
            }
            Err(_) => None,
        }
    };
    let found: Vec<_> = wanted.iter().filter_map(entry).collect();
    Ok(answered(found.into(), &snapshot))
}

/// Revisions that have names of their own.
pub(super) async fn refs(
    State(shared): State<Arc<Shared>>,
    Path(asked): Path<Asked>,
    headers: HeaderMap,
) -> Answer {
    let Asked { namespace, name } = asked;
    let main = AskedRevision { namespace, name, revision: "main".into() };
    let snapshot = opened(&shared, &headers, main).await?;
    let standing = shared.aggregator.standing();
    let federation = &standing.federation;
    let parties = federation.experts().keys().map(ToString::to_string);
    let named = ["main".to_owned(), "base".to_owned()].into_iter().chain(parties);
    let rounds = federation.rounds().iter().map(|round| format!("round-{}", round.number));
    let reference = |folder: &str, name: String| {
        let found = Revision::find(&name, &standing, &shared).ok()?;
        let (reference, commit) = (format!("refs/{folder}/{name}"), found.commit(federation));
        Some(json!({ "name": name, "ref": reference, "targetCommit": commit.to_string() }))
    };
    let branches: Vec<_> = named.filter_map(|name| reference("heads", name)).collect();
    let tags: Vec<_> = rounds.filter_map(|name| reference("tags", name)).collect();
    let refs = json!({ "branches": branches, "tags": tags, "converts": [], "pullRequests": [] });
    Ok(answered(refs, &snapshot))
}

/// The one commit of a revision: what came before is in the ledger.
pub(super) async fn commits(
    State(shared): State<Arc<Shared>>,
    Path(asked): AtRevision,
    headers: HeaderMap,
) -> Answer {
    let snapshot = opened(&shared, &headers, asked).await?;
    let commit = json!([{
        "id": snapshot.commit.to_string(),
        "title": "as the ledger stands",
        "message": "",
        "authors": [],
        "date": date(snapshot.time),
    }]);
    Ok(answered(commit, &snapshot))
}

async fn at_main(shared: &Arc<Shared>, headers: &HeaderMap) -> Result<Snapshot, Trouble> {
    let namespace = shared.aggregator.standing().federation.charter().name().to_string();
    let asked = AskedRevision { namespace, name: super::NAME.into(), revision: "main".into() };
    opened(shared, headers, asked).await
}

fn answered(body: Value, snapshot: &Snapshot) -> Response {
    let head = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")];
    let mut response = (head, body.to_string()).into_response();
    response.headers_mut().insert(X_REPO_COMMIT, snapshot.commit.header());
    response
}

/// Whether a parameter of the query is there and means yes.
fn is_set(uri: &Uri, name: &str) -> bool {
    let mut pairs = uri.query().unwrap_or_default().split('&').filter_map(|it| it.split_once('='));
    pairs.any(|(key, value)| key == name && ["1", "true", "True"].contains(&value))
}

/// How much of each file a repository's description tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Names,
    Sizes,
}

fn model(snapshot: &Snapshot, name: &str, detail: Detail) -> Value {
    let sibling = |file: &HubFile| match (detail, file.known) {
        (Detail::Names, _) => json!({ "rfilename": file.path }),
        (Detail::Sizes, Known::Recipe(_)) => {
            json!({ "rfilename": file.path, "size": file.size, "blobId": object_id(file) })
        }
        (Detail::Sizes, Known::Sha256(sha256)) => json!({
            "rfilename": file.path,
            "size": file.size,
            "blobId": object_id(file),
            "lfs": { "size": file.size, "sha256": sha256, "pointerSize": pointer_size(file) },
        }),
    };
    let siblings: Vec<_> = snapshot.files.iter().map(sibling).collect();
    json!({
        "_id": snapshot.commit.to_string(),
        "id": name,
        "modelId": name,
        "author": name.split('/').next(),
        "sha": snapshot.commit.to_string(),
        "lastModified": date(snapshot.time),
        "createdAt": date(snapshot.time),
        // What could be read by the caller was not kept from it.
        "private": false,
        "gated": false,
        "disabled": false,
        "downloads": 0,
        "likes": 0,
        "library_name": "transformers",
        "tags": ["transformers", "safetensors", "potluck"],
        "siblings": siblings,
        "spaces": [],
    })
}

/// The files under a folder, whose name ends with a slash unless it is the root, and the folders in it.
fn listed(snapshot: &Snapshot, under: &str, is_recursive: bool) -> Value {
    let mut folders = BTreeSet::new();
    let mut entries = Vec::new();
    for file in &snapshot.files {
        let Some(inside) = file.path.strip_prefix(under) else { continue };
        let parts: Vec<_> = inside.split('/').collect();
        let depth = if is_recursive { parts.len() - 1 } else { (parts.len() - 1).min(1) };
        for depth in 1..=depth {
            folders.insert(format!("{under}{}", parts[..depth].join("/")));
        }
        if is_recursive || parts.len() == 1 {
            entries.push(file_entry(file));
        }
    }
    entries.extend(folders.iter().map(|folder| folder_entry(folder, snapshot)));
    entries.into()
}

fn file_entry(file: &HubFile) -> Value {
    let mut entry =
        json!({ "type": "file", "path": file.path, "size": file.size, "oid": object_id(file) });
    if let Known::Sha256(sha256) = file.known {
        let pointer = pointer_size(file);
        entry["lfs"] = json!({ "oid": sha256, "size": file.size, "pointerSize": pointer });
    }
    entry
}

fn folder_entry(path: &str, snapshot: &Snapshot) -> Value {
    json!({ "type": "directory", "path": path, "size": 0, "oid": snapshot.commit.to_string() })
}

/// Forty digits that follow from the content; Git's own would be a SHA-1, which nobody computes here.
fn object_id(file: &HubFile) -> String {
    let etag = file.known.etag();
    etag.trim_start_matches("recipe-").chars().take(40).collect()
}

/// The length of the text by which Git LFS would name the file.
fn pointer_size(file: &HubFile) -> usize {
    "version https://git-lfs.github.com/spec/v1\noid sha256:\nsize \n".len()
        + 64
        + file.size.to_string().len()
}

/// The paths of a form (`paths=a&paths=b`) or of a JSON object.
fn paths_of(headers: &HeaderMap, body: &[u8]) -> Option<Vec<String>> {
    if body.len() > MOST_ASKED {
        return None;
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/json") {
        let value: Value = serde_json::from_slice(body).ok()?;
        return match &value["paths"] {
            Value::String(path) => Some(vec![path.clone()]),
            Value::Array(paths) => paths.iter().map(|it| it.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
    }
    let text = std::str::from_utf8(body).ok()?;
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    Some(pairs.filter(|(key, _)| *key == "paths").filter_map(|(_, value)| decoded(value)).collect())
}

/// A value of a form.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// A time of the log as the Hub writes it. Civil dates from days, by the proleptic Gregorian calendar.
fn date(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March here, so that the leap day is a year's last: 400 of them are an era of 146097 days.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(date(951_782_399), "2000-02-28T23:59:59.000Z");
        assert_eq!(date(951_782_400), "2000-02-29T00:00:00.000Z");
        assert_eq!(date(1_767_225_599), "2025-12-31T23:59:59.000Z");
        assert_eq!(date(4_107_542_400), "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn a_forms_paths_are_read() {
        let none = HeaderMap::new();
        let read = |text: &str| paths_of(&none, text.as_bytes()).unwrap();
        assert_eq!(read("paths=a%2Fb&expand=false&paths=c+d"), ["a/b", "c d"]);
        assert!(read("paths=%zz&paths=%2").is_empty() && read("").is_empty());
        let json = HeaderMap::from_iter([(CONTENT_TYPE, "application/json".parse().unwrap())]);
        assert_eq!(paths_of(&json, br#"{"paths":["a"]}"#).unwrap(), ["a"]);
        assert_eq!(paths_of(&json, br#"{"paths":1}"#), None);
    }
}
