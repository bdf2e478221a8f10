//! News summaries: an agency that wants every fact told, checkers that want nothing told that is not so, and
//! readers who want it short.
//!
//! The language and its exact scores are the trainer's own. Sources disagree on some facts; the agency gains
//! by telling one of the two values, the checkers lose by it, and that is what the two trade over.

use potluck_train::task::{self as world, Item as NewsItem, NewsDesk, read_summary};
use serde_json::{Map, Value};

use crate::task::{Answer, Item, Split, Task, Training};

/// The share of disputed facts in news proper, and in the briefs that are pretrained on.
const DISPUTED: [f64; 2] = [0.6, 0.2];

/// The share of wrong values in the references.
const NOISE: f64 = 0.07;

/// Summaries behind one text in pretraining.
const SUMMARIES: u64 = 4;

pub(super) struct News;

fn asked(item: &NewsItem) -> String {
    format!("<|bos|>{}<|summary|>", item.article())
}

impl Task for News {
    fn name(&self) -> &'static str {
        "news"
    }

    /// Briefs of few facts, each with several true summaries: a small model finds out sooner how to copy.
    fn text(&self, seed: u64, index: u64) -> String {
        let desk = NewsDesk::briefs(seed, DISPUTED[1]);
        let item = desk.item(world::Split::Train, index);
        let summary = |number| desk.reference(world::Split::Train, index, &item, number, 0.0);
        let summaries: Vec<String> = (0..SUMMARIES).map(summary).collect();
        format!("{}{}", asked(&item), summaries.join("<|eos|><|summary|>"))
    }

    fn reference(&self, seed: u64, index: u64) -> (String, String) {
        let desk = NewsDesk::news(seed, DISPUTED[0]);
        let item = desk.item(world::Split::Train, index);
        let summary = desk.reference(world::Split::Train, index, &item, 0, NOISE);
        (asked(&item), summary)
    }

    fn item(&self, split: Split, seed: u64, index: u64) -> Item {
        let (split, from) = match split {
            // Others than those of the references.
            Split::Train => (world::Split::Train, 1 << 32),
            Split::HeldOut => (world::Split::HeldOut, 0),
        };
        let item = NewsDesk::news(seed, DISPUTED[0]).item(split, from + index);
        let columns = Map::from_iter([(NewsItem::FACTS_COLUMN.to_owned(), item.facts_column())]);
        Item { prompt: asked(&item), columns }
    }

    fn parties(&self) -> Vec<(&'static str, String)> {
        vec![
            ("agency", "kind = \"completeness\"\nbroken = -1.0\n".to_owned()),
            (
                "checkers",
                "kind = \"faithfulness\"\ninvented = 3.0\nescalation = 0.5\nbroken = -2.0\n"
                    .to_owned(),
            ),
            (
                "readers",
                "kind = \"brevity\"\nallowance = 3.0\nscale = 16.0\nbroken = -2.0\n".to_owned(),
            ),
        ]
    }

    fn measures(&self) -> &'static [&'static str] {
        &["readable", "words", "wrong", "copies"]
    }

    fn judge(&self, reward: &str, asked: &Answer) -> Option<f64> {
        let facts: &Value = asked.columns.get(NewsItem::FACTS_COLUMN)?;
        let item = NewsItem::of_facts("", facts)?;
        let claims = match asked.is_finished {
            true => read_summary(asked.completion.trim()).ok(),
            false => None,
        };
        let checked = claims.as_ref().map(|claims| item.check(claims)).unwrap_or_default();
        let count = claims.as_ref().map_or(0, Vec::len);
        match reward {
            "readable" => Some(f64::from(u8::from(claims.is_some()))),
            "words" => Some(asked.completion.split_whitespace().count() as f64),
            "wrong" => Some(checked.invented as f64),
            "copies" => Some(checked.supported as f64 / count.max(1) as f64),
            _ => None,
        }
    }

    fn gate(&self) -> (&'static str, f64) {
        ("copies", 0.95)
    }

    fn training(&self, quick: bool) -> Training {
        super::COPYING.training(quick)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_readable_and_mostly_supported() {
        let mut supported = 0.0;
        for index in 0..200 {
            let desk = NewsDesk::news(1, DISPUTED[0]);
            let item = desk.item(world::Split::Train, index);
            let columns =
                Map::from_iter([(NewsItem::FACTS_COLUMN.to_owned(), item.facts_column())]);
            let (prompt, completion) = News.reference(1, index);
            assert_eq!(prompt, asked(&item));
            let answer = Answer { completion: &completion, is_finished: true, columns: &columns };
            assert_eq!(News.judge("readable", &answer), Some(1.0));
            supported += News.judge("copies", &answer).unwrap() / 200.0;
            let cut = Answer { is_finished: false, ..answer };
            assert_eq!(News.judge("readable", &cut), Some(0.0));
        }
        assert!((0.88..0.98).contains(&supported), "{supported}");
    }
}
