//! The few requests of W3C WebDriver that these tests make: JSON over HTTP to a driver on this machine.
//!
//! Written out, because the crates for it bring a licence that we do not take, or a whole HTTP client.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

/// The key under which an element's reference stands (W3C WebDriver, section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser that a driver opened.
pub(crate) struct Session {
    port: u16,
    path: String,
}

/// An element of its page.
pub(crate) struct Element(String);

impl Session {
    /// Opens a browser with these capabilities.
    pub(crate) fn open(port: u16, capabilities: Value) -> Self {
        let body = json!({"capabilities": {"alwaysMatch": capabilities}});
        let answer = exchange(port, "POST", "/session", Some(body));
        let id = answer["sessionId"].as_str().unwrap();
        Self { port, path: format!("/session/{id}") }
    }

    pub(crate) fn close(&self) {
        exchange(self.port, "DELETE", &self.path, None);
    }

    pub(crate) fn go_to(&self, url: &str) {
        self.post("url", json!({"url": url}));
    }

    /// What the body of a function answers.
    pub(crate) fn execute(&self, script: &str, arguments: &[Value]) -> Value {
        self.post("execute/sync", json!({"script": script, "args": arguments}))
    }

    /// What the body of a function hands to its last argument.
    pub(crate) fn execute_async(&self, script: &str, arguments: &[Value]) -> Value {
        self.post("execute/async", json!({"script": script, "args": arguments}))
    }

    /// The elements that fit, in the order of the document.
    pub(crate) fn find_all(&self, css: &str) -> Vec<Element> {
        let found = self.post("elements", json!({"using": "css selector", "value": css}));
        let elements = found.as_array().unwrap().iter();
        elements.map(|it| Element(it[ELEMENT].as_str().unwrap().to_owned())).collect()
    }

    /// Types into an element; keys without a letter have code points of their own (section 17.4.2).
    pub(crate) fn type_into(&self, element: &Element, keys: &str) {
        self.post(&format!("element/{}/value", element.0), json!({"text": keys}));
    }

    /// Clicks into the middle of an element, which is brought into sight first.
    pub(crate) fn click(&self, element: &Element) {
        self.post(&format!("element/{}/click", element.0), json!({}));
    }

    /// Drags the mouse from the middle of an element by so many pixels to the right, in steps.
    pub(crate) fn drag(&self, element: &Element, pixels: i32, steps: i32) {
        let over = json!({ELEMENT: element.0});
        let mut actions = vec![
            json!({"type": "pointerMove", "duration": 0, "origin": over, "x": 0, "y": 0}),
            json!({"type": "pointerDown", "button": 0}),
        ];
        actions.extend((1..=steps).map(|step| {
            let x = pixels * step / steps;
            json!({"type": "pointerMove", "duration": 20, "origin": over, "x": x, "y": 0})
        }));
        actions.push(json!({"type": "pointerUp", "button": 0}));
        let mouse = json!({"type": "pointer", "id": "mouse", "actions": actions});
        self.post("actions", json!({"actions": [mouse]}));
    }

    /// What the console said since it was last asked (Chromium's own endpoint).
    pub(crate) fn console(&self) -> Vec<Value> {
        self.post("se/log", json!({"type": "browser"})).as_array().cloned().unwrap_or_default()
    }

    /// A command of the browser's own protocol, for what WebDriver has no word for.
    pub(crate) fn command(&self, name: &str, parameters: Value) -> Value {
        self.post("goog/cdp/execute", json!({"cmd": name, "params": parameters}))
    }

    /// A picture of what is to be seen: PNG, in base64.
    pub(crate) fn screenshot(&self) -> String {
        let answer = exchange(self.port, "GET", &format!("{}/screenshot", self.path), None);
        answer.as_str().unwrap().to_owned()
    }

    fn post(&self, what: &str, body: Value) -> Value {
        exchange(self.port, "POST", &format!("{}/{what}", self.path), Some(body))
    }
}

/// One request on a connection of its own; the value of the answer.
fn exchange(port: u16, method: &str, path: &str, body: Option<Value>) -> Value {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let body = body.map_or_else(String::new, |body| body.to_string());
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let (mut status, mut length, mut line) = (String::new(), 0, String::new());
    reader.read_line(&mut status).unwrap();
    while reader.read_line(&mut line).unwrap() > 2 {
        let header = line.to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut text = vec![0; length];
    reader.read_exact(&mut text).unwrap();
    let answer: Value = serde_json::from_slice(&text).unwrap();
    assert!(status.contains(" 200 "), "{method} {path}: {}", answer["value"]);
    answer["value"].clone()
}
