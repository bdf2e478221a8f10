//! The alert rules and the board speak of metrics that a server exposes, and the page for operators of every alert.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use serde_json::Value;
use support::checkpoint::SMALL;
use support::federation::Federation;

use super::{deployed, is_here, read, yaml};

/// What Prometheus itself makes for whatever it scrapes.
const ITS_OWN: [&str; 2] = ["up", "ALERTS"];

/// What a server exposes, as its `# TYPE` lines name them, without what the kind of metric adds.
const EXPOSED: [(&str, &str); 20] = [
    ("potluck_ledger_entries", "gauge"),
    ("potluck_parties", "gauge"),
    ("potluck_experts", "gauge"),
    ("potluck_rounds", "gauge"),
    ("potluck_soup_in_force", "gauge"),
    ("potluck_uploads", "gauge"),
    ("potluck_ready", "gauge"),
    ("potluck_store_failed", "gauge"),
    ("potluck_disk_left_bytes", "gauge"),
    ("potluck_uploads_begun", "counter"),
    ("potluck_uploaded_bytes", "counter"),
    ("potluck_blends", "counter"),
    ("potluck_blends_in_progress", "gauge"),
    ("potluck_blended_bytes", "counter"),
    ("potluck_quic_connections", "gauge"),
    ("potluck_received_bytes", "counter"),
    ("potluck_sent_bytes", "counter"),
    ("potluck_refusals", "counter"),
    ("potluck_http_requests", "counter"),
    ("potluck_http_request_duration_seconds", "histogram"),
];

/// The series of all that is exposed.
fn series() -> BTreeSet<String> {
    let of = |(name, kind): (&str, &str)| match kind {
        "counter" => vec![format!("{name}_total")],
        "histogram" => ["bucket", "sum", "count"].map(|end| format!("{name}_{end}")).to_vec(),
        _ => vec![name.to_owned()],
    };
    EXPOSED.into_iter().flat_map(of).collect()
}

/// The names of metrics in an expression: what stands before `{`, `[`, an operator or an end, and is no function, keyword or
/// label.
fn named(expression: &str) -> BTreeSet<String> {
    let without_strings: String = expression.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = without_strings.split(|c: char| !is_name(c));
    // All of ours begin alike; of other names only those that are Prometheus' own may stand there.
    let names = words.filter(|word| word.starts_with("potluck_") || ITS_OWN.contains(word));
    names.map(str::to_owned).collect()
}

/// Every text below a key of the name, wherever it stands.
fn texts<'a>(value: &'a Value, keys: &[&str], found: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| texts(item, keys, found)),
        Value::Object(members) => {
            for (key, member) in members {
                match member.as_str().filter(|_| keys.contains(&key.as_str())) {
                    Some(text) => found.push(text),
                    None => texts(member, keys, found),
                }
            }
        }
        _ => {}
    }
}

fn assert_exposed(file: &str, document: &Value, keys: &[&str]) {
    let mut expressions = Vec::new();
    texts(document, keys, &mut expressions);
    assert!(expressions.len() > 5, "{file}");
    let exposed = series();
    for expression in expressions {
        let names = named(expression);
        assert!(!names.is_empty(), "{file}: no metric in {expression:?}");
        for name in names {
            let is_known = exposed.contains(&name) || ITS_OWN.contains(&name.as_str());
            assert!(is_known, "{file}: {name} is exposed by nobody");
        }
    }
}

/// The answer to a request over plain HTTP.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

#[test]
fn a_server_exposes_what_is_said_here() {
    let mut federation = Federation::found(SMALL).unwrap();
    // Free when it is asked for, and nobody else asks for this one meanwhile.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let settings = federation.operator_dir().join("aggregator.toml");
    let mut file = OpenOptions::new().append(true).open(settings).unwrap();
    writeln!(file, "\n[http]\nlisten = \"{address}\"").unwrap();
    federation.restart().unwrap();
    // What is counted of requests is there once there was one.
    get(&address, "/healthz");
    let answer = get(&address, "/metrics");
    let types = answer.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    assert_eq!(types.collect::<BTreeSet<_>>(), BTreeSet::from(EXPOSED));
}

#[test]
fn alerts_speak_of_metrics_that_exist() {
    let rules = yaml::documents(&read("prometheus/alerts.yaml")).remove(0);
    assert_exposed("alerts.yaml", &rules, &["expr"]);
}

#[test]
fn the_board_speaks_of_metrics_that_exist() {
    let board: Value = serde_json::from_str(&read("grafana/potluck.json")).unwrap();
    assert_exposed("potluck.json", &board, &["expr"]);
    let servers = board["templating"]["list"][1]["query"]["query"].as_str().unwrap();
    assert_eq!(named(servers), BTreeSet::from(["potluck_ready".to_owned()]));
}

#[test]
fn names_are_found_in_expressions() {
    let found =
        named("sum by (code) (rate(potluck_a_total{code=~\"potluck_b\"}[5m])) > up / potluck_c");
    assert_eq!(found, ["potluck_a_total", "potluck_c", "up"].map(String::from).into());
}

#[test]
fn the_page_for_operators_says_what_to_do_at_each_alert() {
    let page = fs::read_to_string(deployed("../docs/operators.md")).unwrap();
    let rules = yaml::documents(&read("prometheus/alerts.yaml")).remove(0);
    for rule in rules["groups"][0]["rules"].as_array().unwrap() {
        let alert = rule["alert"].as_str().unwrap();
        assert!(page.contains(&format!("\n### {alert}\n")), "{alert}");
        let runbook = rule["annotations"]["runbook"].as_str().unwrap();
        assert_eq!(runbook, format!("docs/operators.md#{}", alert.to_lowercase()));
    }
}

#[test]
fn prometheus_takes_the_rules_and_each_can_fire() {
    if !is_here("promtool") {
        return;
    }
    let asked = |arguments: &[&str], file: &str| {
        let output = Command::new("promtool").args(arguments).arg(deployed(file)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    };
    asked(&["check", "rules"], "prometheus/alerts.yaml");
    asked(&["test", "rules"], "prometheus/alerts.test.yaml");
}
