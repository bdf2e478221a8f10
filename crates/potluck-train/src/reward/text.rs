//! How rules cut texts into words, each way that of the metric that it serves.

use std::collections::HashMap;
use std::hash::Hash;

/// Splits at white space as Python's `str.split` does: the four separators of ASCII count too.
pub(super) fn python_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_python_space).filter(|word| !word.is_empty())
}

/// What Python's `str.isspace` says of a character.
pub(super) fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Runs of letters and digits, with apostrophes and hyphens inside them, in lower case if asked for.
pub(super) fn plain_words(text: &str, case: Case) -> Vec<String> {
    let is_inner = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '’' | '-');
    text.split(|c: char| !is_inner(c))
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty())
        .map(|word| match case {
            Case::Kept => word.to_owned(),
            Case::Ignored => word.to_lowercase(),
        })
        .collect()
}

/// Whether capitals make a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// They do.
    Kept,
    /// They do not.
    Ignored,
}

/// How often each window of `length` stands in `items`.
pub(super) fn ngrams<T: Eq + Hash>(items: &[T], length: usize) -> HashMap<&[T], usize> {
    let mut counts = HashMap::new();
    for window in items.windows(length) {
        *counts.entry(window).or_insert(0) += 1;
    }
    counts
}

/// How many windows two counts share.
pub(super) fn shared<T: Eq + Hash>(a: &HashMap<&[T], usize>, b: &HashMap<&[T], usize>) -> usize {
    a.iter().map(|(window, count)| b.get(window).map_or(0, |other| *count.min(other))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_where_each_metric_cuts() {
        assert_eq!(python_words(" a\u{1f}b\u{a0}c\n").collect::<Vec<_>>(), ["a", "b", "c"]);
        let text = "Don't re-do “THIS”, – 3.5!";
        assert_eq!(plain_words(text, Case::Ignored), ["don't", "re-do", "this", "3", "5"]);
        assert_eq!(plain_words("-A-", Case::Kept), ["A"]);
    }

    #[test]
    fn windows_are_counted() {
        let items = ["a", "b", "a", "b"];
        let counts = ngrams(&items, 2);
        assert_eq!(counts[&["a", "b"][..]], 2);
        assert_eq!(shared(&counts, &ngrams(&["a", "b", "c"], 2)), 1);
        assert!(ngrams(&items, 5).is_empty());
    }
}
