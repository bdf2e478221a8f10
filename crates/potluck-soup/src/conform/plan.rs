//! The plan: for each tensor of the base the one that was given for it, or why there is none.

use std::collections::BTreeMap;

use super::names::{guess, in_base, is_constant, quantised};
use super::{Changes, ConformError, Conformed, strange};
use crate::adapter::{Tying, is_embedding, is_output};
use crate::blend::{Agreed, Input, Planned, Rule, Same, Shape, Soup, in_format};
use crate::checkpoint::Checkpoint;
use crate::layout::{Dtype, TensorLayout};

/// How many inputs are read at once at most: a tensor and its twin.
const WIDTH: usize = 2;

/// Plans the given checkpoint in the base's form. Reads headers and the base's `config.json`, no weight.
///
/// What only the weights tell is said when the soup is made: infinities and NaN, copies that are none.
///
/// # Errors
/// [`ConformError`], for the first tensor in byte order of names.
pub fn conform(base: &Checkpoint, given: &Checkpoint) -> Result<Conformed, ConformError> {
    let mut plan = Plan::of(base, given)?;
    let wanted = base.tensors().map(|tensor| plan.tensor(tensor));
    let tensors = wanted.collect::<Result<Vec<_>, _>>()?;
    let sources = base.sources().iter().chain(given.sources()).cloned().collect();
    let soup = Soup::of(tensors, Shape::One, None, sources, WIDTH);
    Ok(Conformed { soup, changes: plan.changes })
}

struct Plan<'a> {
    base: &'a Checkpoint,
    tying: Tying,
    /// By the base's names.
    given: BTreeMap<String, Input>,
    /// Output layers of which the base knows nothing, by the base's name of the embedding that they are a copy of.
    copies: BTreeMap<String, Input>,
    changes: Changes,
}

impl<'a> Plan<'a> {
    fn of(base: &'a Checkpoint, given: &Checkpoint) -> Result<Self, ConformError> {
        let tying = Tying::of(base).map_err(|error| ConformError::Base(Box::new(error)))?;
        let changes = Changes::default();
        let mut plan =
            Self { base, tying, given: BTreeMap::new(), copies: BTreeMap::new(), changes };
        let mut outputs = Vec::new();
        for tensor in given.tensors() {
            let input = given.input(&tensor.name).expect("it stands in the checkpoint's list");
            match in_base(base, &tensor.name) {
                Some(name) => plan.take(name, input)?,
                None if is_output(&tensor.name) => outputs.push(input),
                None => return Err(unknown(&tensor.name)),
            }
        }
        for output in outputs {
            plan.take_copy(output)?;
        }
        Ok(plan)
    }

    fn take(&mut self, name: String, input: Input) -> Result<(), ConformError> {
        let found = &input.tensor().name;
        if *found != name {
            self.changes.renamed += 1;
        }
        if let Some(other) = self.given.get(&name) {
            let (first, second) = (other.tensor().name.clone(), found.clone());
            return Err(ConformError::Twice { tensor: name, first, second });
        }
        self.given.insert(name, input);
        Ok(())
    }

    /// An output layer beside the embedding that the base uses in its place.
    fn take_copy(&mut self, output: Input) -> Result<(), ConformError> {
        let found = output.tensor();
        let is_twin = |(name, it): &(&String, &Input)| {
            is_embedding(name)
                && it.tensor().shape == found.shape
                && it.tensor().dtype == found.dtype
        };
        let twin = self.given.iter().find(is_twin).map(|(name, _)| name.clone());
        let twin = twin.filter(|_| self.tying != Tying::Untied);
        let twin = twin.ok_or_else(|| unknown(&found.name))?;
        self.changes.tied.push(found.name.clone());
        self.copies.insert(twin, output);
        Ok(())
    }

    /// One tensor of the base, as it was given.
    fn tensor(&mut self, wanted: &TensorLayout) -> Result<Planned, ConformError> {
        let name = wanted.name.clone();
        let Some(input) = self.given.get(&name).cloned() else { return self.filled(wanted) };
        let dtype = wanted.dtype;
        let found = input.tensor();
        if found.shape != wanted.shape {
            // A tensor of packed numbers has another shape, too; its dtype tells more.
            check_format(found, dtype)?;
            let (found, base) = (found.shape.clone(), wanted.shape.clone());
            return Err(ConformError::Shape { tensor: name, found, base });
        }
        check_format(found, dtype)?;
        self.count(found.dtype, dtype);
        let rule = match self.copies.remove(&name) {
            Some(copy) => {
                let rule = made(input.clone(), self.base.input(&name), dtype);
                Box::new(Same { rule, dtype, kept: input, copy })
            }
            None => made(input, self.base.input(&name), dtype),
        };
        Ok(Planned { name, dtype, shape: wanted.shape.clone(), rule })
    }

    /// A tensor of the base that was not given, where it follows from what was.
    fn filled(&mut self, wanted: &TensorLayout) -> Result<Planned, ConformError> {
        let missing = || ConformError::Missing(wanted.name.clone());
        let input = if is_constant(&wanted.name) {
            self.base.input(&wanted.name).ok_or_else(missing)?
        } else if is_output(&wanted.name) && self.tying == Tying::Tied {
            let is_twin = |(name, it): &(&String, &Input)| {
                is_embedding(name) && it.tensor().shape == wanted.shape
            };
            let twin = self.given.iter().find(is_twin).map(|(_, it)| it.clone());
            twin.ok_or_else(missing)?
        } else {
            return Err(missing());
        };
        check_format(input.tensor(), wanted.dtype)?;
        self.changes.filled.push(wanted.name.clone());
        let rule = made(input, None, wanted.dtype);
        let (name, shape) = (wanted.name.clone(), wanted.shape.clone());
        Ok(Planned { name, dtype: wanted.dtype, shape, rule })
    }

    fn count(&mut self, from: Dtype, to: Dtype) {
        if from == to {
            return;
        }
        let converted = &mut self.changes.converted;
        match converted.iter_mut().find(|(a, b, _)| (*a, *b) == (from, to)) {
            Some((_, _, count)) => *count += 1,
            None => converted.push((from, to, 1)),
        }
    }
}

/// The tensor's bytes; those of integers must be the base's, where it has some.
fn made(input: Input, base: Option<Input>, dtype: Dtype) -> Box<dyn Rule> {
    if dtype.is_float() {
        return in_format(input, dtype);
    }
    Box::new(Agreed(std::iter::once(input).chain(base).collect()))
}

/// Whether there is an honest way from the one format to the other.
fn check_format(found: &TensorLayout, base: Dtype) -> Result<(), ConformError> {
    let (from, tensor) = (found.dtype, &found.name);
    let is_eight = |dtype| matches!(dtype, Dtype::F8E4M3 | Dtype::F8E5M2);
    if from == base || from.is_float() && base.is_float() && !is_eight(from) {
        return Ok(());
    }
    if base.is_float() && from.size() == 1 {
        let how = if from.is_float() { "to eight bits" } else { "to integers" };
        return Err(ConformError::Quantised { tensor: tensor.clone(), how });
    }
    Err(ConformError::Dtype { tensor: tensor.clone(), found: from, base })
}

fn unknown(tensor: &str) -> ConformError {
    match quantised(tensor) {
        Some(how) => ConformError::Quantised { tensor: tensor.to_owned(), how },
        None => strange(tensor, guess(tensor)),
    }
}
