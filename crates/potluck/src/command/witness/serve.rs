//! A witness for others (C2SP tlog-witness): a log asks for a cosignature over HTTP, and shows that it only grew.
//!
//! ```text
//! POST /add-checkpoint ─▶ parse, check ─▶ kept: written, synced, renamed ─▶ the cosignature leaves
//! ```
//!
//! One file for each log, under the SHA-256 of its name: the latest checkpoint that was cosigned. A file that is none
//! keeps the witness from starting, since whoever forgets what it signed could sign the contrary.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use potluck_core::{PrivateKey, Sha256};
use potluck_log::{
    Cosigner, ForkEvidence, MAX_ADD_CHECKPOINT_BYTES, Origin, SignedCheckpoint, VerifierKey,
    Witness, WitnessAnswer, WitnessRefusal,
};
use serde_json::json;

use crate::clock::now;
use crate::durable::{self, Readers};
use crate::failure::{Failure, in_full, warn};
use crate::http::{listen, serve, words};
use crate::output::Output;

/// What a witness for others needs to know.
pub(super) struct Plan<'a> {
    pub(super) address: SocketAddr,
    pub(super) key: PrivateKey,
    pub(super) name: Origin,
    pub(super) logs: Vec<VerifierKey>,
    pub(super) state: &'a Path,
}

struct Serving {
    witness: Mutex<Witness>,
    state: PathBuf,
    /// Held as long as it serves: two witnesses of one memory would sign two stories.
    _lock: File,
}

/// Serves until the process ends.
pub(super) async fn run(plan: Plan<'_>, output: &Output) -> Result<(), Failure> {
    let address = plan.address;
    let serving = Serving::open(plan)?;
    let key = serving.locked().key().to_string();
    let (listener, bound) = listen(address).await?;
    output.line(format!("Witness key: {key}"));
    output.line(format!("Serving on http://{bound}/add-checkpoint"));
    output.result(&json!({"serving": bound.to_string(), "key": key}));
    serve(listener, router(serving)).await;
    Ok(())
}

fn router(serving: Serving) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        // One byte more, so that what is too long is refused by the witness, in its words.
        .layer(DefaultBodyLimit::max(MAX_ADD_CHECKPOINT_BYTES + 1))
        .with_state(Arc::new(serving))
}

async fn add_checkpoint(State(serving): State<Arc<Serving>>, body: Bytes) -> Response {
    // It writes and syncs a file.
    let answering = tokio::task::spawn_blocking(move || serving.answer(&body));
    match answering.await {
        Ok(Ok(answer)) => {
            let status = StatusCode::from_u16(answer.status());
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let kind = HeaderValue::from_static(answer.content_type());
            (status, [(CONTENT_TYPE, kind)], answer.body()).into_response()
        }
        Ok(Err(failure)) => {
            warn(format_args!("a cosignature could not be given: {failure}"));
            words(StatusCode::INTERNAL_SERVER_ERROR, "this witness cannot keep what it signs\n")
        }
        Err(_) => words(StatusCode::INTERNAL_SERVER_ERROR, "this witness failed\n"),
    }
}

impl Serving {
    fn open(plan: Plan<'_>) -> Result<Self, Failure> {
        let Plan { key, name, logs, state, .. } = plan;
        let failed = |error: std::io::Error| {
            Failure::system(format!("cannot use {}: {error}", state.display()))
        };
        fs::create_dir_all(state).map_err(failed)?;
        let lock = File::create(state.join("lock")).map_err(failed)?;
        lock.try_lock().map_err(|_| {
            Failure::system(format!("another witness works in {}", state.display()))
        })?;
        let mut witness = Witness::new(Cosigner::new(name, key.as_dalek().clone()));
        for log in logs {
            let latest = remembered(&file_of(state, log.name()), &log)?;
            witness.watch(log, latest).map_err(|error| Failure::input(in_full(&error)))?;
        }
        Ok(Self { witness: Mutex::new(witness), state: state.to_owned(), _lock: lock })
    }

    /// A panic left the witness as it was: it changes only once the checkpoint is kept.
    fn locked(&self) -> std::sync::MutexGuard<'_, Witness> {
        self.witness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, body: &[u8]) -> Result<WitnessAnswer, Failure> {
        let time = now()?;
        let keep = |checkpoint: &SignedCheckpoint| {
            let path = file_of(&self.state, checkpoint.origin());
            durable::write(&path, checkpoint.note().as_bytes(), Readers::Anyone).map_err(|error| {
                Failure::system(format!("cannot write {}: {error}", path.display()))
            })
        };
        let answer = self.locked().add_checkpoint(body, time, keep)?;
        if let WitnessAnswer::Refused(refusal) = &answer {
            self.keep_evidence(refusal);
        }
        Ok(answer)
    }

    /// A log that told two stories has signed both: that is kept, whatever becomes of the request.
    fn keep_evidence(&self, refusal: &WitnessRefusal) {
        let evidence: &ForkEvidence = match refusal {
            WitnessRefusal::Inconsistent { evidence: Some(evidence), .. }
            | WitnessRefusal::OtherState { evidence } => evidence,
            _ => return,
        };
        let text = format!("{evidence}\n");
        // One file for one contradiction, however often it is shown.
        let digest = Sha256::of(text.as_bytes());
        let path = self.state.join("evidence").join(format!("{digest}.json"));
        if path.exists() {
            return;
        }
        match durable::write(&path, text.as_bytes(), Readers::Anyone) {
            Ok(()) => warn(format_args!("a log forked: {} proves it", path.display())),
            Err(error) => warn(format_args!("cannot write {}: {error}", path.display())),
        }
    }
}

fn file_of(state: &Path, log: &Origin) -> PathBuf {
    state.join(format!("{}.checkpoint", Sha256::of(log.as_str().as_bytes())))
}

fn remembered(path: &Path, log: &VerifierKey) -> Result<Option<SignedCheckpoint>, Failure> {
    let note = match fs::read_to_string(path) {
        Ok(note) => note,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::system(format!("cannot read {}: {error}", path.display())));
        }
    };
    SignedCheckpoint::open(&note, log).map(Some).map_err(|error| {
        let message =
            format!("{} is no checkpoint of {}: {}", path.display(), log.name(), in_full(&error));
        Failure::input(message)
            .hint("it is what this witness signed last: restore it, or begin under a new key")
    })
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use potluck_log::{AddCheckpoint, ConsistencyProof, CosignerKey, Tree};
    use tower::ServiceExt as _;

    use super::*;
    use crate::http::tests::slow_callers_are_cut;
    use crate::samples::{Story, block_on, witness_key};

    fn open(state: &Path) -> Result<Router, Failure> {
        let plan = Plan {
            address: ([127, 0, 0, 1], 0).into(),
            key: witness_key("outside"),
            name: "witness.example/one".parse().unwrap(),
            logs: vec![Story::log_key()],
            state,
        };
        Serving::open(plan).map(router)
    }

    fn ask(router: &Router, body: String) -> (u16, String) {
        let request = Request::post("/add-checkpoint").body(Body::from(body)).unwrap();
        block_on(async {
            let response = router.clone().oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        })
    }

    fn request(story: &Story, old: u64) -> String {
        let mut tree = Tree::new();
        for entry in &story.entries {
            tree.push(entry.record());
        }
        let proof = match old {
            0 => ConsistencyProof::from_hashes(Vec::new()).unwrap(),
            old => tree.consistency(old, tree.len()).unwrap(),
        };
        AddCheckpoint::new(old, proof, &story.checkpoint()).to_string()
    }

    #[test]
    fn a_log_that_grows_is_cosigned_across_restarts_and_one_that_forks_is_not() {
        let home = tempfile::tempdir().unwrap();
        let (short, long) = (Story::with_round(), Story::published());
        let router = open(home.path()).unwrap();
        let (status, line) = ask(&router, request(&short, 0));
        assert_eq!(status, 200, "{line}");
        let outside = Cosigner::new(
            "witness.example/one".parse().unwrap(),
            witness_key("outside").as_dalek().clone(),
        );
        let keys: [CosignerKey; 1] = [outside.cosigner_key().clone()];
        assert_eq!(short.checkpoint().add_cosignatures(&line, &keys).unwrap().len(), 1);
        // Another witness of this memory does not start; after the first one ended it goes on.
        assert!(open(home.path()).is_err());
        drop(router);
        let router = open(home.path()).unwrap();
        assert_eq!(ask(&router, request(&long, 0)), (409, "6\n".to_owned()));
        assert_eq!(ask(&router, request(&long, 6)).0, 200);

        let mut other = Story::with_round();
        other.propose("readers", "agency=0.25,readers=0.75");
        other.propose("agency", "agency=0.25,readers=0.75");
        other.publish();
        assert_eq!(ask(&router, request(&other, 9)).0, 422);
        let kept = fs::read_dir(home.path().join("evidence")).unwrap().next().unwrap().unwrap();
        let text = fs::read_to_string(kept.path()).unwrap();
        let evidence: ForkEvidence = text.trim_end().parse().unwrap();
        evidence.verify(&Story::log_key()).unwrap();
        assert_eq!(ask(&router, "x".repeat(MAX_ADD_CHECKPOINT_BYTES + 1)).0, 400);
        assert_eq!(ask(&router, String::new()).0, 400);
    }

    #[test]
    fn what_cannot_be_kept_is_not_cosigned() {
        let home = tempfile::tempdir().unwrap();
        let router = open(home.path()).unwrap();
        // A folder stands where the file should be.
        let story = Story::with_round();
        fs::create_dir(file_of(home.path(), story.checkpoint().origin())).unwrap();
        let (status, body) = ask(&router, request(&story, 0));
        assert_eq!(status, 500);
        assert!(!body.contains('\u{2014}'), "{body}");
        fs::remove_dir(file_of(home.path(), story.checkpoint().origin())).unwrap();
        assert_eq!(ask(&router, request(&story, 0)).0, 200);
        drop(router);
        fs::write(file_of(home.path(), story.checkpoint().origin()), "half").unwrap();
        assert_eq!(open(home.path()).map(|_| ()).unwrap_err().kind(), crate::failure::Kind::Input);
    }

    #[test]
    fn a_slow_log_keeps_nobody_from_being_answered() {
        let home = tempfile::tempdir().unwrap();
        slow_callers_are_cut(open(home.path()).unwrap(), "/add-checkpoint");
    }
}
