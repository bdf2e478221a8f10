//! One entry of a list of rewards: what every kind has in common, and where its scores come from.

use serde_json::Value as Json;

use crate::bad_input::BadInput;

use super::inputs::Files;
use super::keys::{ANY, Keys};
use super::model::{Model, OpenScorer};
use super::program::Program;
use super::rule::{self, Rule};
use super::sample::Sample;
use super::whitening::Whitening;

/// The longest name of a reward.
const LONGEST_NAME: usize = 64;

/// A reward of the list.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) weight: f64,
    pub(super) clip: Option<(f64, f64)>,
    pub(super) whitening: Option<Whitening>,
    pub(super) may_skip: bool,
    pub(super) source: Source,
    when: Option<(String, Json)>,
    empty: Option<f64>,
    unfinished: Option<f64>,
}

/// Where scores come from.
#[derive(Debug)]
pub(super) enum Source {
    /// A rule, one sample at a time.
    Rule(Box<dyn Rule>),
    /// A program, a batch at a time.
    Program(Box<Program>),
    /// A reward model, a batch at a time.
    Model(Model),
}

/// Whether a reward is asked about a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Asked {
    /// It is.
    Yes,
    /// Its score is fixed, whatever it says.
    Fixed(f64),
    /// It has nothing to say about such samples.
    No,
}

impl Entry {
    /// Reads an entry: first what all kinds share, then the keys of its own.
    pub(super) fn parse(
        mut keys: Keys,
        place: &str,
        files: &mut Files,
        open: &mut OpenScorer,
    ) -> Result<Self, BadInput> {
        let kind = keys.needed_text("kind")?;
        let name = keys.text("name")?.unwrap_or_else(|| kind.clone());
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_plain) {
            return Err(keys.fault(
                "name",
                format!("must be 1 to {LONGEST_NAME} letters, digits, - or _, and is `{name}`"),
            ));
        }
        keys.call_it(format!("{place} (`{name}`)"));
        let weight = keys.number("weight", 1.0, -1e6..=1e6)?;
        let clip = clip(&mut keys)?;
        let whitening = keys.flag("whiten", false)?.then(Whitening::default);
        let may_skip = keys.choice("unscored", &[("fail", false), ("skip", true)])?;
        let when = when(&mut keys)?;
        let empty = keys.number_if_any("empty", ANY)?;
        let unfinished = keys.number_if_any("unfinished", ANY)?;
        let source = source(&kind, &name, &mut keys, files, open)?;
        keys.finish()?;
        Ok(Self { name, weight, clip, whitening, may_skip, source, when, empty, unfinished })
    }

    /// Whether it is asked about `sample`.
    pub(super) fn asked(&self, sample: &Sample) -> Asked {
        if let Some((column, value)) = &self.when
            && sample.columns.get(column) != Some(value)
        {
            return Asked::No;
        }
        let is_empty = sample.completion.trim().is_empty();
        let fixed = self.empty.filter(|_| is_empty);
        let fixed = fixed.or(self.unfinished.filter(|_| !sample.is_finished));
        fixed.map_or(Asked::Yes, Asked::Fixed)
    }
}

fn source(
    kind: &str,
    name: &str,
    keys: &mut Keys,
    files: &mut Files,
    open: &mut OpenScorer,
) -> Result<Source, BadInput> {
    Ok(match kind {
        "exec" => Source::Program(Box::new(Program::exec(name, keys, files)?)),
        "http" => Source::Program(Box::new(Program::http(name, keys, files)?)),
        "model" => Source::Model(Model::parse(keys, files, open)?),
        _ => match rule::parse(kind, keys, files)? {
            Some(rule) => Source::Rule(rule),
            None => {
                let known = rule::KINDS.join("`, `");
                let what =
                    format!("must be one of `{known}`, `model`, `exec`, `http`, not `{kind}`");
                return Err(keys.fault("kind", what));
            }
        },
    })
}

fn clip(keys: &mut Keys) -> Result<Option<(f64, f64)>, BadInput> {
    let Some(value) = keys.take("clip") else { return Ok(None) };
    let number = |value: &toml::Value| {
        value
            .as_float()
            .or(value.as_integer().map(|number| number as f64))
            .filter(|it| it.is_finite())
    };
    let bounds = match value.as_array().map(Vec::as_slice) {
        Some([low, high]) => number(low).zip(number(high)).filter(|(low, high)| low < high),
        _ => None,
    };
    let what = "must be two finite numbers, [low, high]";
    bounds.map(Some).ok_or_else(|| keys.fault("clip", what))
}

/// `when = {column = "task", is = "math"}`: only such samples concern the reward.
fn when(keys: &mut Keys) -> Result<Option<(String, Json)>, BadInput> {
    let Some(table) = keys.take("when") else { return Ok(None) };
    let mut inner = Keys::of("when", &table).map_err(|error| keys.fault("when", error))?;
    let parsed = (|| {
        let column = inner.needed_text("column")?;
        let is = inner.take("is").ok_or_else(|| inner.fault("is", "is missing"))?;
        let is = match is {
            toml::Value::String(text) => Json::String(text),
            toml::Value::Integer(number) => Json::from(number),
            toml::Value::Boolean(is_set) => Json::Bool(is_set),
            _ => return Err(inner.fault("is", "must be a text, a whole number, true or false")),
        };
        inner.finish()?;
        Ok((column, is))
    })();
    parsed.map(Some).map_err(|error: BadInput| keys.fault("when", format!("is malformed: {error}")))
}
