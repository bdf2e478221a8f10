//! The log and the traces of a request: by one id from the connection to the entry.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use support::checkpoint::SMALL;
use support::federation::Federation;

use super::client::Client;
use super::{line, write_settings};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// What a collector was sent.
#[derive(Default)]
struct Received {
    service: Vec<String>,
    spans: Vec<Span>,
}

/// A collector that takes whatever it is sent, on a port of its own; where, and what came.
fn collector() -> (String, Arc<Mutex<Received>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let received = Arc::<Mutex<Received>>::default();
    let filled = Arc::clone(&received);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut line, mut length) = (String::new(), 0);
            stream.read_line(&mut line).unwrap();
            assert!(line.starts_with("POST /v1/traces "), "{line}");
            while line.trim() != "" {
                line.clear();
                stream.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let sent = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
            let mut filled = filled.lock().unwrap();
            for of in sent.resource_spans {
                let attributes = of.resource.unwrap_or_default().attributes;
                filled.service.extend(text(&attributes, "service.name"));
                filled.spans.extend(of.scope_spans.into_iter().flat_map(|it| it.spans));
            }
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    (format!("http://{address}"), received)
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|it| it.key == key)?;
    Some(match found.value.clone()?.value? {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_collector_is_sent_the_spans_of_what_was_done() {
    let (endpoint, received) = collector();
    let mut federation = Federation::with_parties(SMALL).unwrap();
    let traces = format!("[traces]\nendpoint = \"{endpoint}\"\n");
    let address = write_settings(&federation, None, &traces);
    federation.restart().unwrap();
    let parent = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n");
    assert_eq!(Client::plain(address).ask("/api/v1/parties/readers", &parent).status, 200);
    federation.push("readers", &federation.expert("readers").unwrap()).succeeded();
    // What is left is sent before it ends.
    assert_eq!(federation.stop().unwrap(), Some(0));

    let received = received.lock().unwrap();
    assert!(received.service.iter().all(|name| name == "potluck-aggregator"));
    let of_trace = |span: &&Span| hex(&span.trace_id) == TRACE;
    let asked: Vec<_> = received.spans.iter().filter(of_trace).collect();
    let [asked] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(asked.name, "GET /api/v1/parties/{party}");
    // SPAN_KIND_SERVER.
    assert_eq!((hex(&asked.parent_span_id).as_str(), asked.kind), (PARENT, 2));
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/api/v1/parties/{party}"),
        ("http.response.status_code", "200"),
        ("url.path", "/api/v1/parties/readers"),
        ("client.address", "127.0.0.1"),
    ] {
        assert_eq!(text(&asked.attributes, key).as_deref(), Some(value), "{key}");
    }
    let named = |name: &str, request: &str| {
        let is_it = |span: &&Span| {
            span.name == name && text(&span.attributes, "request").as_deref() == Some(request)
        };
        received.spans.iter().find(is_it).unwrap_or_else(|| panic!("no span {name}"))
    };
    let upload = named("submission", "submit");
    assert_eq!(text(&upload.attributes, "party").as_deref(), Some("readers"));
    let bytes: u64 = text(&upload.attributes, "bytes").unwrap().parse().unwrap();
    assert!(bytes > 0);
    assert_eq!(text(&upload.attributes, "entry").as_deref(), Some("4"));
}

#[test]
fn a_collector_that_is_away_is_told_once_and_slows_nothing() {
    let mut federation = Federation::found(SMALL).unwrap();
    // A port at which nobody listens: one that was just given back.
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let traces = format!("[traces]\nendpoint = \"http://{away}\"\nsample = 1.0\n");
    let address = write_settings(&federation, None, &traces);
    federation.restart().unwrap();
    let mut client = Client::plain(address);
    for _ in 0..50 {
        assert_eq!(client.ask("/api/v1/federation", "").status, 200);
    }
    line(&federation, &["WARN", "traces cannot be sent, and are dropped"]);
    assert_eq!(client.ask("/readyz", "").status, 200);
    assert_eq!(federation.stop().unwrap(), Some(0));
}

#[test]
fn every_line_of_a_request_has_its_id_down_to_the_entry() {
    let mut federation = Federation::with_parties(SMALL).unwrap();
    let address = write_settings(&federation, None, "");
    federation.restart().unwrap();
    federation.push("agency", &federation.expert("agency").unwrap()).succeeded();
    let told = line(&federation, &["entry 4 appended"]);
    let (_, id) = told.split_once("request{id=").unwrap();
    let id = &id[..16];
    assert!(id.bytes().all(|b| b.is_ascii_hexdigit()), "{told}");
    line(&federation, &[&format!("request{{id={id}"), "an upload begins"]);

    let mut client = Client::plain(address);
    let own = client.ask("/healthz", "x-request-id: build-7\r\n");
    assert_eq!(own.header("x-request-id"), Some("build-7"));
    let first = client.ask("/healthz", "x-request-id: a b\r\n");
    let second = client.ask("/nothing", "");
    let [first, second] = [first, second].map(|it| it.header("x-request-id").unwrap().to_owned());
    assert_eq!((first.len(), second.len()), (16, 16));
    assert_ne!(first, second);
}
