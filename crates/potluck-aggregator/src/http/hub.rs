//! The federation as a repository of the Hugging Face Hub, for `transformers` and whatever else loads models by name.
//!
//! ```text
//! GET  /api/models                                        the one repository
//! GET  /api/models/NS/NAME[/revision/REV]                 what it is, and the files of a revision
//! GET  /api/models/NS/NAME/tree/REV[/FOLDER]              its files with their sizes
//! POST /api/models/NS/NAME/paths-info/REV                 of some of them
//! GET  /api/models/NS/NAME/refs, …/commits/REV            revisions that have names
//! GET  /NS/NAME/resolve/REV/FILE                          a file, from any byte on
//! GET  /api/whoami-v2                                     who asks
//! ```
//!
//! The repository is `FEDERATION/model`. A revision is a soup, an expert or the base ([`revision`]); its weights are mixed
//! while they are sent ([`crate::streams`]). Nothing is taken. `docs/serving.md` tells users about it.

mod card;
mod commits;
mod file;
mod info;
mod range;
mod revision;
mod snapshot;
mod trouble;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::json;

use self::commits::Commits;
use self::revision::Revision;
use self::snapshot::Snapshot;
use self::trouble::Trouble;
use super::access::{bearer, may_read};
use super::{Shared, here};
use crate::server::Aggregator;
use crate::streams::Streams;

/// The repository's name, behind the federation's.
pub(super) const NAME: &str = "model";

/// Where soups are kept that more than one asks for, and how many bytes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSoups {
    /// A folder of their own.
    pub folder: PathBuf,
    /// At most; 0 keeps none.
    pub bytes: u64,
    /// The file in which recipes stand that were asked for.
    pub recipes: PathBuf,
}

/// What is remembered between requests.
#[derive(Debug)]
pub(super) struct Hub {
    streams: Arc<Streams>,
    commits: Commits,
}

impl Hub {
    pub(super) fn new(aggregator: &Aggregator, kept: &KeptSoups) -> Self {
        let (store, threads) = (Arc::clone(&aggregator.store), aggregator.threads);
        let streams = Streams::new(store, threads, &kept.folder, kept.bytes);
        Self { streams: Arc::new(streams), commits: Commits::kept_in(&kept.recipes) }
    }

    /// Soups that more than one asks for may take so many bytes from now on.
    pub(super) fn set_cache_bytes(&self, bytes: u64) {
        self.streams.set_cache_bytes(bytes);
    }
}

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/models", get(info::all))
        .route("/api/models/{name}", get(no_such_repository))
        .route("/api/models/{namespace}/{name}", get(info::main))
        .route("/api/models/{namespace}/{name}/revision/{revision}", get(info::of_revision))
        .route("/api/models/{namespace}/{name}/tree/{revision}", get(info::tree))
        .route("/api/models/{namespace}/{name}/tree/{revision}/{*folder}", get(info::tree_under))
        .route("/api/models/{namespace}/{name}/paths-info/{revision}", post(info::paths))
        .route("/api/models/{namespace}/{name}/refs", get(info::refs))
        .route("/api/models/{namespace}/{name}/commits/{revision}", get(info::commits))
        .route("/api/whoami-v2", get(whoami))
        .route("/{name}/resolve/{revision}/{*file}", get(no_such_repository))
        .route("/{namespace}/{name}/resolve/{revision}/{*file}", get(file::answer))
}

/// Whose token it is: the party that it was made for, else a guest.
async fn whoami(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Answer {
    let Some(kept) = bearer(&shared, &headers)? else {
        let sentence = "this request came without a token";
        return Err(Trouble::new(StatusCode::UNAUTHORIZED, None, sentence));
    };
    let name = kept.party.map_or_else(|| format!("guest-{}", kept.id), |party| party.to_string());
    let scopes: Vec<_> = kept.scopes.iter().map(ToString::to_string).collect();
    // Of this, the clients show the name, and the command line the organisations.
    let told = json!({
        "type": "user", "id": kept.id, "name": name, "fullname": kept.note, "orgs": [],
        "auth": {"type": "access_token", "accessToken": {"displayName": kept.id, "role": scopes.join(" ")}},
    });
    Ok(([(CONTENT_TYPE, "application/json")], told.to_string()).into_response())
}

/// A name without a namespace.
async fn no_such_repository(State(shared): State<Arc<Shared>>) -> Trouble {
    Trouble::no_repository(&repository(&shared))
}

/// A repository as it is asked for.
#[derive(Debug, serde::Deserialize)]
struct Asked {
    namespace: String,
    name: String,
}

/// A revision of one.
#[derive(Debug, serde::Deserialize)]
struct AskedRevision {
    namespace: String,
    name: String,
    revision: String,
}

/// The repository's full name.
fn repository(shared: &Shared) -> String {
    format!("{}/{NAME}", shared.aggregator.standing().federation.charter().name())
}

/// The files of a revision, if who asks may read them.
async fn opened(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
    AskedRevision { namespace, name, revision }: AskedRevision,
) -> Result<Snapshot, Trouble> {
    let standing = shared.aggregator.standing();
    if namespace != standing.federation.charter().name().as_str() || name != NAME {
        return Err(Trouble::no_repository(&repository(shared)));
    }
    let found = Revision::find(&revision, &standing, shared)?;
    may_read(shared, headers, found.wanted())?;
    let _turn = shared.reads.acquire().await.map_err(|error| Trouble::broken(&error))?;
    // Headers of files are read.
    here(|| Snapshot::of(found, &standing, &shared.hub))
}

/// What a handler gives: an answer, or the trouble in the client's own words.
type Answer = Result<Response, Trouble>;

/// The parts of a path of a revision.
type AtRevision = Path<AskedRevision>;

#[cfg(test)]
mod tests;
