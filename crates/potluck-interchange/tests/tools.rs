//! Other people's tools on our files: each takes what is whole, and refuses what was tampered with.
//!
//! `cargo xtask test` installs the Python ones, pinned, and says where in `POTLUCK_INTERCHANGE_PYTHON`; a plain
//! `cargo test` leaves them out and says so. OpenSSH is the machine's.

#![allow(missing_docs, reason = "a test binary has no public items")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use potluck_core::entry::{Record, Submission};
use potluck_core::{
    Author, Blake3, Body, Envelope, FederationId, FileEntry, Manifest, PrivateKey, PublicKey,
    Sha256, Statement,
};
use potluck_interchange::{ShortLived, authority, export, sshsig, verify_interchange};
use potluck_log::{Checkpoint, NoteSigner, SignedCheckpoint, TlogProof, Tree};

const NOW: u64 = 1_800_000_000;
const WHO: &str = "agency@news";

/// A party's expert and everything that goes with it, in a folder.
struct Exported {
    home: tempfile::TempDir,
}

impl Exported {
    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn new() -> Self {
        let exported = Self { home: tempfile::tempdir().unwrap() };
        let key = PrivateKey::from_seed(&[7; 32]);
        let files = [
            ("config.json", &b"{}"[..]),
            ("model.safetensors", b"weights"),
            // Byte order and the order of paths' parts differ here.
            ("parts-b/one.bin", b"1"),
            ("parts/two.bin", b"2"),
        ];
        for (path, content) in files {
            let path = exported.path("model").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let envelope = signed(&key, &files);
        verify_interchange(&envelope, &key.public(), NOW).unwrap();
        let payload = envelope.bundle().unwrap().payload();
        let write = |name: &str, bytes: &[u8]| std::fs::write(exported.path(name), bytes).unwrap();
        write("bundle.json", &recorded(&envelope));
        write("ca.pem", authority(&key).unwrap().pem().as_bytes());
        write("statement.json", payload);
        write("sshsig", sshsig::sign(&key, sshsig::MANIFEST, payload).unwrap().as_bytes());
        let allowed = sshsig::allowed_signer(WHO, sshsig::MANIFEST, &key.public());
        write("allowed_signers", allowed.as_bytes());
        write("key.pem", pem(&key.public()).as_bytes());
        write("log.pem", pem(&log_key().public()).as_bytes());
        let stranger = PrivateKey::from_seed(&[9; 32]);
        write("stranger.pem", pem(&stranger.public()).as_bytes());
        write("stranger-ca.pem", authority(&stranger).unwrap().pem().as_bytes());
        exported
    }

    /// The bundle with one text in place of another, inside the base64 of `member` where one is named.
    fn tampered(&self, member: Option<&str>, from: &str, to: &str) -> PathBuf {
        let text = std::fs::read_to_string(self.path("bundle.json")).unwrap();
        let changed = match member {
            None => text.replacen(from, to, 1),
            Some(member) => {
                let start = text.find(&format!("\"{member}\":\"")).unwrap() + member.len() + 4;
                let end = start + text[start..].find('"').unwrap();
                let inner = String::from_utf8(BASE64.decode(&text[start..end]).unwrap()).unwrap();
                let inner = BASE64.encode(inner.replacen(from, to, 1));
                [&text[..start], &inner, &text[end..]].concat()
            }
        };
        assert_ne!(changed, text, "{from}");
        let path = self.path("tampered.json");
        std::fs::write(&path, changed).unwrap();
        path
    }
}

fn signed(key: &PrivateKey, files: &[(&str, &[u8])]) -> Envelope {
    let file = |(path, content): &(&str, &[u8])| FileEntry {
        path: (*path).to_owned(),
        size: content.len() as u64,
        blake3: Blake3::of(content),
        sha256: Sha256::of(content),
    };
    let submission = Submission {
        base: Blake3::of(b"base"),
        manifest: Manifest::new(files.iter().map(file).collect()).unwrap(),
        reward_commitment: Some(Blake3::of(b"reward")),
    };
    let (author, body) = (Author::Party("agency".parse().unwrap()), Body::Submit(submission));
    let statement = Statement { author, sequence: 0, previous: None, body };
    let leaf = ShortLived::issue(key, "agency", NOW).unwrap();
    let federation = FederationId::from_bytes([1; 32]);
    Envelope::sign_submission(federation, &statement, key, &leaf).unwrap()
}

fn log_key() -> PrivateKey {
    PrivateKey::from_seed(&[2; 32])
}

/// The bundle as it is exported once it stands at place 5 of 7.
fn recorded(envelope: &Envelope) -> Vec<u8> {
    let log = NoteSigner::new("potluck/news".parse().unwrap(), log_key().as_dalek().clone());
    let key = PrivateKey::from_seed(&[7; 32]).public();
    let payload = envelope.open(&key).unwrap();
    let statement: Statement = serde_json::from_slice(payload).unwrap();
    let record = Record::of(envelope, envelope.sha256(), &statement, NOW + 60).to_bytes();
    let mut tree = Tree::new();
    for index in 0..7u8 {
        tree.push(if index == 5 { &record } else { std::slice::from_ref(&index) });
    }
    let origin = "potluck/news".parse().unwrap();
    let checkpoint = Checkpoint { origin, size: 7, root: tree.root(), state: [3; 32] };
    let checkpoint = SignedCheckpoint::open(&checkpoint.sign(&log), log.verifier_key()).unwrap();
    let proof = TlogProof::new(5, tree.inclusion(5, 7).unwrap(), &checkpoint);
    let record = String::from_utf8(record).unwrap();
    export(envelope, &record, &proof, log.verifier_key()).unwrap()
}

fn pem(key: &PublicKey) -> String {
    let spki = BASE64.encode(key.spki());
    format!("-----BEGIN PUBLIC KEY-----\n{spki}\n-----END PUBLIC KEY-----\n")
}

/// The Python that has the tools; nothing, and a loud word, where nobody installed them.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("POTLUCK_INTERCHANGE_PYTHON").map(PathBuf::from);
    if python.is_none() {
        eprintln!("SKIPPED: no Python with the tools; `cargo xtask test` installs them");
    }
    python
}

/// Whether the command says yes. What it wrote is shown where a test fails.
fn accepts(command: &mut Command) -> bool {
    let output = command.output().unwrap();
    println!("{command:?}: {}", output.status);
    println!("{}", String::from_utf8_lossy(&output.stdout));
    println!("{}", String::from_utf8_lossy(&output.stderr));
    output.status.success()
}

fn model_signing(python: &Path, exported: &Exported, bundle: &Path, ca: &str) -> bool {
    let mut command = Command::new(python);
    command.args(["-m", "model_signing", "verify", "certificate", "--signature"]).arg(bundle);
    command.arg("--certificate_chain").arg(exported.path(ca)).arg(exported.path("model"));
    accepts(&mut command)
}

#[test]
fn model_signing_verifies_the_expert() {
    let Some(python) = python() else { return };
    let exported = Exported::new();
    let bundle = exported.path("bundle.json");
    assert!(model_signing(&python, &exported, &bundle, "ca.pem"));
    assert!(!model_signing(&python, &exported, &bundle, "stranger-ca.pem"), "another party's root");

    let other_federation = exported.tampered(Some("payload"), &"01".repeat(32), &"02".repeat(32));
    assert!(!model_signing(&python, &exported, &other_federation, "ca.pem"), "payload");

    let weights = exported.path("model/model.safetensors");
    std::fs::write(&weights, b"weightz").unwrap();
    assert!(!model_signing(&python, &exported, &bundle, "ca.pem"), "weights");
    std::fs::write(&weights, b"weights").unwrap();
    std::fs::write(exported.path("model/extra.bin"), b"3").unwrap();
    assert!(!model_signing(&python, &exported, &bundle, "ca.pem"), "a file too many");
}

fn script(python: &Path, arguments: &[&OsStr]) -> bool {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/interchange/verify.py");
    accepts(Command::new(python).arg(script).args(arguments))
}

#[test]
fn securesystemslib_verifies_the_partys_signature() {
    let Some(python) = python() else { return };
    let exported = Exported::new();
    let dsse = |bundle: &Path, key: &str| {
        script(&python, &["dsse".as_ref(), bundle.as_os_str(), exported.path(key).as_os_str()])
    };
    assert!(dsse(&exported.path("bundle.json"), "key.pem"));
    assert!(!dsse(&exported.path("bundle.json"), "stranger.pem"), "another key");
    let tampered = exported.tampered(Some("payload"), "agency", "agencz");
    assert!(!dsse(&tampered, "key.pem"), "payload");
}

#[test]
fn sigstore_verifies_inclusion_and_checkpoint() {
    let Some(python) = python() else { return };
    let exported = Exported::new();
    let log = |bundle: &Path, key: &str| {
        let (key, name) = (exported.path(key), OsStr::new("potluck/news"));
        script(&python, &["log".as_ref(), bundle.as_os_str(), key.as_os_str(), name])
    };
    assert!(log(&exported.path("bundle.json"), "log.pem"));
    assert!(!log(&exported.path("bundle.json"), "stranger.pem"), "another log");
    let tampered = exported.tampered(Some("canonicalizedBody"), "1800000060", "1800000061");
    assert!(!log(&tampered, "log.pem"), "record");
    let (from, to) = (r#""treeSize":"7""#, r#""treeSize":"8""#);
    assert!(!log(&exported.tampered(None, from, to), "log.pem"), "size");
    let (from, to) = (r"potluck/news\n7\n", r"potluck/news\n8\n");
    assert!(!log(&exported.tampered(None, from, to), "log.pem"), "checkpoint");
}

#[test]
fn openssh_verifies_the_statement() {
    if Command::new("ssh-keygen").arg("-?").stderr(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: no ssh-keygen; install OpenSSH's client (Debian: openssh-client)");
        return;
    }
    let exported = Exported::new();
    let verifies = |namespace: &str, who: &str| {
        let statement = std::fs::File::open(exported.path("statement.json")).unwrap();
        let mut command = Command::new("ssh-keygen");
        command.args(["-Y", "verify", "-n", namespace, "-I", who, "-f"]);
        command.arg(exported.path("allowed_signers")).arg("-s").arg(exported.path("sshsig"));
        accepts(command.stdin(statement))
    };
    assert!(verifies(sshsig::MANIFEST, WHO));
    assert!(!verifies("git", WHO), "another namespace");
    assert!(!verifies(sshsig::MANIFEST, "readers@news"), "another signer");
    let statement = std::fs::read_to_string(exported.path("statement.json")).unwrap();
    let changed = statement.replacen("agency", "agencz", 1);
    std::fs::write(exported.path("statement.json"), changed).unwrap();
    assert!(!verifies(sshsig::MANIFEST, WHO), "statement");
}
