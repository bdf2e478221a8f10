//! Metrics against reference texts in a column: what `bleu`, `chrf` and `rouge-l` share.

use super::super::error::Unscored;
use super::super::keys::Keys;
use super::super::sample::Sample;
use super::Rule;
use crate::bad_input::BadInput;

/// A measure of how close a text comes to references, 0 to 1.
pub(super) trait Metric: Send + std::fmt::Debug {
    /// The closeness of `text` to at least one reference.
    fn closeness(&self, text: &str, references: &[&str]) -> f64;
}

/// A metric and the column that holds its references.
#[derive(Debug)]
pub(super) struct Overlap<M> {
    column: String,
    ignore_case: bool,
    metric: M,
}

impl<M: Metric> Overlap<M> {
    pub(super) fn parse(keys: &mut Keys, metric: M) -> Result<Self, BadInput> {
        let column = keys.needed_text("column")?;
        Ok(Self { column, ignore_case: keys.flag("ignore_case", false)?, metric })
    }
}

impl<M: Metric> Rule for Overlap<M> {
    fn score(&self, sample: &Sample) -> Result<f64, Unscored> {
        let references = sample.references(&self.column)?;
        if !self.ignore_case {
            return Ok(self.metric.closeness(sample.completion, &references));
        }
        let lower: Vec<String> = references.iter().map(|text| text.to_lowercase()).collect();
        let references: Vec<&str> = lower.iter().map(String::as_str).collect();
        Ok(self.metric.closeness(&sample.completion.to_lowercase(), &references))
    }
}

#[cfg(test)]
mod tests {
    use crate::reward::list::tests::{refusal, score_with};
    use serde_json::{Value, json};

    #[test]
    fn scores_are_those_of_sacrebleu_and_rouge_score() {
        let path = "../../tests/vectors/text-metrics/cases.json";
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let cases: Vec<Value> =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(cases.len() > 80);
        for case in &cases {
            for (metric, keys) in [
                ("bleu", "kind = 'bleu'"),
                ("bleu_ignore_case", "kind = 'bleu'\nignore_case = true"),
                ("chrf", "kind = 'chrf'"),
                ("chrf_ignore_case", "kind = 'chrf'\nignore_case = true"),
                ("chrf_plus_plus", "kind = 'chrf'\nword_order = 2"),
                ("chrf_3_1_beta_1", "kind = 'chrf'\nchar_order = 3\nword_order = 1\nbeta = 1"),
                ("rouge_l", "kind = 'rouge-l'"),
            ] {
                let keys = format!("{keys}\ncolumn = 'summary'");
                let columns = json!({"summary": case["references"]});
                let score = score_with(&keys, case["text"].as_str().unwrap(), columns);
                let expected = case[metric].as_f64().unwrap();
                assert!((score - expected).abs() < 1e-9, "{metric}: {score} in {case}");
            }
        }
    }

    #[test]
    fn bad_keys_are_refused() {
        assert!(refusal("kind = 'bleu'").contains("column is missing"));
        assert!(refusal("kind = 'chrf'\ncolumn = 'a'\nchar_order = 0").contains("char_order must"));
        assert!(refusal("kind = 'rouge-l'\ncolumn = 'a'\nbeta = 1").contains("beta is not a key"));
    }
}
