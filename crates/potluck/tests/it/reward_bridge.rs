//! `potluck reward-bridge` against a real server on this machine: each kind of reply, and each that is none.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::text;

/// A server that runs until this is dropped.
struct Server {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl Server {
    fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = router(&asked);
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, asked, _runtime: runtime }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A server under TLS for `localhost`, and the file of the certificate with which it is trusted.
fn start_under_tls(runtime: &Runtime, folder: &Path) -> (u16, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = folder.join("trusted.pem");
    fs::write(&file, made.cert.pem()).unwrap();
    let key = made.signing_key.serialize_der().try_into().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = router(&Arc::default());
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, router) = (acceptor.clone(), router.clone());
            tokio::spawn(async move {
                // One that does not trust us hangs up.
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = TowerToHyperService::new(router);
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (port, file)
}

/// An answer whose body is JSON.
fn said(value: &Value) -> Response {
    ([("content-type", "application/json")], value.to_string()).into_response()
}

fn lengths(body: &str, key: &str) -> Value {
    let request: Value = serde_json::from_str(body).unwrap();
    request[key].as_array().unwrap().iter().map(|it| json!(it.as_str().unwrap().len())).collect()
}

fn router(asked: &Arc<AtomicUsize>) -> Router {
    let count = {
        let asked = Arc::clone(asked);
        move || asked.fetch_add(1, Ordering::SeqCst)
    };
    let counted = count.clone();
    let score = async move |headers: HeaderMap, body: String| {
        count();
        let token = headers.get("x-token").map_or(0, |it| it.len());
        said(&json!({"rewards": lengths(&body, "completions"), "metrics": {"token": token}}))
    };
    let flaky = async move |body: String| match counted() {
        0 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        1 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response(),
        _ => said(&json!({"rewards": lengths(&body, "completions")})),
    };
    let openrlhf = async |body: String| {
        let request: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(request["labels"], json!(["x", null]));
        let logs = json!({"length": lengths(&body, "query")});
        said(&json!({"rewards": lengths(&body, "query"), "scores": [1, 1], "extra_logs": logs}))
    };
    // Each reads the body to its end: a server that does not resets the connection.
    let slow = async |_: String| tokio::time::sleep(Duration::from_secs(1000)).await;
    Router::new()
        .route("/score", post(score))
        .route("/flaky", post(flaky))
        .route("/openrlhf", post(openrlhf))
        .route("/slow", post(slow))
        .route("/down", post(async |_: String| StatusCode::INTERNAL_SERVER_ERROR))
        .route("/refuses", post(async |_: String| (StatusCode::BAD_REQUEST, "no such\nmodel")))
        .route("/moved", post(async |_: String| (StatusCode::FOUND, [("location", "/score")])))
        .route("/words", post(async |_: String| "hello"))
        .route("/huge", post(async |_: String| "[".repeat(17 << 20)))
}

fn request(id: u64, completions: &[&str]) -> Value {
    let prompts = vec!["p"; completions.len()];
    json!({"v": 1, "id": id, "step": 3, "prompts": prompts, "completions": completions,
           "columns": {"answer": ["x", null]}})
}

/// What the bridge says to these lines.
fn bridge(args: &[&str], lines: &[Value]) -> Output {
    bridge_with(args, lines, &[])
}

/// The same with some more variables.
fn bridge_with(args: &[&str], lines: &[Value], variables: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_potluck"));
    command.arg("reward-bridge").args(args).env("JUDGE_TOKEN", "secret-of-ours");
    command.envs(variables.iter().copied());
    // Nothing on this machine is asked for through a proxy.
    command.env("HTTP_PROXY", "http://127.0.0.1:9").env("ALL_PROXY", "http://127.0.0.1:9");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    for line in lines {
        // One that has refused its arguments reads nothing.
        let _ = writeln!(input, "{line}");
    }
    drop(input);
    child.wait_with_output().unwrap()
}

fn answers(args: &[&str], lines: &[Value]) -> Vec<Value> {
    let said = bridge(args, lines);
    assert!(said.status.success(), "{}", text(&said.stderr));
    text(&said.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Why there are no scores.
fn error(args: &[&str]) -> String {
    let answers = answers(args, &[request(7, &["a"])]);
    assert_eq!(answers[0]["id"], 7);
    answers[0]["error"].as_str().unwrap().to_owned()
}

#[test]
fn lines_become_posts_and_replies_lines() {
    let server = Server::start();
    let url = server.url("/score");
    let args = ["--url", &url, "--header-env", "X-Token=JUDGE_TOKEN"];
    let answers = answers(&args, &[request(1, &["a", "bb"]), request(2, &["é"])]);
    let metrics = json!({"token": 14.0});
    assert_eq!(
        answers,
        [
            json!({"id": 1, "rewards": [1, 2], "metrics": metrics}),
            json!({"id": 2, "rewards": [2], "metrics": metrics}),
        ]
    );
}

#[test]
fn openrlhf_is_spoken_too() {
    let server = Server::start();
    let url = server.url("/openrlhf");
    let args = ["--url", &url, "--dialect", "openrlhf", "--label", "answer"];
    let answers = answers(&args, &[request(1, &["a", "bbb"])]);
    assert_eq!(answers, [json!({"id": 1, "rewards": [2, 4], "metrics": {"length": 3.0}})]);
}

#[test]
fn what_passes_is_tried_again() {
    let server = Server::start();
    let url = server.url("/flaky");
    let answers = answers(&["--url", &url, "--backoff", "0.01"], &[request(1, &["a"])]);
    assert_eq!(answers, [json!({"id": 1, "rewards": [1], "metrics": {}})]);
    assert_eq!(server.asked(), 3);
}

#[test]
fn what_does_not_pass_is_said_and_the_bridge_goes_on() {
    let server = Server::start();
    let failing = |path: &str, more: &[&str]| {
        let url = server.url(path);
        error(&[&["--url", &url, "--retries", "2", "--backoff", "0.01"], more].concat())
    };
    assert_eq!(failing("/down", &[]), "the endpoint refused with status 500: , 3 time(s) in a row");
    assert_eq!(
        failing("/refuses", &[]),
        "the endpoint refused with status 400: no such model, 1 time(s) in a row"
    );
    let said = failing("/moved", &[]);
    assert!(said.contains("status 302"), "{said}");
    let said = failing("/words", &[]);
    assert!(said.contains("something else than JSON"), "{said}");
    let said = failing("/huge", &[]);
    assert!(said.contains("more than 16777216 bytes"), "{said}");
    let slow = failing("/slow", &["--timeout", "0.1"]);
    assert_eq!(slow, "the endpoint took too long, 3 time(s) in a row");
    assert_eq!(server.asked(), 0, "no redirect is followed");
    // Nobody is there: an address that was a server's a moment ago may be another's by now.
    let gone = error(&["--url", "http://127.0.0.1:1/", "--retries", "1", "--backoff", "0.01"]);
    assert!(gone.contains("cannot be reached") && gone.contains("2 time(s)"), "{gone}");
}

#[test]
fn completions_stay_here_unless_somebody_says_otherwise() {
    let refused = |args: &[&str], fault: &str| {
        let said = bridge(args, &[request(1, &["a"])]);
        assert_eq!(said.status.code(), Some(3));
        assert_eq!(text(&said.stdout), "");
        let error = text(&said.stderr);
        assert!(error.contains(fault) && !error.contains("secret-of-ours"), "{error}");
    };
    refused(&["--url", "http://judge.invalid/"], "--allow-remote");
    refused(&["--url", "https://judge.invalid/"], "--allow-remote");
    let token = ["--header-env", "X-Token=JUDGE_TOKEN"];
    let remote = ["--allow-remote", "--url", "http://judge.invalid/"];
    refused(&[&remote[..], &token[..]].concat(), "would show the value to others");
    refused(&["--url", "http://localhost/", "--header-env", "X=NOT_SET_ANYWHERE"], "is not set");
    refused(&["--url", "http://a:b@localhost/"], "holds a user or a password");
}

#[test]
fn what_is_no_request_ends_it() {
    for line in [json!({"prompts": []}), json!({"id": 1}), json!(3)] {
        let said = bridge(&["--url", "http://localhost:9/"], &[line]);
        assert_eq!(said.status.code(), Some(3));
        assert!(text(&said.stderr).contains("no request"));
    }
}

#[test]
fn tls_trusts_what_the_machine_trusts() {
    let folder = tempfile::tempdir().unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (port, trusted) = start_under_tls(&runtime, folder.path());
    let other = folder.path().join("other.pem");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(&other, made.cert.pem()).unwrap();
    let answer = |host: &str, file: &Path| {
        let url = format!("https://{host}:{port}/score");
        let said = bridge_with(&["--url", &url], &[request(7, &["a"])], &[("SSL_CERT_FILE", file)]);
        assert!(said.status.success(), "{}", text(&said.stderr));
        serde_json::from_slice::<Value>(&said.stdout).unwrap()
    };
    assert_eq!(answer("localhost", &trusted)["rewards"], json!([1]));
    for (host, file) in [("localhost", &other), ("127.0.0.1", &trusted)] {
        let answer = answer(host, file);
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains("a certificate that is not trusted here"), "{error}");
        assert!(error.contains("1 time(s)"), "{error}");
    }
}
