//! A mirror over HTTP: its files under the paths that C2SP tlog-tiles gives them, and nothing else.
//!
//! A name is looked for only if it is one of a log's ([`ArchiveFile`]): no path of a request reaches the folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use potluck_net::archive::{ArchiveFile, Files as _, Folder};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::http::{listen, serve, words};
use crate::output::Output;

/// How many files are read at once. One is at most an envelope, so this bounds the memory.
const READERS: usize = 16;

struct Served {
    folder: PathBuf,
    readers: Semaphore,
}

/// Serves the folder until the process ends, or what this returns is dropped.
pub(super) async fn begin(
    folder: &Path,
    address: SocketAddr,
    output: &Output,
) -> Result<JoinSet<()>, Failure> {
    let (listener, bound) = listen(address).await?;
    output.line(format!("Serving {} on http://{bound}/checkpoint", folder.display()));
    output.result(&json!({"serving": bound.to_string(), "out": folder}));
    // On a task of its own: whoever reads does not wait while the copy is brought up to date.
    let mut serving = JoinSet::new();
    serving.spawn(serve(listener, router(folder)));
    Ok(serving)
}

/// The answers to requests for a folder's files.
fn router(folder: &Path) -> Router {
    let readers = Semaphore::new(READERS);
    let served = Served { folder: folder.to_owned(), readers };
    Router::new().fallback(answer).with_state(Arc::new(served))
}

async fn answer(State(served): State<Arc<Served>>, method: Method, uri: Uri) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return words(StatusCode::METHOD_NOT_ALLOWED, "only reading is offered\n");
    }
    let name = uri.path().strip_prefix('/').unwrap_or_default();
    let Ok(file) = name.parse::<ArchiveFile>() else {
        return words(StatusCode::NOT_FOUND, "a log has no file of that name\n");
    };
    let Ok(_permit) = served.readers.acquire().await else {
        return words(StatusCode::SERVICE_UNAVAILABLE, "not any more\n");
    };
    let folder = Folder::new(&served.folder);
    let reading =
        tokio::task::spawn_blocking(move || folder.read(&file.to_string(), file.max_bytes()));
    match reading.await {
        Ok(Ok(Some(bytes))) if bytes.len() <= file.max_bytes() => found(&file, bytes),
        Ok(Ok(None)) => words(StatusCode::NOT_FOUND, "not here, or not yet\n"),
        _ => words(StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be read\n"),
    }
}

fn found(file: &ArchiveFile, bytes: Vec<u8>) -> Response {
    // What never changes may be kept for ever; the checkpoint is asked for again each time.
    let kept = if file.is_immutable() { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (CONTENT_TYPE, file.content_type()),
        (CACHE_CONTROL, kept),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, bytes).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;
    use crate::http::tests::slow_callers_are_cut;
    use crate::samples::block_on;

    fn get(folder: &Path, method: &str, path: &str) -> (u16, Vec<u8>) {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        block_on(async {
            let response = router(folder).oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            (status, to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec())
        })
    }

    #[test]
    fn only_a_log_s_files_are_served() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("copy");
        std::fs::create_dir_all(folder.join("tile/0")).unwrap();
        std::fs::write(folder.join("checkpoint"), "note").unwrap();
        std::fs::write(folder.join("tile/0/000"), [7; 8192]).unwrap();
        std::fs::write(folder.join("secret"), "no").unwrap();
        std::fs::write(home.path().join("secret"), "no").unwrap();
        assert_eq!(get(&folder, "GET", "/checkpoint"), (200, b"note".to_vec()));
        assert_eq!(get(&folder, "GET", "/tile/0/000").1.len(), 8192);
        assert_eq!(get(&folder, "GET", "/tile/0/001").0, 404);
        for path in
            ["/secret", "/../secret", "/tile/../secret", "/%2e%2e/secret", "//etc/passwd", "/"]
        {
            assert_eq!(get(&folder, "GET", path).0, 404, "{path}");
        }
        assert_eq!(get(&folder, "POST", "/checkpoint").0, 405);
        // A file longer than any of its kind is not served.
        std::fs::write(folder.join("tile/0/000"), [7; 8193]).unwrap();
        assert_eq!(get(&folder, "GET", "/tile/0/000").0, 500);
    }

    #[test]
    fn a_slow_reader_keeps_nobody_from_reading() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("tile/0")).unwrap();
        std::fs::write(home.path().join("tile/0/000"), [7; 8192]).unwrap();
        slow_callers_are_cut(router(home.path()), "/tile/0/000");
    }
}
