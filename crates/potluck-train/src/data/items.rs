//! Items of a data set: those to learn from in their order, and those that are held out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::bad_input::BadInput;
use crate::stream::Stream;
use crate::text::{Conversation, Tools};

use super::kind::Uniform;
use super::order::Order;
use super::records::{Record, Records, refusal};

/// How a data set is read; the `[data]` of a recipe.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSettings {
    /// The share of items that is never learned from, for evaluation: 0 or more, below 1. Items with
    /// one prompt go to one side together.
    pub held_out: f64,
    /// The most tokens of a prompt or of an example.
    pub longest: usize,
    /// What happens to a longer one.
    pub too_long: TooLong,
    /// Which answers of a conversation are learned.
    pub learned: Learned,
}

/// What happens to an item with too many tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TooLong {
    /// The run does not begin; the error names the line.
    Refuse,
    /// It is left out, and counted.
    Skip,
    /// A prompt loses its beginning (but for the token that begins a text), an example its end.
    Cut,
}

/// Which answers of a conversation are learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Learned {
    /// All that the assistant says.
    All,
    /// Its last answer.
    Last,
}

impl Default for DataSettings {
    fn default() -> Self {
        Self { held_out: 0.0, longest: 1024, too_long: TooLong::Refuse, learned: Learned::All }
    }
}

/// What becomes of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is taken as it is.
    Whole,
    /// It is left out.
    LeftOut,
    /// It is cut to the most tokens.
    Cut,
}

impl DataSettings {
    /// What becomes of an item with `length` tokens; `what` says in a refusal what has them.
    pub(super) fn fit(&self, length: usize, what: &str) -> Result<Fit, String> {
        let longest = self.longest;
        match self.too_long {
            _ if length <= longest => Ok(Fit::Whole),
            TooLong::Skip => Ok(Fit::LeftOut),
            TooLong::Cut => Ok(Fit::Cut),
            TooLong::Refuse => Err(format!(
                "{what} has {length} tokens, and {longest} are allowed: raise longest, or set too_long to \"skip\" or \"cut\""
            )),
        }
    }

    /// # Errors
    /// [`BadInput`], which names the key.
    pub fn check(&self) -> Result<(), BadInput> {
        if !(0.0..1.0).contains(&self.held_out) {
            return Err(BadInput::new("held_out must be 0 or more and below 1"));
        }
        if self.longest == 0 {
            return Err(BadInput::new("longest must be at least 1"));
        }
        Ok(())
    }
}

/// The items of a data set, all in memory.
#[derive(Debug)]
pub struct Items<T> {
    learned: Vec<T>,
    held_out: Vec<T>,
    skipped: u64,
    order: Order,
}

impl<T> Items<T> {
    /// Reads the items of `path`. `made` makes one of a line, with its prompt, by which it is held
    /// out or not; or none, if that is left out as too long.
    pub(super) fn gather(
        path: &Path,
        settings: &DataSettings,
        seed: u64,
        made: impl Fn(&Record, &mut Uniform) -> Result<(String, Option<T>), String>,
    ) -> Result<Self, BadInput> {
        settings.check()?;
        let (mut uniform, mut items, mut skipped) = (Uniform::default(), Vec::new(), 0);
        for record in Records::open(path)? {
            let record = record?;
            let made = made(&record, &mut uniform);
            match made.map_err(|reason| refusal(path, record.line, &reason))? {
                (prompt, Some(item)) => items.push((prompt, item)),
                (_, None) => skipped += 1,
            }
        }
        Self::split(path, items, skipped, settings.held_out, seed)
    }

    /// Splits `items`, each with what its prompt is, into those to learn from and those held out.
    fn split(
        path: &Path,
        items: Vec<(String, T)>,
        skipped: u64,
        share: f64,
        seed: u64,
    ) -> Result<Self, BadInput> {
        let out = held_out(items.iter().map(|(prompt, _)| prompt.as_str()), share, seed);
        let (mut learned, mut held_out) = (Vec::new(), Vec::new());
        for (prompt, item) in items {
            if out.contains(&prompt) { held_out.push(item) } else { learned.push(item) }
        }
        if learned.is_empty() {
            let reason = match skipped {
                0 => "it has no item to learn from".to_owned(),
                _ => format!("it has no item to learn from; {skipped} were left out as too long"),
            };
            return Err(BadInput::file(path, &reason));
        }
        let order = Order::new(seed, learned.len());
        Ok(Self { learned, held_out, skipped, order })
    }

    /// The item that comes `n`-th, from 0, over all epochs.
    pub fn item(&self, n: u64) -> &T {
        &self.learned[self.order.at(n)]
    }

    /// In which epoch, from 0, the `n`-th comes.
    pub fn epoch(&self, n: u64) -> u64 {
        self.order.epoch(n)
    }

    /// The number of items that are learned from: at least 1.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.learned.len()
    }

    /// The items that are learned from, in the order of the file.
    pub fn learned(&self) -> &[T] {
        &self.learned
    }

    /// The items that are not, in the order of the file.
    pub fn held_out(&self) -> &[T] {
        &self.held_out
    }

    /// How many were left out as too long.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// The prompts that are held out: a share of the different ones, so that none is on both sides.
fn held_out<'a>(prompts: impl Iterator<Item = &'a str>, share: f64, seed: u64) -> BTreeSet<String> {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, prompt) in prompts.enumerate() {
        first.entry(prompt).or_insert(place);
    }
    let mut different: Vec<(usize, &str)> =
        first.into_iter().map(|(it, place)| (place, it)).collect();
    different.sort_unstable();
    let count = (share * different.len() as f64).round() as usize;
    // Of several prompts, one at least is held out and one is not.
    let count = if share > 0.0 { count.max(1).min(different.len().saturating_sub(1)) } else { 0 };
    Stream::of("held out", &[seed]).shuffle(&mut different);
    different.into_iter().take(count).map(|(_, prompt)| prompt.to_owned()).collect()
}

/// The messages under `key`.
pub(super) fn conversation(record: &Record, key: &str) -> Result<Conversation, String> {
    let json = record.json(key).ok_or_else(|| format!("{key} is missing"))?;
    Conversation::parse(json).map_err(|error| format!("{key}: {error}"))
}

/// The tools of a line, if it has any.
pub(super) fn tools(record: &Record) -> Result<Option<Tools>, String> {
    let parsed = record.json("tools").map(Tools::parse).transpose();
    parsed.map_err(|error| error.to_string())
}
