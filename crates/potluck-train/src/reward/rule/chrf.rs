//! `chrf`: chrF (and chrF++ with `word_order = 2`) as sacrebleu's `sentence_chrf` computes it, over 100.

use super::super::keys::Keys;
use super::super::text::{is_python_space, ngrams, python_words, shared};
use super::overlap::Metric;
use crate::bad_input::BadInput;

/// Sentence chrF.
#[derive(Debug)]
pub(super) struct Chrf {
    char_order: usize,
    word_order: usize,
    beta: f64,
}

impl Chrf {
    pub(super) fn parse(keys: &mut Keys) -> Result<Self, BadInput> {
        Ok(Self {
            char_order: keys.count("char_order", 6, 1..=32)?,
            word_order: keys.count("word_order", 0, 0..=32)?,
            beta: keys.number("beta", 2.0, 0.0..=1e6)?,
        })
    }

    fn f_score(&self, statistics: &[Statistics]) -> f64 {
        let counted: Vec<_> =
            statistics.iter().filter(|it| it.text > 0 && it.reference > 0).collect();
        let average = |part: fn(&Statistics) -> usize| {
            let ratios = counted.iter().map(|it| it.shared as f64 / part(it) as f64);
            ratios.sum::<f64>() / counted.len().max(1) as f64
        };
        let (precision, recall) = (average(|it| it.text), average(|it| it.reference));
        if precision + recall == 0.0 {
            return 0.0;
        }
        let factor = self.beta.powi(2);
        (1.0 + factor) * precision * recall / (factor * precision + recall)
    }

    fn against(&self, text: &Cut, reference: &Cut) -> f64 {
        let chars =
            (1..=self.char_order).map(|order| Statistics::of(&text.chars, &reference.chars, order));
        let words =
            (1..=self.word_order).map(|order| Statistics::of(&text.words, &reference.words, order));
        self.f_score(&chars.chain(words).collect::<Vec<_>>())
    }
}

impl Metric for Chrf {
    fn closeness(&self, text: &str, references: &[&str]) -> f64 {
        let text = Cut::of(text);
        references.iter().map(|it| self.against(&text, &Cut::of(it))).fold(0.0, f64::max)
    }
}

/// Counts of runs of one order.
struct Statistics {
    text: usize,
    reference: usize,
    shared: usize,
}

impl Statistics {
    fn of<T: Eq + std::hash::Hash>(text: &[T], reference: &[T], order: usize) -> Self {
        let runs = |items: &[T]| (items.len() + 1).saturating_sub(order);
        let shared = shared(&ngrams(text, order), &ngrams(reference, order));
        Self { text: runs(text), reference: runs(reference), shared }
    }
}

/// A text as characters without white space, and as words with one mark of punctuation cut off.
struct Cut {
    chars: Vec<char>,
    words: Vec<String>,
}

impl Cut {
    fn of(text: &str) -> Self {
        let chars = text.chars().filter(|c| !is_python_space(*c)).collect();
        Self { chars, words: python_words(text).flat_map(cut_word).collect() }
    }
}

/// The last character if it is punctuation, else the first, becomes a word of its own.
fn cut_word(word: &str) -> Vec<String> {
    let mut chars = word.chars();
    let (Some(first), Some(last)) = (chars.next(), chars.next_back()) else {
        return vec![word.to_owned()];
    };
    let mark = |c: char| c.is_ascii_punctuation();
    if mark(last) {
        vec![word[..word.len() - last.len_utf8()].to_owned(), last.to_string()]
    } else if mark(first) {
        vec![first.to_string(), word[first.len_utf8()..].to_owned()]
    } else {
        vec![word.to_owned()]
    }
}
