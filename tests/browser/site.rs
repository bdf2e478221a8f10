//! The modules and the vectors over HTTP on loopback, under the policy that the dashboard has.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

/// No inline script, no `eval`, no WebAssembly, and no other host.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Where what is under each first part of a path lies.
type Folders = Vec<(&'static str, PathBuf)>;

/// A site that lives as long as its test.
pub(crate) struct Site {
    address: SocketAddr,
}

impl Site {
    /// Serves the modules under `/web/`, test pages under `/pages/`, vectors under `/vectors/`, and `made`, what the test
    /// made itself, under `/made/`.
    pub(crate) async fn serve(made: &Path) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders: Folders = vec![
            ("web", web()),
            ("pages", here.join("browser/pages")),
            ("vectors", here.join("vectors")),
            ("made", made.to_owned()),
        ];
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(answer).with_state(folders);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

/// The modules' folder.
pub(crate) fn web() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/potluck-aggregator/web")
}

async fn answer(State(folders): State<Folders>, uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    let found = path.split_once('/').and_then(|(first, rest)| {
        let (_, folder) = folders.iter().find(|(name, _)| *name == first)?;
        // A test's page asks for what it names; nothing climbs out of a folder all the same.
        let file = (!rest.split('/').any(|part| part == "..")).then(|| folder.join(rest))?;
        std::fs::read(file).ok()
    });
    let Some(bytes) = found else { return StatusCode::NOT_FOUND.into_response() };
    let policy = HeaderName::from_static("content-security-policy");
    ([(header::CONTENT_TYPE, content_type(path)), (policy, POLICY)], bytes).into_response()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "json")) => "application/json",
        _ => "application/octet-stream",
    }
}
