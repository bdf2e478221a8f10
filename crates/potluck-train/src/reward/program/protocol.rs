//! The lines that go to a program and come back, as `docs/rewards.md` has them for its authors.
//!
//! ```text
//! → {"v":1,"id":7,"step":12,"prompts":[..],"completions":[..],"finished":[..],"columns":{name:[..]}}
//! ← {"id":7,"rewards":[0.3,null],"metrics":{name: number}}     or     {"id":7,"error":"why"}
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::error::Fault;
use super::super::sample::Sample;

/// The protocol's version.
const VERSION: u8 = 1;

/// How many metrics an answer may hold, and how long their names may be.
const MOST_METRICS: usize = 64;

/// How much of an answer, or of an error, is shown, in characters.
const SHOWN: usize = 200;

#[derive(Serialize)]
struct Request<'a> {
    v: u8,
    id: u64,
    step: u64,
    prompts: Vec<&'a str>,
    completions: Vec<&'a str>,
    finished: Vec<bool>,
    columns: BTreeMap<&'a str, Vec<&'a Value>>,
}

/// An answer that holds one score, or null, for each sample.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) rewards: Vec<Option<f64>>,
    pub(super) metrics: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct RawReply {
    id: u64,
    rewards: Option<Vec<Option<f64>>>,
    #[serde(default)]
    metrics: BTreeMap<String, f64>,
    error: Option<String>,
}

/// The line, its end included, that asks for scores of `samples`; a column that a sample lacks is null.
pub(super) fn request(id: u64, step: u64, samples: &[Sample]) -> Vec<u8> {
    let names: BTreeSet<&str> =
        samples.iter().flat_map(|sample| sample.columns.keys().map(String::as_str)).collect();
    let column = |name| {
        let values = samples.iter().map(|sample| sample.columns.get(name).unwrap_or(&Value::Null));
        (name, values.collect())
    };
    let request = Request {
        v: VERSION,
        id,
        step,
        prompts: samples.iter().map(|sample| sample.prompt).collect(),
        completions: samples.iter().map(|sample| sample.completion).collect(),
        finished: samples.iter().map(|sample| sample.is_finished).collect(),
        columns: names.into_iter().map(column).collect(),
    };
    let mut line = serde_json::to_vec(&request).expect("texts and JSON values can be written");
    line.push(b'\n');
    line
}

/// Reads the answer to request `id` about so many samples.
pub(super) fn read(line: &[u8], id: u64, samples: usize) -> Result<Reply, Fault> {
    let refused = |reason: String| Fault::Answer { reason, said: shown(line) };
    let reply: RawReply = serde_json::from_slice(line).map_err(|error| {
        let hint = if has_no_number(line) { "; NaN and Infinity are no JSON" } else { "" };
        refused(format!("it is no answer in JSON ({error}{hint})"))
    })?;
    if reply.id != id {
        return Err(refused(format!("it answers {}, and {id} was asked", reply.id)));
    }
    if let Some(error) = reply.error {
        return Err(Fault::Refused(format!("the program says: {}", shown(error.as_bytes()))));
    }
    let rewards = reply.rewards.ok_or_else(|| refused("it has no `rewards`".to_owned()))?;
    if rewards.len() != samples {
        return Err(Fault::WrongCount { wanted: samples, got: rewards.len() });
    }
    let metrics = reply.metrics;
    if metrics.len() > MOST_METRICS || metrics.keys().any(|name| name.len() > MOST_METRICS) {
        return Err(refused(format!("it has more, or longer, metrics than {MOST_METRICS}")));
    }
    Ok(Reply { rewards, metrics })
}

/// Whether it holds what Python's `json.dumps` writes for a number that is none.
fn has_no_number(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    text.contains("NaN") || text.contains("Infinity")
}

/// The beginning of a text, on one line and without control characters.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * SHOWN)]);
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut shown: String = clean.take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_known_request() {
        let columns = [json!({"label": 1}), json!({"hint": "é"})];
        let [a, b] = columns.each_ref().map(|it| it.as_object().unwrap());
        let samples = [
            Sample {
                prompt: "p\n",
                conversation: None,
                completion: "c",
                tokens: 1,
                is_finished: true,
                columns: a,
            },
            Sample {
                prompt: "q",
                conversation: None,
                completion: "",
                tokens: 1,
                is_finished: false,
                columns: b,
            },
        ];
        assert_eq!(
            String::from_utf8(request(7, 12, &samples)).unwrap(),
            concat!(
                r#"{"v":1,"id":7,"step":12,"prompts":["p\n","q"],"completions":["c",""],"#,
                r#""finished":[true,false],"columns":{"hint":[null,"é"],"label":[1,null]}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn answers_are_read_or_refused() {
        let reply = read(br#"{"id":7,"rewards":[0.5,null,1],"metrics":{"a":2},"more":0}"#, 7, 3);
        let reply = reply.unwrap();
        assert_eq!(reply.rewards, [Some(0.5), None, Some(1.0)]);
        assert_eq!(reply.metrics["a"], 2.0);
        for (line, fault) in [
            (r#"{"id":8,"rewards":[1]}"#, "it answers 8, and 7 was asked"),
            (r#"{"id":7,"rewards":[1,2]}"#, "1 scores were due and 2 came"),
            (r#"{"id":7}"#, "no `rewards`"),
            (r#"{"id":7,"error":"out of\u0007 luck"}"#, "the program says: out of  luck"),
            (r#"{"id":7,"rewards":[NaN]}"#, "NaN and Infinity are no JSON"),
            (r#"{"id":7,"rewards":[1e999]}"#, "number out of range"),
            (r#"{"id":7,"rewards":["1"]}"#, "invalid type"),
            ("loading…", "no answer in JSON"),
            ("", "no answer in JSON"),
        ] {
            let error = read(line.as_bytes(), 7, 1).unwrap_err().to_string();
            assert!(error.contains(fault), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_bring_the_reader_down(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&line, 1, 1).map_err(|error| error.to_string());
        }
    }
}
