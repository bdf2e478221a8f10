//! Interchange: a pushed expert is verified by tools that know no Potluck, and its reward is shown to one auditor.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::checkpoint::SMALL;
use support::federation::Federation;
use support::potluck;

const DEFINITION: &str = "kind = \"brevity\"\nallowance = 12\n";

/// A federation into which the agency pushed an expert that is bound to a reward.
struct Pushed {
    federation: Federation,
    index: String,
}

impl Pushed {
    fn new() -> Self {
        let federation = Federation::with_parties(SMALL).unwrap();
        let reward = federation.path("reward.toml");
        fs::write(&reward, DEFINITION).unwrap();
        let committed =
            potluck(&["reward".as_ref(), "commit".as_ref(), reward.as_os_str()]).succeeded();
        let mut push = federation.push_args("agency", &federation.expert("agency").unwrap());
        push.push("--reward-commitment".to_owned());
        push.push(committed["commitment"].as_str().unwrap().to_owned());
        let pushed = potluck(&push).succeeded();
        Self { federation, index: pushed["index"].to_string() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.federation.path(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn bundle(&self) -> Value {
        let (dir, out) = (self.text("agency"), self.text("out/expert.sigstore.json"));
        potluck(&["bundle", "--dir", &dir, &self.index, "--out", &out]).succeeded()
    }
}

#[test]
fn a_pushed_expert_is_verified_by_other_tools() {
    let pushed = Pushed::new();
    let files = pushed.bundle();
    let file = |name: &str| PathBuf::from(files[name].as_str().unwrap());
    let bundle: Value = serde_json::from_slice(&fs::read(file("bundle")).unwrap()).unwrap();
    let entries = bundle["verificationMaterial"]["tlogEntries"].as_array().unwrap();
    assert_eq!(entries[0]["logIndex"], pushed.index.as_str());

    match std::env::var_os("POTLUCK_INTERCHANGE_PYTHON") {
        None => eprintln!("SKIPPED: no Python with model-signing; `cargo xtask test` installs it"),
        Some(python) => {
            let expert = pushed.path("outbox-agency");
            let mut verify = Command::new(python);
            verify.args(["-m", "model_signing", "verify", "certificate", "--signature"]);
            verify.arg(file("bundle")).arg("--certificate_chain").arg(file("ca")).arg(&expert);
            assert!(verify.status().unwrap().success());
            let weights = expert.join("model.safetensors");
            let mut bytes = fs::read(&weights).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(&weights, bytes).unwrap();
            assert!(!verify.status().unwrap().success());
        }
    }
    let signer = files["signer"].as_str().unwrap();
    assert_eq!(signer, "agency@news");
    ssh_verifies(&file("statement"), &file("sshsig"), &file("allowed_signers"), signer);
}

fn ssh_verifies(statement: &Path, signature: &Path, allowed: &Path, signer: &str) {
    let mut verify = Command::new("ssh-keygen");
    verify.args(["-Y", "verify", "-n", "potluck-manifest@v1", "-I", signer, "-f"]);
    verify.arg(allowed).arg("-s").arg(signature);
    match verify.stdin(fs::File::open(statement).unwrap()).status() {
        Ok(status) => assert!(status.success()),
        Err(_) => eprintln!("SKIPPED: no ssh-keygen; install OpenSSH's client"),
    }
}

#[test]
fn a_reward_is_shown_to_one_auditor() {
    let pushed = Pushed::new();
    let (reward, proof) = (pushed.text("reward.toml"), pushed.text("proof.json"));
    let mode = |name: &str| fs::metadata(pushed.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("reward.nonce"), 0o600);
    let auditor = key_of(&pushed, "readers");
    let dir = pushed.text("agency");
    let prove = [
        "reward",
        "prove",
        "--dir",
        &dir,
        &pushed.index,
        &reward,
        "--to",
        &auditor,
        "--out",
        &proof,
    ];
    potluck(&prove).succeeded();
    assert_eq!(mode("proof.json"), 0o600);

    let verify = |who: &str| potluck(&["reward", "verify", "--dir", &pushed.text(who), &proof]);
    let shown = verify("readers").succeeded();
    assert_eq!((&shown["definition"], &shown["party"]), (&DEFINITION.into(), &"agency".into()));
    let refused = verify("checkers");
    assert_eq!((refused.code, refused.error_code().as_str()), (Some(4), "other-auditor"));

    fs::write(pushed.path("reward.toml"), "kind = \"another\"\n").unwrap();
    let refused = potluck(&prove);
    assert_eq!(refused.code, Some(3), "{refused:?}");
}

/// A party's key, as the ledger knows it.
fn key_of(pushed: &Pushed, party: &str) -> String {
    let known = pushed.federation.stranger(&["members"], &[]).succeeded();
    let mut members = known["members"].as_array().unwrap().iter();
    let member = members.find(|member| member["author"] == party).unwrap();
    member["sign"].as_str().unwrap().to_owned()
}
