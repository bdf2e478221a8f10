//! Where each tensor of a scorer lies in its files, and its values.

use std::path::Path;

use potluck_soup::Checkpoint;
use potluck_soup::blend::Input;
use potluck_soup::checkpoint::Kind as CheckpointKind;
use tch::Tensor;

use crate::model::TensorSpec;
use crate::stream::Stream;

use super::super::encoder;
use super::super::folder::{self, OpenError};
use super::super::plan;
use super::SCORE;
use super::setup::{Kind, Setup};

/// For each of `specs`, where it lies; nothing for what of a new head (`is_new`) is not there.
pub(super) fn find(
    path: &Path,
    setup: &Setup,
    specs: &[TensorSpec],
    is_new: bool,
) -> Result<Vec<Option<Input>>, OpenError> {
    let checkpoint = Checkpoint::open(path).map_err(|it| OpenError::Checkpoint(Box::new(it)))?;
    if checkpoint.kind() == CheckpointKind::Adapter {
        return Err(OpenError::Adapter(path.to_owned()));
    }
    let inputs = specs
        .iter()
        .map(|spec| match one(&checkpoint, setup, spec)? {
            None if is_new && is_head(setup, &spec.name) => Ok(None),
            None => Err(OpenError::Missing(spec.name.clone())),
            Some(input) => folder::fitting(input, spec).map(Some),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let taken = inputs.iter().flatten().map(|it| it.tensor().name.as_str());
    let mut taken: Vec<&str> = taken.collect();
    taken.sort_unstable();
    let mut names = checkpoint.tensors().map(|tensor| tensor.name.as_str());
    let stray =
        names.find(|name| taken.binary_search(name).is_err() && !is_ignored(setup, is_new, name));
    match stray {
        Some(name) => Err(OpenError::Unknown(name.to_owned())),
        None => Ok(inputs),
    }
}

/// The tensor of `spec`, by whichever of its names.
fn one(
    checkpoint: &Checkpoint,
    setup: &Setup,
    spec: &TensorSpec,
) -> Result<Option<Input>, OpenError> {
    let others = match &setup.kind {
        Kind::Encoder { .. } => encoder::other_names(&spec.name),
        Kind::Decoder { .. } => {
            plan::other_name(&spec.name).map(str::to_owned).into_iter().collect()
        }
    };
    let mut found: Option<Input> = None;
    for name in [spec.name.clone()].into_iter().chain(others) {
        match (checkpoint.input(&name), &found) {
            (Some(_), Some(earlier)) => {
                return Err(OpenError::Twice(earlier.tensor().name.clone(), name));
            }
            (Some(input), None) => found = Some(input),
            (None, _) => {}
        }
    }
    Ok(found)
}

fn is_head(setup: &Setup, name: &str) -> bool {
    match setup.kind {
        Kind::Decoder { .. } => name == SCORE,
        Kind::Encoder { .. } => encoder::is_head(name),
    }
}

fn is_ignored(setup: &Setup, is_new: bool, name: &str) -> bool {
    match &setup.kind {
        Kind::Decoder { architecture, .. } => plan::is_ignored(architecture, name),
        Kind::Encoder { shape, .. } => encoder::is_ignored(shape, is_new, name),
    }
}

/// The weights; four bytes each, and the bytes of one tensor more. What was not found is drawn
/// from `seed`: maps from a normal distribution as `transformers` draws them, biases zero.
pub(super) fn read(
    found: &[Option<Input>],
    specs: &[TensorSpec],
    setup: &Setup,
    seed: Option<u64>,
) -> Result<Vec<Tensor>, OpenError> {
    let tensors = specs.iter().zip(found).zip(0..);
    tensors
        .map(|((spec, input), number)| match input {
            Some(input) => folder::read(spec, input),
            None => Ok(drawn(spec, setup.spread, seed.unwrap_or_default(), number)),
        })
        .collect()
}

fn drawn(spec: &TensorSpec, spread: f64, seed: u64, number: u64) -> Tensor {
    let mut stream = Stream::of("reward model head", &[seed, number]);
    let count: i64 = spec.shape.iter().product();
    let is_bias = spec.shape.len() == 1;
    let value = |_| if is_bias { 0.0 } else { (spread * stream.normal()) as f32 };
    let values: Vec<f32> = (0..count).map(value).collect();
    Tensor::from_slice(&values).view(spec.shape.as_slice())
}
