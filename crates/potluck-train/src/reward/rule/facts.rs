//! `completeness`, `brevity`, `faithfulness`: the news task's rewards over a column of facts.

use serde_json::Value as Json;
use toml::{Table, Value};

use super::super::error::Unscored;
use super::super::keys::Keys;
use super::super::news::Reward;
use super::super::sample::{Sample, unfit};
use super::Rule;
use crate::bad_input::BadInput;
use crate::task::Item;

/// A reward of the news, and the column in which an item's facts stand.
#[derive(Debug)]
pub(super) struct Facts {
    reward: Reward,
    column: String,
}

impl Facts {
    /// The keys are those of a reward file, with the same meaning and limits.
    pub(super) fn parse(kind: &str, keys: &mut Keys) -> Result<Self, BadInput> {
        let column = keys.text("column")?.unwrap_or_else(|| Item::FACTS_COLUMN.to_owned());
        let mut table = Table::from_iter([("kind".to_owned(), Value::String(kind.to_owned()))]);
        let own: &[&str] = match kind {
            "brevity" => &["allowance", "scale", "broken"],
            "faithfulness" => &["invented", "escalation", "broken"],
            _ => &["broken"],
        };
        for key in own {
            let value = keys.take(key).ok_or_else(|| keys.fault(key, "is missing"))?;
            table.insert((*key).to_owned(), value);
        }
        let reward: Reward =
            table.try_into().map_err(|error: toml::de::Error| keys.fault(kind, error.message()))?;
        match reward.first_fault() {
            Some(fault) => Err(keys.fault(kind, format!("is unsound: {fault}"))),
            None => Ok(Self { reward, column }),
        }
    }
}

impl Rule for Facts {
    fn score(&self, sample: &Sample) -> Result<f64, Unscored> {
        let column: &Json = sample.column(&self.column)?;
        let item = Item::of_facts(sample.prompt, column)
            .ok_or_else(|| unfit(&self.column, "a list of facts of the news", column))?;
        let summary = sample.is_finished.then_some(sample.completion);
        Ok(self.reward.judge(&item, summary).score)
    }
}
