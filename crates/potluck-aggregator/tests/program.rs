//! The program itself: how it says that it is ready, how it ends, and with which code.

#![expect(clippy::unwrap_used, reason = "the functions that tests share are tests as well")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use potluck_core::entry::Genesis;
use potluck_core::envelope::Domain;
use potluck_core::manifest::WEIGHTS;
use potluck_core::{
    Author, Blake3, Body, Charter, Envelope, Kind, Manifest, PrivateKey, Statement,
};

/// One tensor of one element, 1.0.
fn weights() -> Vec<u8> {
    let header = r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&1f32.to_le_bytes());
    file
}

/// A federation's folder, as `potluck new` makes it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (operator, log) = (PrivateKey::from_seed(&[1; 32]), PrivateKey::from_seed(&[2; 32]));
    for name in ["keys", "base"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let base = folder.path().join("base").join(WEIGHTS);
    fs::write(&base, weights()).unwrap();
    let file = potluck_soup::file_entry(&base, WEIGHTS, &mut |_, _| {}).unwrap();
    let charter = "name = 'news'\nrule = 'mean'\n[parties.agency]\nweight = 1\n";
    let genesis = Genesis {
        charter: Charter::from_toml(charter).unwrap(),
        operator: operator.public(),
        log: log.public(),
        base: Manifest::new(vec![file]).unwrap(),
        nonce: Blake3::of(b"nonce"),
    };
    let body = Body::Genesis(Box::new(genesis));
    let statement = Statement { author: Author::Operator, sequence: 0, previous: None, body };
    let domain = Domain { kind: Kind::Genesis, federation: None };
    let envelope = Envelope::sign(domain, statement.to_payload(), &operator).unwrap();
    fs::write(folder.path().join("genesis.json"), envelope.as_bytes()).unwrap();
    fs::write(folder.path().join("keys/log.pem"), log.to_pem()).unwrap();
    fs::write(folder.path().join("aggregator.toml"), "listen = '127.0.0.1:0'\n").unwrap();
    folder
}

fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_potluck-aggregator"));
    command.arg("--dir").arg(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    for variable in ["POTLUCK_LISTEN", "POTLUCK_STORE", "POTLUCK_LOG_FORMAT", "RUST_LOG"] {
        command.env_remove(variable);
    }
    command
}

/// A running server, ended when the test is over.
struct Running(Child);

impl Running {
    /// Starts the program and waits until it listens; where it does.
    fn start(folder: &Path) -> (Self, String) {
        let mut running = Self(program(folder).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(running.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on ").expect("the line that says it is ready");
        (running, address.trim_end().to_owned())
    }

    /// Where it serves files over HTTP, as its log says.
    fn http(&mut self) -> String {
        // Not taken: a server whose log nobody reads any more cannot write it.
        let mut log = BufReader::new(self.0.stderr.as_mut().unwrap()).lines();
        let serving = log.find_map(|line| {
            let line = line.unwrap();
            line.split_once(" http=")
                .map(|it| it.1.split(' ').next().unwrap_or_default().to_owned())
        });
        serving.unwrap()
    }

    fn signal(&mut self, name: &str) -> ExitStatus {
        let sent = Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.0.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the program to its end: its exit code, and what it wrote on standard error below the log.
fn ended(command: &mut Command) -> (i32, String) {
    let output = command.env("RUST_LOG", "off").output().unwrap();
    assert!(output.stdout.is_empty());
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn it_serves_until_it_is_asked_to_stop_and_starts_again_after_a_kill() {
    let folder = folder();
    let (mut first, address) = Running::start(folder.path());
    assert!(address.starts_with("127.0.0.1:") && !address.ends_with(":0"), "{address}");
    first.signal("-KILL");
    let (mut second, _) = Running::start(folder.path());
    assert!(second.signal("-TERM").success());
    let (mut third, _) = Running::start(folder.path());
    assert!(third.signal("-INT").success());
    let mut log = String::new();
    third.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("entries=1") && !log.contains("PRIVATE"), "{log}");
}

#[test]
fn the_logs_files_are_served_over_http_and_made_right_at_the_start() {
    let folder = folder();
    let settings = "listen = '127.0.0.1:0'\n[http]\nlisten = '127.0.0.1:0'\n";
    fs::write(folder.path().join("aggregator.toml"), settings).unwrap();
    let checkpoint = folder.path().join("store/log/checkpoint");
    let (mut first, _) = Running::start(folder.path());
    let note = fs::read_to_string(&checkpoint).unwrap();
    first.signal("-KILL");
    fs::remove_dir_all(checkpoint.parent().unwrap()).unwrap();

    let (mut second, _) = Running::start(folder.path());
    let address = second.http();
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    stream.write_all(b"GET /checkpoint HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&note), "{answer}");
    assert!(second.signal("-TERM").success());
}

#[test]
fn whether_it_is_ready_can_be_asked_by_the_program_itself() {
    let folder = folder();
    let ready = |http: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_potluck-aggregator"));
        command.arg("ready").arg("--dir").arg(folder.path()).args(http).env_remove("POTLUCK_HTTP");
        let output = command.output().unwrap();
        let said = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), said(output.stdout), said(output.stderr))
    };
    let (code, _, error) = ready(&[]);
    assert_eq!(code, 3);
    assert!(error.contains("no [http] in aggregator.toml") && error.contains("hint: "), "{error}");

    let settings = "listen = '127.0.0.1:0'\n[http]\nlisten = '127.0.0.1:0'\n";
    fs::write(folder.path().join("aggregator.toml"), settings).unwrap();
    let (mut running, _) = Running::start(folder.path());
    let http = running.http();
    let (code, said, error) = ready(&["--http", &http]);
    assert_eq!((code, error.as_str()), (0, ""), "{said}");
    assert!(!said.trim().is_empty());
    assert!(running.signal("-TERM").success());
    let (code, said, error) = ready(&["--http", &http]);
    assert_eq!((code, said.as_str()), (1, ""));
    assert!(error.starts_with(&format!("error: no aggregator answers at {http}")), "{error}");
}

#[test]
fn manual_pages_and_completions_are_made_from_the_arguments() {
    let out = tempfile::tempdir().unwrap();
    let program = || Command::new(env!("CARGO_BIN_EXE_potluck-aggregator"));
    let wrote = program().args(["man", "--out"]).arg(out.path()).status().unwrap();
    assert!(wrote.success());
    for (page, what) in
        [("potluck-aggregator.1", "POTLUCK_LISTEN"), ("potluck-aggregator-ready.1", "Example")]
    {
        assert!(fs::read_to_string(out.path().join(page)).unwrap().contains(what), "{page}");
    }
    let script = program().args(["completions", "bash"]).output().unwrap();
    assert!(String::from_utf8(script.stdout).unwrap().contains("doctor"));
}

#[test]
fn a_second_server_says_who_has_the_store_or_the_port() {
    let folder = folder();
    let (_first, address) = Running::start(folder.path());
    let (code, error) = ended(&mut program(folder.path()));
    assert_eq!(code, 1);
    assert!(error.starts_with("error: another aggregator runs on the store"), "{error}");
    let elsewhere = tempfile::tempdir().unwrap();
    let mut rival = program(folder.path());
    rival.args(["--listen", &address, "--store"]).arg(elsewhere.path());
    let (code, error) = ended(&mut rival);
    assert_eq!(code, 1);
    assert!(error.contains(&address), "{error}");
}

#[test]
fn wrong_input_ends_in_one_line_and_a_fixed_code() {
    let case = |expected: i32, words: &str, change: &dyn Fn(&Path)| {
        let folder = folder();
        change(folder.path());
        let (code, error) = ended(&mut program(folder.path()));
        let message = error.lines().next().unwrap_or_default();
        assert!(message.starts_with("error: ") && message.contains(words), "{error}");
        assert!(error.lines().skip(1).all(|line| line.starts_with("  hint: ")), "{error}");
        assert_eq!(code, expected, "{error}");
    };
    let write = |name: &'static str, text: &'static str| {
        move |folder: &Path| fs::write(folder.join(name), text).unwrap()
    };
    let remove =
        |name: &'static str| move |folder: &Path| fs::remove_file(folder.join(name)).unwrap();
    case(3, "aggregator.toml", &remove("aggregator.toml"));
    case(3, "line 1: unknown field `lisen`", &write("aggregator.toml", "lisen = 'x'"));
    case(3, "keys/log.pem", &remove("keys/log.pem"));
    case(3, "genesis.json is no genesis", &write("genesis.json", "[]"));
    case(3, "base/model.safetensors", &remove("base/model.safetensors"));
    case(3, "base/model.safetensors", &write("base/model.safetensors", "short"));
    case(1, "store", &write("store", "a file where the folder should be"));
    let damage = |folder: &Path| {
        fs::create_dir(folder.join("store")).unwrap();
        fs::write(folder.join("store/ledger.redb"), "nonsense").unwrap();
    };
    case(1, "ledger.redb", &damage);
}

#[test]
fn an_error_can_be_had_as_json() {
    let folder = folder();
    fs::remove_file(folder.path().join("genesis.json")).unwrap();
    let (code, error) = ended(program(folder.path()).arg("--json"));
    let error: serde_json::Value = serde_json::from_str(&error).unwrap();
    assert_eq!((code, &error["error"]["code"]), (3, &serde_json::json!("folder")));
    assert!(error["error"]["message"].as_str().unwrap().contains("genesis.json"));
    assert_eq!(ended(program(folder.path()).args(["--listen", "nowhere"])).0, 2);
}

#[test]
fn a_stopped_store_is_checked_and_a_running_one_is_not() {
    let folder = folder();
    let check = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_potluck-aggregator"));
        command.arg("check").arg("--dir").arg(folder.path()).args(arguments);
        let output = command.env("RUST_LOG", "off").output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (code, _, error) = check(&[]);
    assert_eq!(code, 3);
    assert!(error.contains("holds no ledger to check"), "{error}");
    let (mut server, _) = Running::start(folder.path());
    let (code, _, error) = check(&[]);
    assert_eq!(code, 1);
    assert!(error.starts_with("error: another aggregator runs on the store"), "{error}");
    server.signal("-TERM");
    let (code, said, _) = check(&[]);
    assert_eq!(code, 0);
    assert!(said.contains("All is as it should be."), "{said}");

    // What is corrupt is found; the base's right bytes stand in the federation's folder, until they do not.
    let blobs = folder.path().join("store/blobs");
    let shelf = fs::read_dir(blobs).unwrap().next().unwrap().unwrap().path();
    let blob = fs::read_dir(shelf).unwrap().map(|entry| entry.unwrap().path());
    let blob = blob.into_iter().find(|path| path.extension().is_none()).unwrap();
    let right = fs::read(&blob).unwrap();
    let wrong = vec![0; right.len()];
    fs::write(&blob, &wrong).unwrap();
    let (code, said, _) = check(&["--json"]);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &report["sound"]), (0, &true.into()), "{said}");
    let damage = &report["damage"][0];
    assert_eq!((&damage["problem"], &damage["role"]), (&"corrupt".into(), &"base".into()));
    assert!(damage["repaired_from"].as_str().unwrap().contains("base"), "{said}");
    assert_eq!(fs::read(&blob).unwrap(), right);
    let kept = fs::read(damage["aside"].as_str().unwrap()).unwrap();
    assert_eq!(kept, wrong);

    fs::write(&blob, &wrong).unwrap();
    fs::write(folder.path().join("base/model.safetensors"), "other").unwrap();
    let (code, said, _) = check(&[]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("is corrupt at byte 0") && said.contains("1 still are"), "{said}");
}
