//! `bleu`: sentence BLEU as sacrebleu's `sentence_bleu` computes it, over 100.
//!
//! Orders 1 to 4, tokens of mteval's 13a, exponential smoothing, effective order, the closest
//! reference's length. Vectors from the package itself stand in `tests/vectors/text-metrics`.

use std::sync::LazyLock;

use regex::Regex;

use super::super::text::{is_python_space, ngrams, python_words};
use super::overlap::Metric;

/// The longest run of tokens that counts.
const ORDERS: usize = 4;

/// Sentence BLEU.
#[derive(Debug)]
pub(super) struct Bleu;

impl Metric for Bleu {
    fn closeness(&self, text: &str, references: &[&str]) -> f64 {
        let (text, references) =
            (tokens(text), references.iter().map(|it| tokens(it)).collect::<Vec<_>>());
        let lengths = references.iter().map(Vec::len);
        // Of two that are equally close, the shorter.
        let reference_length = lengths.min_by_key(|length| (length.abs_diff(text.len()), *length));
        let counts = (1..=ORDERS).map(|order| matches(&text, &references, order));
        score(&counts.collect::<Vec<_>>(), text.len(), reference_length.unwrap_or(0))
    }
}

/// How many runs of `order` tokens a reference has too, each as often as in the reference that has
/// it most often, and how many there are.
fn matches(text: &[String], references: &[Vec<String>], order: usize) -> (usize, usize) {
    let counts = ngrams(text, order);
    let references: Vec<_> = references.iter().map(|reference| ngrams(reference, order)).collect();
    let found = counts.iter().map(|(run, count)| {
        let most = references.iter().filter_map(|reference| reference.get(run)).max();
        most.map_or(0, |most| *most.min(count))
    });
    (found.sum(), (text.len() + 1).saturating_sub(order))
}

/// `compute_bleu` of sacrebleu 2.6 with `smooth_method="exp"`, `effective_order=True`.
fn score(counts: &[(usize, usize)], length: usize, reference_length: usize) -> f64 {
    if counts.iter().all(|(correct, _)| *correct == 0) {
        return 0.0;
    }
    let (mut logs, mut orders, mut smoothing) = (0.0, 0, 1.0);
    for (correct, total) in counts.iter().take_while(|(_, total)| *total > 0) {
        let precision = if *correct == 0 {
            smoothing *= 2.0;
            1.0 / (smoothing * *total as f64)
        } else {
            *correct as f64 / *total as f64
        };
        logs += precision.ln();
        orders += 1;
    }
    let brevity = if length < reference_length {
        (1.0 - reference_length as f64 / length as f64).exp()
    } else {
        1.0
    };
    brevity * (logs / f64::from(orders)).exp()
}

/// The rules of `TokenizerRegexp`, in their order.
static RULES: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
    [
        (r"([\{-\~\[-\` -\&\(-\+\:-\@/])", " $1 "),
        (r"([^0-9])([\.,])", "$1 $2 "),
        (r"([\.,])([^0-9])", " $1 $2"),
        (r"([0-9])(-)", "$1 $2 "),
    ]
    .map(|(pattern, with)| (Regex::new(pattern).expect("the patterns are constants"), with))
});

/// The tokens of `Tokenizer13a`.
fn tokens(text: &str) -> Vec<String> {
    let text = text.trim_end_matches(is_python_space);
    let mut text = text.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    for (entity, character) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
        text = text.replace(entity, character);
    }
    text = format!(" {text} ");
    for (pattern, with) in RULES.iter() {
        text = pattern.replace_all(&text, *with).into_owned();
    }
    python_words(&text).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_against_itself_scores_1() {
        let text = "The cat, which sat on 3.5 mats, left.";
        assert!((Bleu.closeness(text, &[text]) - 1.0).abs() < 1e-12);
        assert_eq!(Bleu.closeness("", &[text]), 0.0);
        assert_eq!(Bleu.closeness("dog", &["cat"]), 0.0);
    }

    #[test]
    fn punctuation_is_cut_off_and_decimals_are_not() {
        let expected = ["It", "'s", "3.5", "-", "4", ",", "or", "\"", "no", "\"", "."];
        assert_eq!(tokens("It 's 3.5-4, or &quot;no&quot;."), expected);
    }
}
