//! The clients that people have, unchanged, against a federation in the place of the Hugging Face Hub.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use potluck_core::Sha256;
use serde_json::Value;
use support::federation::Federation;
use support::potluck;

const LAMBDA: &str = "agency=0.3,readers=0.7";

/// What has the clients, and where they keep what they have downloaded.
struct Clients {
    python: PathBuf,
    home: tempfile::TempDir,
    endpoint: String,
}

impl Clients {
    /// Runs a step of `interchange/hub.py`, with nothing downloaded before, and gives what it told.
    fn run(&self, step: &str, args: &[&Path]) -> Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interchange/hub.py");
        let downloads = tempfile::tempdir_in(self.home.path()).unwrap();
        let mut run = Command::new(&self.python);
        run.arg(script).arg(step).args(args).env("HF_HOME", downloads.path());
        run.env("HF_ENDPOINT", &self.endpoint).env("CUDA_VISIBLE_DEVICES", "");
        // One way out, and it leads to the federation.
        run.env("HF_HUB_DISABLE_TELEMETRY", "1")
            .env_remove("HF_TOKEN")
            .env_remove("HF_HUB_OFFLINE");
        let ended = run.output().unwrap();
        assert!(ended.status.success(), "{step}: {}", String::from_utf8_lossy(&ended.stderr));
        let told = String::from_utf8(ended.stdout).unwrap();
        told.lines()
            .last()
            .map_or(Value::Null, |line| serde_json::from_str(line).unwrap_or(Value::Null))
    }
}

/// Has the aggregator of a federation serve over HTTP from now on; where.
fn serve_over_http(federation: &mut Federation) -> String {
    // Free a moment ago; nobody else on this machine is given it so soon.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = federation.operator_dir().join("aggregator.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(config, format!("{text}\n[http]\nlisten = \"{address}\"\n")).unwrap();
    federation.restart().unwrap();
    format!("http://{address}")
}

/// The SHA-256 of a file.
fn digest(path: &Path) -> String {
    Sha256::of(&fs::read(path).unwrap()).to_string()
}

#[test]
fn the_clients_of_the_hub_read_a_federation() {
    let Some(python) = std::env::var_os("POTLUCK_HUB_PYTHON").map(PathBuf::from) else {
        eprintln!(
            "SKIPPED: no Python with huggingface_hub and transformers; `cargo xtask test-hub` installs them"
        );
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    let (base, [agency, readers]) = (path("base"), ["agency", "readers"].map(path));
    let mut clients =
        Clients { python, home: tempfile::tempdir().unwrap(), endpoint: String::new() };
    clients.run("base", &[&base]);
    clients.run("expert", &[&base, Path::new("1"), &agency]);
    clients.run("expert", &[&base, Path::new("2"), &readers]);

    let mut federation = Federation::over(&base, "").unwrap();
    federation.push("agency", &agency).succeeded();
    federation.push("readers", &readers).succeeded();
    clients.endpoint = serve_over_http(&mut federation);

    // The same soup at home, by the command, with the digests that make its header the same.
    let served = clients.run("snapshot", &[Path::new(LAMBDA)]);
    let files = &served["files"];
    let mixed = path("mixed");
    fs::create_dir(&mixed).unwrap();
    for file in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        assert_eq!(files[file], digest(&base.join(file)), "{file}");
        fs::copy(base.join(file), mixed.join(file)).unwrap();
    }
    let weights = "model.safetensors";
    let out = mixed.join(weights);
    let expert = |party: &str, path: &Path| format!("{party}={}", path.join(weights).display());
    let (first, second) = (expert("agency", &agency), expert("readers", &readers));
    let (home_base, to) =
        (federation.path("base").display().to_string(), out.display().to_string());
    let mix = ["mix", "--lambda", LAMBDA, "--base", &home_base, "--out", &to];
    potluck(&[&mix[..], &["--expert", &first, "--expert", &second]].concat()).succeeded();
    assert_eq!(files[weights], digest(&out));
    clients.run("loads", &[Path::new(LAMBDA), &mixed]);

    // Whoever asks, by whatever way, gets the same bytes.
    let again = clients.run("cut", &[Path::new(LAMBDA)]);
    assert_eq!(&again["files"], files);
    let parts = "readers=700000,agency=300000";
    assert_eq!(&clients.run("tool", &[Path::new(parts), &path("tool")])["files"], files);
    let expert = clients.run("snapshot", &[Path::new("readers")]);
    assert_eq!(expert["files"][weights], digest(&readers.join(weights)));
    assert_eq!(
        clients.run("snapshot", &[Path::new("main")])["files"][weights],
        digest(&base.join(weights))
    );
    clients.run("refused", &[]);
}

#[test]
fn what_the_charter_keeps_is_kept_from_the_clients_of_the_hub() {
    let Some(python) = std::env::var_os("POTLUCK_HUB_PYTHON").map(PathBuf::from) else {
        eprintln!(
            "SKIPPED: no Python with huggingface_hub and transformers; `cargo xtask test-hub` installs them"
        );
        return;
    };
    let shape = support::checkpoint::SMALL;
    let mut federation = Federation::closed(shape).unwrap();
    let endpoint = serve_over_http(&mut federation);
    Clients { python, home: tempfile::tempdir().unwrap(), endpoint }.run("kept", &[]);
}

#[test]
fn tokens_let_the_clients_of_the_hub_in_as_far_as_their_scopes_and_their_time_go() {
    let Some(python) = std::env::var_os("POTLUCK_HUB_PYTHON").map(PathBuf::from) else {
        eprintln!(
            "SKIPPED: no Python with huggingface_hub and transformers; `cargo xtask test-hub` installs them"
        );
        return;
    };
    let mut federation = Federation::closed(support::checkpoint::SMALL).unwrap();
    let key = federation.join("readers", "readers");
    federation.operator(&["admit"], &["readers", &key]).succeeded();
    let dir = federation.operator_dir().display().to_string();
    let token = |scopes: &[&str]| {
        let create = ["token", "create", "--dir", &dir, "--party", "readers"];
        let made = potluck(&[&create[..], scopes].concat()).succeeded();
        made["token"].as_str().unwrap().to_owned()
    };
    let good = token(&["--scope", "experts", "--scope", "soups"]);
    let soups = token(&["--scope", "soups"]);
    let old = token(&["--scope", "experts"]);
    // The last one's time is over.
    let file = federation.operator_dir().join("tokens.json");
    let mut kept: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    kept["tokens"][2]["expires"] = 1.into();
    fs::write(&file, kept.to_string()).unwrap();
    let endpoint = serve_over_http(&mut federation);
    let clients = Clients { python, home: tempfile::tempdir().unwrap(), endpoint };
    clients.run("tokens", &[&good, &soups, &old].map(|token| Path::new(token.as_str())));
}
