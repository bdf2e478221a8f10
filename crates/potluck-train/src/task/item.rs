//! One news item: its facts, its text, and the desk that writes item after item.

use serde_json::{Value, json};

use crate::stream::Stream;

use super::article;
use super::lexicon::{DAYS, Kind};
use super::summary::{self, Claim};

/// One of so many dated names is held out.
const HELD_OUT_ONE_IN: u64 = 8;

/// Which items one may learn from. The two share no pair of leader and date, hence no item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// For training.
    Train,
    /// For evaluation alone.
    HeldOut,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it is about.
    pub kind: Kind,
    /// The truth.
    pub value: String,
    /// The other value that the text reports, where sources disagree.
    pub rumour: Option<String>,
}

/// One news item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    facts: Vec<Fact>,
    article: String,
}

/// What a summary's claims are worth against the facts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Claims that are true.
    pub told: usize,
    /// Claims that are false, whether the text reports them or not.
    pub invented: usize,
    /// Claims whose value the text reports for that kind, true or disputed: the measure of copying.
    pub supported: usize,
}

impl Item {
    /// The column of a data set in which an item's facts stand, beside its text as the prompt.
    pub const FACTS_COLUMN: &str = "facts";

    /// Its facts as a column: `[{"kind": "where", "value": "Lima", "rumour": "Oslo"}, …]`, the rumour
    /// `null` where sources agree.
    pub fn facts_column(&self) -> Value {
        let fact = |fact: &Fact| json!({"kind": fact.kind.name(), "value": fact.value, "rumour": fact.rumour});
        self.facts.iter().map(fact).collect()
    }

    /// The item of that text with the facts of a column; `None` where they are not such as the desk
    /// writes: at least one, each kind at most once and in order, each value one of its kind.
    pub fn of_facts(article: &str, column: &Value) -> Option<Self> {
        let facts: Option<Vec<Fact>> = column.as_array()?.iter().map(Fact::of_column).collect();
        let facts = facts.filter(|facts| !facts.is_empty())?;
        let is_ordered = facts.is_sorted_by(|a, b| a.kind < b.kind);
        is_ordered.then(|| Self { facts, article: article.to_owned() })
    }

    /// Its facts, each kind once, in the order of a summary.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Its text.
    pub fn article(&self) -> &str {
        &self.article
    }

    /// Holds `claims` against the facts.
    pub fn check(&self, claims: &[Claim]) -> Checked {
        let mut checked = Checked::default();
        for claim in claims {
            let fact = self.facts.iter().find(|fact| fact.kind == claim.kind);
            let is_true = fact.is_some_and(|fact| fact.value == claim.value);
            let is_rumour = fact.is_some_and(|fact| fact.rumour.as_ref() == Some(&claim.value));
            checked.told += usize::from(is_true);
            checked.invented += usize::from(!is_true);
            checked.supported += usize::from(is_true || is_rumour);
        }
        checked
    }
}

impl Fact {
    fn of_column(value: &Value) -> Option<Self> {
        let name = value.get("kind")?.as_str()?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name)?;
        let told =
            |value: &Value| value.as_str().filter(|value| kind.has_value(value)).map(str::to_owned);
        let rumour = match value.get("rumour") {
            None | Some(Value::Null) => None,
            Some(rumour) => Some(told(rumour)?),
        };
        Some(Self { kind, value: told(value.get("value")?)?, rumour })
    }
}

/// Writes the news of one seed.
#[derive(Debug, Clone)]
pub struct NewsDesk {
    /// The seed of everything that it writes.
    pub seed: u64,
    /// The share of facts on which sources disagree, among those that can be disputed.
    pub disputed: f64,
    /// The fewest facts of an item, at least 2.
    pub fewest: usize,
    /// The most facts of an item, at most 12.
    pub most: usize,
}

impl NewsDesk {
    /// A desk that writes news items proper, of 5 to 12 facts.
    pub const fn news(seed: u64, disputed: f64) -> Self {
        Self { seed, disputed, fewest: 5, most: 12 }
    }

    /// A desk that writes news in brief, of 3 to 6 facts: the same language in half the words.
    pub const fn briefs(seed: u64, disputed: f64) -> Self {
        Self { seed, disputed, fewest: 3, most: 6 }
    }

    /// The item at `index`, a pure function of the desk and the arguments.
    pub fn item(&self, split: Split, index: u64) -> Item {
        let mut stream = Stream::of("news item", &[self.seed, split as u64, index]);
        loop {
            let facts = self.draw_facts(&mut stream);
            if split_of(&facts) == split {
                let article = article::write(&facts, &mut stream);
                return Item { facts, article };
            }
        }
    }

    /// The summary `number` of `item`, which is the one at `index`: a random subset of its facts,
    /// each told wrongly with probability `noise`.
    pub fn reference(
        &self,
        split: Split,
        index: u64,
        item: &Item,
        number: u64,
        noise: f64,
    ) -> String {
        let mut stream = Stream::of("reference summary", &[self.seed, split as u64, index, number]);
        summary::write(item, noise, &mut stream)
    }

    /// The facts in the order of a summary; who and when are always among them.
    fn draw_facts(&self, stream: &mut Stream) -> Vec<Fact> {
        let count = self.fewest + stream.below(self.most - self.fewest + 1);
        let mut others: Vec<Kind> =
            Kind::ALL.into_iter().filter(|kind| !matches!(kind, Kind::Who | Kind::When)).collect();
        stream.shuffle(&mut others);
        let mut kinds = vec![Kind::Who, Kind::When];
        kinds.extend(others.into_iter().take(count - kinds.len()));
        kinds.sort_unstable();
        kinds
            .into_iter()
            .map(|kind| {
                let value = draw_value(kind, stream, |_| false);
                let is_disputed = kind.can_be_disputed() && stream.chance(self.disputed);
                let rumour =
                    is_disputed.then(|| draw_value(kind, stream, |rumour| rumour == value));
                Fact { kind, value, rumour }
            })
            .collect()
    }
}

/// A value of `kind` that is not `excluded`.
pub(super) fn draw_value(
    kind: Kind,
    stream: &mut Stream,
    excluded: impl Fn(&str) -> bool,
) -> String {
    loop {
        let mut value = (*stream.pick(kind.values())).to_owned();
        if kind == Kind::When {
            value = format!("{value} {}", 1 + stream.below(usize::from(DAYS)));
        }
        if !excluded(&value) {
            return value;
        }
    }
}

/// Decided by leader and date, which every item has.
fn split_of(facts: &[Fact]) -> Split {
    let mut hasher = blake3::Hasher::new_derive_key("potluck-train 1 news split");
    for fact in facts.iter().filter(|fact| matches!(fact.kind, Kind::Who | Kind::When)) {
        hasher.update(fact.value.as_bytes()).update(b"\n");
    }
    let digest = hasher.finalize();
    if u64::from(digest.as_bytes()[0]) % HELD_OUT_ONE_IN == 0 {
        Split::HeldOut
    } else {
        Split::Train
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const DESK: NewsDesk = NewsDesk::news(1, 0.5);

    #[test]
    fn an_item_is_its_seed_split_and_index() {
        assert_eq!(DESK.item(Split::Train, 3), DESK.item(Split::Train, 3));
        assert_ne!(DESK.item(Split::Train, 3), DESK.item(Split::Train, 4));
        assert_ne!(DESK.item(Split::Train, 3), NewsDesk { seed: 2, ..DESK }.item(Split::Train, 3));
    }

    #[test]
    fn items_have_5_to_12_facts_of_known_kinds() {
        let mut counts = HashSet::new();
        for index in 0..400 {
            let item = DESK.item(Split::Train, index);
            counts.insert(item.facts().len());
            assert!(item.facts().is_sorted_by(|a, b| a.kind < b.kind), "each kind once, in order");
            for fact in item.facts() {
                assert!(fact.kind.has_value(&fact.value));
                assert!(item.article().contains(&fact.value), "{item:?}");
                if let Some(rumour) = &fact.rumour {
                    assert!(fact.kind.has_value(rumour) && *rumour != fact.value);
                    assert!(item.article().contains(rumour));
                }
            }
        }
        assert_eq!(counts, (5..=12).collect());
    }

    #[test]
    fn an_item_is_its_text_and_its_column_of_facts() {
        for index in 0..200 {
            let item = DESK.item(Split::Train, index);
            let text = item.facts_column().to_string();
            let column = serde_json::from_str(&text).unwrap();
            assert_eq!(Item::of_facts(item.article(), &column), Some(item));
        }
        for column in [
            json!(null),
            json!([]),
            json!([{"kind": "who"}]),
            json!([{"kind": "mood", "value": "Bell"}]),
            json!([{"kind": "who", "value": "Nobody"}]),
            json!([{"kind": "where", "value": "Lima", "rumour": 3}]),
            json!([{"kind": "where", "value": "Lima"}, {"kind": "who", "value": "Bell"}]),
            json!([{"kind": "who", "value": "Bell"}, {"kind": "who", "value": "Roy"}]),
        ] {
            assert_eq!(Item::of_facts("", &column), None, "{column}");
        }
    }

    #[test]
    fn the_splits_share_no_item() {
        let key = |split, index| {
            let item = DESK.item(split, index);
            item.facts()
                .iter()
                .filter(|fact| matches!(fact.kind, Kind::Who | Kind::When))
                .map(|fact| fact.value.clone())
                .collect::<Vec<_>>()
        };
        let train: HashSet<_> = (0..2000).map(|index| key(Split::Train, index)).collect();
        assert!((0..500).all(|index| !train.contains(&key(Split::HeldOut, index))));
    }

    #[test]
    fn claims_are_held_against_the_facts() {
        let fact = |kind, value: &str, rumour: Option<&str>| Fact {
            kind,
            value: value.to_owned(),
            rumour: rumour.map(str::to_owned),
        };
        let facts = vec![fact(Kind::Who, "Bell", None), fact(Kind::Where, "Lima", Some("Oslo"))];
        let item = Item { facts, article: String::new() };
        let claim = |kind, value: &str| Claim { kind, value: value.to_owned() };
        let claims =
            [claim(Kind::Who, "Bell"), claim(Kind::Where, "Oslo"), claim(Kind::Topic, "grain")];
        assert_eq!(item.check(&claims), Checked { told: 1, invented: 2, supported: 2 });
    }
}
