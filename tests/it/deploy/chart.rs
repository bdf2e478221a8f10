//! The chart for Kubernetes, rendered and read as what it shall become.
//!
//! The templates keep to a small part of Go's templates, which [`template`] renders; where Kubernetes' schemas are there, the
//! result is held against them too.

mod template;

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use self::template::render;
use super::{names, read, yaml};

const CHART: &str = "helm/potluck-aggregator";

/// A value for everything that has none.
const FULL: &str = r#"
genesis: "{\"payload\": \"e30\"}\n"
base: { claim: news-base }
tokens: { secret: potluck-tokens }
storage: { size: 1Ti, className: fast }
service: { type: LoadBalancer, annotations: { example.org/address: 192.0.2.7 } }
serviceMonitor: { enabled: true, interval: 30s, labels: { release: prometheus } }
networkPolicy:
  enabled: true
  http: [{ namespaceSelector: { matchLabels: { name: monitoring } } }]
  egress: [{ to: [{ ipBlock: { cidr: 192.0.2.8/32 } }], ports: [{ protocol: TCP, port: 80 }] }]
podAnnotations: { example.org/a: b }
nodeSelector: { disk: nvme }
tolerations: [{ key: dedicated, operator: Exists }]
affinity: { nodeAffinity: {} }
"#;

/// The chart's own values, with others in the place of whole keys.
fn values(others: &str) -> Value {
    let mut values = yaml::documents(&read(&format!("{CHART}/values.yaml"))).remove(0);
    let others = yaml::documents(others).into_iter().next().unwrap_or(json!({}));
    for (key, other) in others.as_object().unwrap() {
        assert!(values.get(key).is_some(), "{key} is no value of the chart");
        values[key] = other.clone();
    }
    values
}

/// Every object that the chart makes of the values.
fn objects(values: &Value) -> Vec<Value> {
    let chart = yaml::documents(&read(&format!("{CHART}/Chart.yaml"))).remove(0);
    let root = json!({
        "Values": values,
        "Chart": { "AppVersion": chart["appVersion"] },
        "Release": { "Name": "news", "Namespace": "default", "Service": "Helm" },
    });
    let templates = names(&format!("{CHART}/templates"));
    let mut objects = Vec::new();
    for name in templates.iter().filter(|name| name.ends_with(".yaml")) {
        let rendered = render(&read(&format!("{CHART}/templates/{name}")), &root);
        objects.extend(yaml::documents(&rendered).into_iter().filter(|it| !it.is_null()));
    }
    objects
}

fn one<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    objects.iter().find(|object| object["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

#[test]
fn its_version_is_the_programs() {
    let chart = yaml::documents(&read(&format!("{CHART}/Chart.yaml"))).remove(0);
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn its_schema_takes_its_values_and_refuses_others() {
    let schema: Value =
        serde_json::from_str(&read(&format!("{CHART}/values.schema.json"))).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    assert!(!schema.is_valid(&values("")), "without a genesis there is no federation");
    assert!(schema.is_valid(&values(FULL)));
    for wrong in ["genesis: ''", "ports: { parties: 80, http: 8080 }", "storage: { size: 12 }"] {
        let mut values = values(FULL);
        for (key, other) in yaml::documents(wrong)[0].as_object().unwrap() {
            values[key] = other.clone();
        }
        assert!(!schema.is_valid(&values), "{wrong}");
    }
}

#[test]
fn what_runs_is_shut_in() {
    let objects = objects(&values(FULL));
    let pod = &one(&objects, "StatefulSet")["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["automountServiceAccountToken"], false);
    let container = &pod["containers"][0];
    let expected = json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": { "drop": ["ALL"] },
    });
    assert_eq!(container["securityContext"], expected);
    for mount in container["volumeMounts"].as_array().unwrap() {
        let may_write = ["store", "tmp"].contains(&mount["name"].as_str().unwrap());
        assert_eq!(mount["readOnly"] == true, !may_write, "{mount}");
        let mut volumes = pod["volumes"].as_array().unwrap().iter();
        let is_there = volumes.any(|volume| volume["name"] == mount["name"]);
        assert!(is_there || mount["name"] == "store", "{mount}");
    }
    // Keys come from a Secret, by name: none is a value of the chart.
    assert!(objects.iter().all(|object| object["kind"] != "Secret"));
}

#[test]
fn ports_are_those_that_the_settings_listen_on() {
    for others in ["", FULL] {
        let values = values(others);
        let settings: toml::Table = toml::from_str(values["settings"].as_str().unwrap()).unwrap();
        let port =
            |text: &toml::Value| text.as_str().unwrap().rsplit(':').next().unwrap().to_owned();
        assert_eq!(port(&settings["listen"]), values["ports"]["parties"].to_string());
        assert_eq!(port(&settings["http"]["listen"]), values["ports"]["http"].to_string());
        let objects = objects(&values);
        let data = &one(&objects, "ConfigMap")["data"];
        assert_eq!(
            (&data["aggregator.toml"], &data["genesis.json"]),
            (&values["settings"], &values["genesis"])
        );
        let container = &one(&objects, "StatefulSet")["spec"]["template"]["spec"]["containers"][0];
        let ports = [("parties", "UDP"), ("http", "TCP")].map(|(name, protocol)| {
            json!({ "name": name, "protocol": protocol, "containerPort": values["ports"][name] })
        });
        assert_eq!(container["ports"], json!(ports));
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            assert_eq!(container[probe]["httpGet"]["port"], "http", "{probe}");
        }
        let services: Vec<_> = objects.iter().filter(|it| it["kind"] == "Service").collect();
        assert_eq!(services.len(), 2);
        for service in services {
            let target = &service["spec"]["ports"][0]["targetPort"];
            assert!(["parties", "http"].contains(&target.as_str().unwrap()));
            let labels = &one(&objects, "StatefulSet")["spec"]["template"]["metadata"]["labels"];
            assert_eq!(&service["spec"]["selector"], labels);
        }
    }
}

#[test]
fn what_is_not_asked_for_is_not_there() {
    let kinds = |others| {
        let mut kinds: Vec<_> =
            objects(&values(others)).iter().map(|it| it["kind"].clone()).collect();
        kinds.sort_by_key(Value::to_string);
        json!(kinds)
    };
    assert_eq!(kinds(""), json!(["ConfigMap", "Service", "Service", "StatefulSet"]));
    let all = ["ConfigMap", "NetworkPolicy", "Service", "Service", "ServiceMonitor", "StatefulSet"];
    assert_eq!(kinds(FULL), json!(all));
}

#[test]
fn kubernetes_knows_every_field() {
    let Some(python) = std::env::var_os("POTLUCK_DEPLOY_PYTHON") else {
        eprintln!("SKIPPED: no Python with kubernetes-validate; `cargo xtask test` installs it");
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kubernetes.py");
    for others in ["", FULL] {
        let mut check = Command::new(&python);
        check.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut check = check.spawn().unwrap();
        let text = serde_json::to_vec(&objects(&values(others))).unwrap();
        check.stdin.take().unwrap().write_all(&text).unwrap();
        let output = check.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
