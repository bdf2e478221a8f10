//! The list of rewards: read from a recipe, and asked for the scores of a batch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value as Json, json};
use toml::Value;

use crate::bad_input::BadInput;

use super::entry::{Asked, Entry, Source};
use super::error::{Fault, RewardError, Unscored};
use super::inputs::Files;
use super::keys::Keys;
use super::model::OpenScorer;
use super::program::Answer;
use super::rule::Rule;
use super::sample::Sample;
use super::scored::{Part, Scored};
use super::whitening::Whitening;

/// The most rewards of a list.
const MOST: usize = 64;

/// A weighted list of rewards.
#[derive(Debug)]
pub struct Rewards {
    entries: Vec<Entry>,
    definition: Vec<u8>,
}

/// What one reward says of a batch, a place for each sample.
struct Said {
    scores: Vec<Option<f64>>,
    unscored: usize,
    metrics: BTreeMap<String, f64>,
}

impl Rewards {
    /// Reads the array `[[reward]]` of a recipe; relative paths are from `folder`.
    ///
    /// # Errors
    /// [`BadInput`] that names the table and the key, for whoever knows the file to add its name.
    pub fn parse(tables: &Value, folder: &Path) -> Result<Self, BadInput> {
        Self::parse_with(tables, folder, &mut |_| {
            Err(BadInput::new("reward models cannot be opened here"))
        })
    }

    /// The same, with somebody who can open reward models.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_with(
        tables: &Value,
        folder: &Path,
        open: &mut OpenScorer,
    ) -> Result<Self, BadInput> {
        let Value::Array(array) = tables else {
            return Err(BadInput::new("reward must be an array of tables, [[reward]]"));
        };
        if array.is_empty() || array.len() > MOST {
            return Err(BadInput::new(format!("there must be 1 to {MOST} tables [[reward]]")));
        }
        let mut files = Files::of(folder)?;
        let (mut entries, mut names) = (Vec::new(), BTreeSet::new());
        for (index, table) in array.iter().enumerate() {
            let place = format!("reward[{}]", index + 1);
            let entry = Entry::parse(Keys::of(&place, table)?, &place, &mut files, open)?;
            if !names.insert(entry.name.clone()) {
                let name = entry.name;
                return Err(BadInput::new(format!("{place}: name `{name}` stands twice")));
            }
            entries.push(entry);
        }
        if entries.iter().all(|entry| entry.weight == 0.0) {
            return Err(BadInput::new("reward: each weight is 0, so nothing would be trained on"));
        }
        Ok(Self { entries, definition: definition(tables, files)? })
    }

    /// Reads a file that holds nothing but `[[reward]]` tables; relative paths are from its folder.
    ///
    /// # Errors
    /// [`BadInput`] that names the file, and the table and key in it.
    pub fn read(path: &Path) -> Result<Self, BadInput> {
        let text = std::fs::read_to_string(path).map_err(|error| BadInput::file(path, &error))?;
        let mut table: toml::Table =
            toml::from_str(&text).map_err(|error| BadInput::toml(path, &text, &error))?;
        let tables = table.remove("reward").unwrap_or(Value::Array(Vec::new()));
        if let Some(key) = table.keys().next() {
            return Err(BadInput::file(path, &format!("{key} is not a key of this file")));
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&tables, folder).map_err(|error| BadInput::file(path, &error))
    }

    /// The standard error of programs goes to files in `folder`, unless the recipe says otherwise;
    /// without this call, to files in the recipe's folder.
    pub fn log_into(&mut self, folder: &Path) {
        for entry in &mut self.entries {
            if let Source::Program(program) = &mut entry.source {
                program.log_into(folder);
            }
        }
    }

    /// The bytes that define the list, over which a commitment is taken: the tables and the digests of
    /// the files that they name, as JSON with sorted keys.
    pub fn definition(&self) -> &[u8] {
        &self.definition
    }

    /// The names of the rewards and their weights, in the order of the list.
    pub fn names(&self) -> impl Iterator<Item = (&str, f64)> {
        self.entries.iter().map(|entry| (entry.name.as_str(), entry.weight))
    }

    /// What must be kept for a resumed run to go on to the same bits: each whitened reward's state.
    pub fn state(&self) -> Json {
        let whitened = self
            .entries
            .iter()
            .filter_map(|entry| Some((entry.name.clone(), entry.whitening.as_ref()?.state())));
        json!({"v": 1, "whitening": whitened.collect::<serde_json::Map<_, _>>()})
    }

    /// Goes on from what [`Self::state`] wrote.
    ///
    /// # Errors
    /// [`BadInput`] where it is the state of another list; then nothing has changed.
    pub fn restore(&mut self, state: &Json) -> Result<(), BadInput> {
        let refused = |what: &str| BadInput::new(format!("the state of the rewards {what}"));
        let whitened = state.get("whitening").and_then(Json::as_object);
        let whitened = whitened.filter(|_| state.get("v") == Some(&json!(1)));
        let whitened = whitened.ok_or_else(|| refused("is not one of this version"))?;
        let mut restored = BTreeMap::new();
        for (name, state) in whitened {
            let whitening = Whitening::restored(state);
            restored.insert(name, whitening.ok_or_else(|| refused("is damaged"))?);
        }
        let wanted = self.entries.iter().filter(|entry| entry.whitening.is_some());
        if !wanted.clone().all(|entry| restored.contains_key(&entry.name))
            || wanted.count() != restored.len()
        {
            return Err(refused("is that of other rewards"));
        }
        for entry in self.entries.iter_mut().filter(|entry| entry.whitening.is_some()) {
            entry.whitening = restored.get(&entry.name).copied();
        }
        Ok(())
    }

    /// Scores a batch: programs are handed theirs, rules and models are computed, programs collected.
    ///
    /// # Errors
    /// [`RewardError`], and then no state has changed and nothing may be trained on the batch.
    pub fn score(&mut self, step: u64, samples: &[Sample]) -> Result<Scored, RewardError> {
        let result = self.ask_all(step, samples).and_then(|said| self.combine(said));
        result.map_err(|(reward, fault)| {
            for entry in &mut self.entries {
                if let Source::Program(program) = &mut entry.source {
                    program.abandon();
                }
            }
            RewardError { reward, step, samples: samples.len(), fault }
        })
    }

    fn ask_all(&mut self, step: u64, samples: &[Sample]) -> Result<Vec<Said>, (String, Fault)> {
        let asked: Vec<Vec<Asked>> = self
            .entries
            .iter()
            .map(|entry| samples.iter().map(|sample| entry.asked(sample)).collect())
            .collect();
        for (entry, asked) in self.entries.iter_mut().zip(&asked) {
            if let (Source::Program(program), true) = (&mut entry.source, asks(asked)) {
                program.begin(step, &concerned(samples, asked));
            }
        }
        // What needs no waiting first, while the programs work.
        let mut said: Vec<Option<Said>> = self.entries.iter().map(|_| None).collect();
        for waits in [false, true] {
            for ((entry, asked), said) in self.entries.iter_mut().zip(&asked).zip(&mut said) {
                if matches!(entry.source, Source::Program(_)) == waits {
                    let answer = ask(entry, asked, samples);
                    *said = Some(answer.map_err(|fault| (entry.name.clone(), fault))?);
                }
            }
        }
        Ok(said.into_iter().flatten().collect())
    }

    /// Clips, whitens, weighs and adds.
    fn combine(&mut self, said: Vec<Said>) -> Result<Scored, (String, Fault)> {
        let samples = said.first().map_or(0, |said| said.scores.len());
        let mut total: Vec<Option<f64>> = vec![None; samples];
        let mut whitenings = Vec::new();
        for (entry, said) in self.entries.iter().zip(&said) {
            let clipped = said.scores.iter().map(|score| {
                let score = (*score)?;
                Some(entry.clip.map_or(score, |(low, high)| score.clamp(low, high)))
            });
            let mut shaped: Vec<Option<f64>> = clipped.collect();
            let whitening = entry.whitening.map(|mut whitening| {
                shaped.iter().flatten().for_each(|score| whitening.add(*score));
                shaped.iter_mut().flatten().for_each(|score| *score = whitening.whitened(*score));
                whitening
            });
            whitenings.push(whitening);
            // One that is measured only neither scores a sample nor moves its total.
            if entry.weight == 0.0 {
                continue;
            }
            for (sample, (total, score)) in total.iter_mut().zip(shaped).enumerate() {
                let Some(score) = score else { continue };
                let sum = total.unwrap_or(0.0) + entry.weight * score;
                if !sum.is_finite() {
                    let fault = Fault::NotFinite { sample, score: sum };
                    return Err((entry.name.clone(), fault));
                }
                *total = Some(sum);
            }
        }
        if total.iter().all(Option::is_none) {
            return Err(("rewards".to_owned(), Fault::NothingScored(None)));
        }
        for (entry, whitening) in self.entries.iter_mut().zip(whitenings) {
            entry.whitening = whitening;
        }
        let part = |(entry, said): (&Entry, Said)| {
            Part::new(&entry.name, entry.weight, said.scores, said.unscored, said.metrics)
        };
        Ok(Scored { total, parts: self.entries.iter().zip(said).map(part).collect() })
    }
}

fn asks(asked: &[Asked]) -> bool {
    asked.contains(&Asked::Yes)
}

fn concerned<'a>(samples: &[Sample<'a>], asked: &[Asked]) -> Vec<Sample<'a>> {
    let pairs = samples.iter().zip(asked);
    pairs.filter(|(_, asked)| **asked == Asked::Yes).map(|(sample, _)| *sample).collect()
}

/// One reward's scores of the samples that concern it, checked and put in their places.
fn ask(entry: &mut Entry, asked: &[Asked], samples: &[Sample]) -> Result<Said, Fault> {
    let places: Vec<usize> =
        (0..samples.len()).filter(|index| asked[*index] == Asked::Yes).collect();
    let mut reason = None;
    let answer = match &mut entry.source {
        _ if places.is_empty() => Answer::default(),
        Source::Program(program) => program.collect()?,
        Source::Model(model) => model.score(&concerned(samples, asked))?,
        Source::Rule(rule) => by_rule(rule.as_ref(), &places, samples, &mut reason)?,
    };
    if answer.scores.len() != places.len() {
        return Err(Fault::WrongCount { wanted: places.len(), got: answer.scores.len() });
    }
    let fixed = asked.iter().map(|asked| match asked {
        Asked::Fixed(score) => Some(*score),
        Asked::Yes | Asked::No => None,
    });
    let mut scores: Vec<Option<f64>> = fixed.collect();
    for (place, score) in places.iter().zip(&answer.scores) {
        let sample = *place;
        match score {
            Some(score) if !score.is_finite() => {
                return Err(Fault::NotFinite { sample, score: *score });
            }
            None if !entry.may_skip => {
                let reason = reason.unwrap_or_else(|| "the answer has null for it".to_owned());
                return Err(Fault::Unscored { sample, reason });
            }
            score => scores[sample] = *score,
        }
    }
    let unscored = answer.scores.iter().filter(|score| score.is_none()).count();
    if unscored == places.len() && unscored > 0 {
        return Err(Fault::NothingScored(reason));
    }
    Ok(Said { scores, unscored, metrics: answer.metrics })
}

/// A rule's scores of the samples at `places`, and the first reason why there is none.
fn by_rule(
    rule: &dyn Rule,
    places: &[usize],
    samples: &[Sample],
    reason: &mut Option<String>,
) -> Result<Answer, Fault> {
    let mut answer = Answer::default();
    for sample in places.iter().copied() {
        answer.scores.push(match rule.score(&samples[sample]) {
            Ok(score) => Some(score),
            Err(Unscored::Absent(why)) => {
                reason.get_or_insert(why);
                None
            }
            Err(Unscored::Unfit(reason)) => return Err(Fault::Column { sample, reason }),
        });
    }
    Ok(answer)
}

fn definition(tables: &Value, files: Files) -> Result<Vec<u8>, BadInput> {
    let tables = serde_json::to_value(tables)
        .map_err(|error| BadInput::new(format!("reward has no JSON form: {error}")))?;
    let files = files.into_digests();
    Ok(json!({"v": 1, "reward": tables, "files": files}).to_string().into_bytes())
}

#[cfg(test)]
pub(super) mod tests;
