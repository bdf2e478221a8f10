//! `rouge-l`: the F-measure of ROUGE-L as the `rouge-score` package computes it, without stemming.
//!
//! The longest common subsequence over the whole text (not the summary-level ROUGE-Lsum); of several
//! references the one with the greatest F-measure.

use super::overlap::Metric;

/// ROUGE-L.
#[derive(Debug)]
pub(super) struct RougeL;

impl Metric for RougeL {
    fn closeness(&self, text: &str, references: &[&str]) -> f64 {
        let text = tokens(text);
        references.iter().map(|it| f_measure(&tokens(it), &text)).fold(0.0, f64::max)
    }
}

/// Runs of ASCII letters and digits in the lower-cased text; anything else only separates.
fn tokens(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let words = text.split(|c: char| !matches!(c, 'a'..='z' | '0'..='9'));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn f_measure(reference: &[String], text: &[String]) -> f64 {
    let common = longest_common_subsequence(reference, text) as f64;
    if common == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (common / text.len() as f64, common / reference.len() as f64);
    2.0 * precision * recall / (precision + recall)
}

/// By rows, in memory of one row.
fn longest_common_subsequence(a: &[String], b: &[String]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for left in a {
        let mut diagonal = 0;
        for (at, right) in b.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if left == right { diagonal + 1 } else { above.max(row[at]) };
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subsequence_may_have_gaps() {
        let cut = |text: &str| tokens(text);
        assert_eq!(longest_common_subsequence(&cut("a b c d"), &cut("b x d a")), 2);
        assert_eq!(longest_common_subsequence(&cut(""), &cut("b")), 0);
        assert!((RougeL.closeness("The cat, sat.", &["cat sat"]) - 0.8).abs() < 1e-15);
    }
}
