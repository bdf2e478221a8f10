//! What endpoints understand: our own lines, or OpenRLHF's remote reward models.
//!
//! ```text
//! potluck   → the line as the trainer wrote it     ← {"rewards":[0.3,null],"metrics":{name: number}}
//! openrlhf  → {"query":[prompt + completion, ..],"prompts":[..],"labels":[..]}
//!           ← {"rewards":[..],"scores":[..],"extra_logs":{name: number or [number, ..]}}
//! ```

use serde_json::{Map, Value, json};

/// How an endpoint is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Dialect {
    /// The trainer's own lines.
    Potluck,
    /// OpenRLHF's remote reward models.
    Openrlhf,
}

impl Dialect {
    /// The body to post; `None` where `request` lacks what it is made of.
    pub(super) fn body(self, request: &Value, label: &str) -> Option<Value> {
        let texts = |name| {
            let texts = request.get(name)?.as_array()?;
            texts.iter().map(Value::as_str).collect::<Option<Vec<&str>>>()
        };
        let (prompts, completions) = (texts("prompts")?, texts("completions")?);
        if prompts.len() != completions.len() {
            return None;
        }
        if self == Self::Potluck {
            return Some(request.clone());
        }
        let joined =
            prompts.iter().zip(completions).map(|(prompt, text)| format!("{prompt}{text}"));
        let query: Vec<String> = joined.collect();
        let labels = request.get("columns").and_then(|columns| columns.get(label)).cloned();
        let labels = labels.unwrap_or_else(|| vec![Value::Null; prompts.len()].into());
        Some(json!({"query": query, "prompts": prompts, "labels": labels}))
    }

    /// The scores and metrics of a reply; the trainer counts and checks the scores.
    pub(super) fn scores(
        self,
        reply: &Value,
        id: u64,
    ) -> Result<(Value, Map<String, Value>), String> {
        if let Some(error) = reply.get("error").and_then(Value::as_str) {
            return Err(format!("the endpoint says: {}", shortened(error)));
        }
        // An endpoint may leave the id out: a connection has one request at a time.
        if self == Self::Potluck && reply.get("id").is_some_and(|it| it.as_u64() != Some(id)) {
            return Err("the endpoint answers another request".to_owned());
        }
        let rewards = reply.get("rewards").filter(|it| it.is_array());
        let rewards = rewards.ok_or("the endpoint's reply has no list `rewards`")?.clone();
        let named = match self {
            Self::Potluck => reply.get("metrics"),
            Self::Openrlhf => reply.get("extra_logs"),
        };
        let named = named.and_then(Value::as_object).into_iter().flatten();
        let metrics = named.filter_map(|(name, value)| Some((name.clone(), mean(value)?.into())));
        Ok((rewards, metrics.collect()))
    }
}

/// A number, or the mean of numbers; anything else is no metric.
fn mean(value: &Value) -> Option<f64> {
    match value {
        Value::Array(values) => {
            let numbers: Option<Vec<f64>> = values.iter().map(Value::as_f64).collect();
            let numbers = numbers.filter(|numbers| !numbers.is_empty())?;
            Some(numbers.iter().sum::<f64>() / numbers.len() as f64)
        }
        value => value.as_f64(),
    }
}

/// The beginning of what somebody else says.
pub(super) fn shortened(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Value {
        json!({"v": 1, "id": 7, "prompts": ["p", "q"], "completions": ["c", "d"],
               "columns": {"answer": [1, null]}})
    }

    #[test]
    fn bodies_are_what_endpoints_expect() {
        assert_eq!(Dialect::Potluck.body(&request(), "label"), Some(request()));
        assert_eq!(
            Dialect::Openrlhf.body(&request(), "answer").unwrap(),
            json!({"query": ["pc", "qd"], "prompts": ["p", "q"], "labels": [1, null]})
        );
        let unlabelled = Dialect::Openrlhf.body(&request(), "label").unwrap();
        assert_eq!(unlabelled["labels"], json!([null, null]));
        for malformed in [json!({}), json!({"prompts": ["p"], "completions": []})] {
            assert_eq!(Dialect::Potluck.body(&malformed, "label"), None);
        }
    }

    #[test]
    fn replies_are_scores_and_metrics() {
        let reply = json!({"id": 7, "rewards": [1, null], "metrics": {"a": 2}});
        let (rewards, metrics) = Dialect::Potluck.scores(&reply, 7).unwrap();
        assert_eq!((rewards, metrics.into()), (json!([1, null]), json!({"a": 2.0})));
        let logs = json!({"a": [1, 2], "b": 3, "c": ["x"], "d": []});
        let reply = json!({"rewards": [0.5], "scores": [1], "extra_logs": logs});
        let (rewards, metrics) = Dialect::Openrlhf.scores(&reply, 7).unwrap();
        assert_eq!((rewards, metrics.into()), (json!([0.5]), json!({"a": 1.5, "b": 3.0})));
        for (reply, fault) in [
            (json!({"id": 8, "rewards": []}), "another request"),
            (json!({"rewards": 3}), "no list `rewards`"),
            (json!([]), "no list `rewards`"),
            (json!({"error": "bad\nluck"}), "the endpoint says: bad luck"),
        ] {
            assert!(Dialect::Potluck.scores(&reply, 7).unwrap_err().contains(fault), "{reply}");
        }
    }
}
