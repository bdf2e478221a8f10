//! `/assets/…`: the files of `web/`, which stand in the program.
//!
//! Only these names are served: no path of a request reaches the file system. Each has the digest of its bytes as its
//! tag, so that a browser keeps what did not change.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use include_dir::{Dir, include_dir};
use potluck_core::Blake3;

use crate::http::words;

static WEB: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/web");

static ASSETS: LazyLock<HashMap<String, Asset>> = LazyLock::new(|| {
    let mut assets = HashMap::new();
    gather(&WEB, &mut assets);
    assets
});

#[derive(Debug)]
struct Asset {
    bytes: &'static [u8],
    content_type: &'static str,
    tag: String,
}

fn gather(folder: &'static Dir<'static>, assets: &mut HashMap<String, Asset>) {
    for file in folder.files() {
        let Some(name) = file.path().to_str() else { continue };
        // What has no kind that a page uses (a licence, a note) is not served.
        let Some(content_type) = content_type(name) else { continue };
        let bytes = file.contents();
        let tag = format!("\"{}\"", Blake3::of(bytes).short());
        assets.insert(name.to_owned(), Asset { bytes, content_type, tag });
    }
    folder.dirs().for_each(|inner| gather(inner, assets));
}

fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

pub(super) async fn answer(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.get(&name) else {
        return words(StatusCode::NOT_FOUND, "no page uses a file of that name\n");
    };
    let head = [(ETAG, asset.tag.as_str()), (CACHE_CONTROL, "no-cache")];
    let known = headers.get(IF_NONE_MATCH).and_then(|it| it.to_str().ok());
    if known.is_some_and(|it| it.split(',').any(|tag| tag.trim() == asset.tag)) {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    (head, [(CONTENT_TYPE, asset.content_type)], asset.bytes).into_response()
}
