//! A federation whose pages are opened: real programs, three experts that a browser can run, a round bargained for.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};
use support::federation::{Federation, PARTIES};
use support::programs::{Ended, potluck};

const RULES: &str = "[bargain]\nbatches = 0\nnominations = 0\nfinalists = 0\nleast_prompts = 10\n\
                     [agreement]\nratify_permille = 500\n";

/// Runs of another method, by the operator's word.
const MORL: &str = r#"{"source": "Trained by us, on the sum of all rewards.", "runs": [
    {"label": "equal weights", "gains_ppm": {"agency": 500000, "checkers": 450000, "readers": 400000}}]}"#;

/// It, and where its pages are.
pub(crate) struct Served {
    pub(crate) federation: Federation,
    address: SocketAddr,
}

impl Served {
    /// Founds it, has everybody score and ratify, and serves it.
    pub(crate) fn start() -> Self {
        let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/summaries");
        let home = tempfile::tempdir().unwrap();
        let expert = |party: &str| fs::read(vectors.join(format!("{party}.safetensors"))).unwrap();
        for name in ["config.json", "tokenizer.json"] {
            fs::copy(vectors.join(name), home.path().join(name)).unwrap();
        }
        fs::write(home.path().join("model.safetensors"), middle(&PARTIES.map(expert))).unwrap();
        let mut federation = Federation::over(home.path(), RULES).unwrap();
        for party in PARTIES {
            let outbox = federation.path(format!("outbox-{party}"));
            fs::create_dir(&outbox).unwrap();
            fs::write(outbox.join("model.safetensors"), expert(party)).unwrap();
            federation.push(party, &outbox).succeeded();
        }
        federation.operator(&["round", "open"], &[]).succeeded();
        for party in PARTIES {
            federation.propose(party, "agency=0.3,checkers=0.3,readers=0.4").succeeded();
        }
        bargain(&federation);
        federation.operator(&["publish"], &[]).succeeded();
        let operator = federation.operator_dir();
        fs::write(operator.join("morl.json"), MORL).unwrap();
        let address = federation.serve_http().unwrap();
        let config = operator.join("aggregator.toml");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, format!("{text}morl = \"morl.json\"\n")).unwrap();
        federation.restart().unwrap();
        Self { federation, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// The base from which experts departed, near enough: the mean of their weights.
fn middle(experts: &[Vec<u8>]) -> Vec<u8> {
    let header =
        8 + usize::try_from(u64::from_le_bytes(experts[0][..8].try_into().unwrap())).unwrap();
    let weight =
        |expert: &[u8], at: usize| f32::from_le_bytes(expert[at..at + 4].try_into().unwrap());
    let mut base = experts[0][..header].to_vec();
    for at in (header..experts[0].len()).step_by(4) {
        let sum: f32 = experts.iter().map(|expert| weight(expert, at)).sum();
        base.extend_from_slice(&(sum / experts.len() as f32).to_le_bytes());
    }
    base
}

fn round(federation: &Federation, party: &str, action: &[&str]) -> Ended {
    let dir = federation.path(party).display().to_string();
    potluck(&[&["round", action[0], "--dir", &dir], &action[1..]].concat())
}

/// Scores that say: the more of my expert, the better, and everything is better than the base. One party would not live with
/// the second candidate.
fn bargain(federation: &Federation) {
    let status = federation.stranger(&["round", "status"], &[]).succeeded();
    for party in PARTIES {
        let verdict = |mean: f64| json!({"mean": mean, "error": 0.5, "prompts": 10});
        let rows: serde_json::Map<String, Value> = status["bargain"]["candidates"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| {
                let own = it["lambda_ppm"][party].as_f64().unwrap_or(0.0) / 1e6;
                (it["number"].to_string(), verdict(2.0 + 9.0 * own + 8.0 * own * (1.0 - own)))
            })
            .collect();
        let path = federation.path(format!("{party}.json"));
        fs::write(&path, json!({"zero": verdict(0.0), "candidates": rows}).to_string()).unwrap();
        round(federation, party, &["score", "--by-hand", &path.display().to_string()]).succeeded();
        let refuse: &[&str] =
            if party == "readers" { &["commit", "--refuse", "2"] } else { &["commit"] };
        round(federation, party, refuse).succeeded();
    }
    for party in PARTIES {
        round(federation, party, &["reveal"]).succeeded();
    }
    for party in PARTIES {
        round(federation, party, &["ratify"]).succeeded();
    }
}
