//! Summaries: how a reference is written, and how any summary is read back into claims.
//!
//! ```text
//! summary = clause { " " clause } "."       each kind at most once
//! clause  = a summary form of a kind, its place filled with a value of that kind
//! ```

use crate::stream::Stream;

use super::item::{Fact, Item, draw_value};
use super::lexicon::Kind;

/// The fewest facts that a reference tells.
const FEWEST_TOLD: usize = 2;

/// How much of an item a reference tells: drawn between these, so that lengths vary.
const SHARE_TOLD: (f64, f64) = (0.1, 1.0);

/// A disputed fact is told so much more seldom than a sure one.
const DISPUTED_TOLD: f64 = 0.6;

/// How often the longer form of a clause is chosen.
const LONG_FORM: f64 = 0.35;

/// A fact as a summary states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What it is about.
    pub kind: Kind,
    /// What is said.
    pub value: String,
}

/// Tells a random subset of the facts of `item`; each value is wrong with probability `noise`.
pub(super) fn write(item: &Item, noise: f64, stream: &mut Stream) -> String {
    let told = draw_subset(item.facts(), stream);
    let clauses: Vec<_> = told.into_iter().map(|fact| clause(fact, noise, stream)).collect();
    format!("{}.", clauses.join(" "))
}

fn draw_subset<'a>(facts: &'a [Fact], stream: &mut Stream) -> Vec<&'a Fact> {
    loop {
        let share = SHARE_TOLD.0 + (SHARE_TOLD.1 - SHARE_TOLD.0) * stream.unit();
        let told: Vec<_> = facts
            .iter()
            .filter(|fact| {
                let seldom = if fact.rumour.is_some() { DISPUTED_TOLD } else { 1.0 };
                stream.chance(share * seldom)
            })
            .collect();
        if told.len() >= FEWEST_TOLD {
            return told;
        }
    }
}

fn clause(fact: &Fact, noise: f64, stream: &mut Stream) -> String {
    let value = match &fact.rumour {
        _ if stream.chance(noise) => draw_value(fact.kind, stream, |value| value == fact.value),
        Some(rumour) if stream.chance(0.5) => rumour.clone(),
        _ => fact.value.clone(),
    };
    let forms = fact.kind.summary_forms();
    let form = if stream.chance(LONG_FORM) { stream.pick(forms) } else { &forms[0] };
    form.replacen("{}", &value, 1)
}

#[cfg(test)]
impl Fact {
    /// The clause that tells it.
    pub(crate) fn clause(&self) -> String {
        self.kind.summary_forms()[0].replacen("{}", &self.value, 1)
    }

    /// A clause that tells something else of its kind.
    pub(crate) fn false_clause(&self) -> String {
        let mut stream = Stream::of("false clause", &[]);
        let other = draw_value(self.kind, &mut stream, |value| value == self.value);
        self.kind.summary_forms()[0].replacen("{}", &other, 1)
    }
}

/// Why a text is no summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BrokenSummary {
    /// Nothing is said.
    #[error("it is empty")]
    Empty,
    /// The full stop at the end is missing: it was cut off, or it never ends.
    #[error("it has no end")]
    NoEnd,
    /// At this word (counted from 0) no clause begins.
    #[error("no clause begins at word {0}")]
    Word(usize),
    /// One kind of fact is told twice.
    #[error("it tells the {} twice", .0.name())]
    Twice(Kind),
}

/// Reads a summary back into its claims.
///
/// # Errors
/// [`BrokenSummary`] where the text is not one of the grammar above.
pub fn read_summary(text: &str) -> Result<Vec<Claim>, BrokenSummary> {
    let text = text.trim();
    if text.is_empty() || text == "." {
        return Err(BrokenSummary::Empty);
    }
    let words: Vec<&str> = text.strip_suffix('.').ok_or(BrokenSummary::NoEnd)?.split(' ').collect();
    let mut claims: Vec<Claim> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let (claim, length) = read_clause(&words[at..]).ok_or(BrokenSummary::Word(at))?;
        if claims.iter().any(|earlier| earlier.kind == claim.kind) {
            return Err(BrokenSummary::Twice(claim.kind));
        }
        claims.push(claim);
        at += length;
    }
    Ok(claims)
}

/// The clause at the start of `words` and its length; no two forms match the same words.
fn read_clause(words: &[&str]) -> Option<(Claim, usize)> {
    Kind::ALL.into_iter().find_map(|kind| {
        kind.summary_forms().iter().find_map(|form| {
            let (value, length) = match_form(form, kind, words)?;
            Some((Claim { kind, value }, length))
        })
    })
}

fn match_form(form: &str, kind: Kind, words: &[&str]) -> Option<(String, usize)> {
    let mut at = 0usize;
    let mut value = None;
    for expected in form.split(' ') {
        if expected == "{}" {
            let said = words.get(at..at.checked_add(kind.value_words())?)?.join(" ");
            at += kind.value_words();
            value = Some(said).filter(|said| kind.has_value(said));
            value.as_ref()?;
        } else {
            (words.get(at) == Some(&expected)).then_some(())?;
            at += 1;
        }
    }
    value.map(|value| (value, at))
}

#[cfg(test)]
mod tests {
    use super::super::item::{NewsDesk, Split};
    use super::*;
    use proptest::prelude::*;

    const DESK: NewsDesk = NewsDesk::news(5, 0.5);

    #[test]
    fn a_sentence_reads_as_its_claims() {
        let claims =
            read_summary("Bell met Kim in Lima on May 12 at a cost of 45 million.").unwrap();
        let said: Vec<_> = claims.iter().map(|c| (c.kind.name(), c.value.as_str())).collect();
        assert_eq!(
            said,
            [
                ("who", "Bell"),
                ("whom", "Kim"),
                ("where", "Lima"),
                ("when", "May 12"),
                ("cost", "45")
            ]
        );
    }

    #[test]
    fn what_is_no_summary_says_why() {
        for (text, error) in [
            ("", BrokenSummary::Empty),
            (" . ", BrokenSummary::Empty),
            ("Bell", BrokenSummary::NoEnd),
            ("Bell in Lim.", BrokenSummary::Word(1)),
            ("Bell in.", BrokenSummary::Word(1)),
            ("Bell  in Lima.", BrokenSummary::Word(1)),
            ("in Lima in Oslo.", BrokenSummary::Twice(Kind::Where)),
        ] {
            assert_eq!(read_summary(text), Err(error), "{text}");
        }
    }

    #[test]
    fn every_form_of_every_kind_is_read_as_that_kind() {
        for kind in Kind::ALL {
            let value = if kind == Kind::When { "May 3" } else { kind.values()[0] };
            for form in kind.summary_forms() {
                let claims = read_summary(&format!("{}.", form.replace("{}", value))).unwrap();
                assert_eq!(claims, [Claim { kind, value: value.to_owned() }], "{form}");
            }
        }
    }

    #[test]
    fn noise_is_the_share_of_wrong_values_among_sure_facts() {
        let (mut wrong, mut told) = (0usize, 0usize);
        for index in 0..2000 {
            let item = DESK.item(Split::Train, index);
            let claims =
                read_summary(&DESK.reference(Split::Train, index, &item, 0, 0.12)).unwrap();
            for claim in claims {
                let fact = item.facts().iter().find(|fact| fact.kind == claim.kind).unwrap();
                if fact.rumour.is_none() {
                    told += 1;
                    wrong += usize::from(fact.value != claim.value);
                }
            }
        }
        let share = wrong as f64 / told as f64;
        assert!((0.10..0.14).contains(&share), "{share}");
    }

    proptest! {
        #[test]
        fn a_reference_without_noise_is_read_back_as_supported_facts(index in 0u64..1_000_000) {
            let item = DESK.item(Split::HeldOut, index);
            let claims = read_summary(&DESK.reference(Split::HeldOut, index, &item, 0, 0.0)).unwrap();
            prop_assert!(claims.len() >= FEWEST_TOLD);
            prop_assert_eq!(item.check(&claims).supported, claims.len());
        }

        #[test]
        fn no_text_panics(text in "[a-zA-Z0-9. ]{0,80}|.{0,40}") {
            let _ = read_summary(&text);
        }
    }
}
