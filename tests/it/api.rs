//! A fuzzing client over `/api/v1` of a real server: what the document describes is what is answered, and no request breaks it.

use std::process::Command;

use support::checkpoint::SMALL;
use support::federation::Federation;

#[test]
fn no_request_that_the_document_allows_or_forbids_breaks_the_server() {
    let Some(python) = std::env::var_os("POTLUCK_API_PYTHON") else {
        eprintln!("SKIPPED: no Python with schemathesis; `cargo xtask test-api` installs it");
        return;
    };
    let mut federation = Federation::agreed(SMALL).unwrap();
    federation.operator(&["publish"], &[]).succeeded();
    let address = federation.serve_http().unwrap();
    let mut fuzz = Command::new(python);
    fuzz.args(["-m", "schemathesis.cli", "run"]);
    fuzz.arg(format!("http://{address}/api/v1/openapi.json"));
    // Events do not end by themselves.
    fuzz.args(["--exclude-path", "/api/v1/events"]);
    fuzz.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "40", "--seed", "1"]);
    fuzz.args([
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
    ]);
    fuzz.env("NO_COLOR", "1").current_dir(federation.path(""));
    assert!(fuzz.status().unwrap().success());
    // It still answers.
    federation.checkpoint();
}
