//! `linear/1`: which tensors there are, and by which rule each of them is mixed.
//!
//! The specification is `docs/formats.md`: inputs in ascending order of party, exact products and a sum from +0 in
//! binary64, one division, one rounding to the element's format.

use std::sync::Arc;

use potluck_core::{Blake3, PartyId};

use super::plan::{Planned, Shape, Soup};
use super::rule::{Agreed, Rule, Weighted, in_format};
use super::{BlendError, Input};
use crate::checkpoint::Checkpoint;
use crate::kernel::Scale;
use crate::layout::{Dtype, TensorLayout};

/// What is asked of a soup beside its recipe.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// How its tensors are spread over files.
    pub shape: Shape<'a>,
    /// The format of its floating-point elements; that of the inputs where none is given.
    pub dtype: Option<Dtype>,
    /// The digest of its recipe, which then stands in the header of each file.
    pub recipe: Option<Blake3>,
}

/// λ = 1.
const MILLION: i64 = 1_000_000;

/// Plans the soup Σ ppmᵢ·xᵢ / 1 000 000 of experts that take part, each with its share.
///
/// # Errors
/// [`BlendError::NoExperts`], [`BlendError::Twice`], and what the experts differ in, by tensor.
pub fn linear(
    experts: &[(PartyId, u32, &Checkpoint)],
    wanted: &Wanted<'_>,
) -> Result<Soup, BlendError> {
    let mut experts = experts.to_vec();
    experts.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some(pair) = experts.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(BlendError::Twice(pair[0].0.clone()));
    }
    let parties: Vec<_> = experts.iter().map(|(party, _, it)| (party, *it)).collect();
    let plan = |tensor: &TensorLayout, inputs: Vec<Input>| {
        let shares = experts.iter().map(|(_, ppm, _)| i64::from(*ppm));
        weighted(inputs.into_iter().zip(shares).collect(), wanted.dtype.unwrap_or(tensor.dtype))
    };
    mixed(&parties, wanted, plan)
}

/// Plans a soup of experts with the same tensors, by a rule for each tensor of floating-point elements; the others
/// must be equal. `rule` gets a tensor of the first expert, and that tensor of each expert.
pub(crate) fn mixed(
    experts: &[(&PartyId, &Checkpoint)],
    wanted: &Wanted<'_>,
    rule: impl Fn(&TensorLayout, Vec<Input>) -> Box<dyn Rule>,
) -> Result<Soup, BlendError> {
    let (_, first) = experts.first().ok_or(BlendError::NoExperts)?;
    compare(experts, wanted.dtype.is_some())?;
    let plan = |tensor: &TensorLayout| {
        let input = |(_, it): &(&PartyId, &Checkpoint)| {
            it.input(&tensor.name).expect("compared: all experts have the same tensors")
        };
        let inputs: Vec<_> = experts.iter().map(input).collect();
        let is_float = tensor.dtype.is_float();
        let dtype = if is_float { wanted.dtype.unwrap_or(tensor.dtype) } else { tensor.dtype };
        let rule = if is_float { rule(tensor, inputs) } else { Box::new(Agreed(inputs)) };
        Planned { name: tensor.name.clone(), dtype, shape: tensor.shape.clone(), rule }
    };
    let tensors = first.tensors().map(plan).collect();
    let sources = experts.iter().flat_map(|(_, it)| it.sources().iter().map(Arc::clone)).collect();
    Ok(Soup::of(tensors, wanted.shape, wanted.recipe, sources, experts.len()))
}

/// The rule Σ ppmᵢ·xᵢ / 1 000 000 of one tensor; no ppm has more than 29 bits. One input with all of it is copied.
pub(crate) fn weighted(mut inputs: Vec<(Input, i64)>, dtype: Dtype) -> Box<dyn Rule> {
    if inputs.len() == 1 && inputs[0].1 == MILLION {
        return in_format(inputs.remove(0).0, dtype);
    }
    let terms = inputs.into_iter().map(|(input, ppm)| (input, ppm as f64)).collect();
    Box::new(Weighted { terms, scale: Scale::Millionth, dtype })
}

/// Compares all experts with the first: names and shapes, and dtypes unless the soup's is given.
fn compare(experts: &[(&PartyId, &Checkpoint)], may_convert: bool) -> Result<(), BlendError> {
    let Some(((first, ours), others)) = experts.split_first() else { return Ok(()) };
    for (second, theirs) in others {
        let (mut left, mut right) = (ours.tensors(), theirs.tensors());
        loop {
            let (first, second) = ((*first).clone(), (*second).clone());
            match (left.next(), right.next()) {
                (None, None) => break,
                (Some(a), Some(b)) if a.name == b.name => {
                    let tensor = a.name.clone();
                    let (dtype, other) = (a.dtype, b.dtype);
                    let is_convertible = may_convert && dtype.is_float() && other.is_float();
                    if a.shape != b.shape {
                        return Err(BlendError::Differ { first, second, tensor });
                    }
                    if dtype != other && !is_convertible {
                        return Err(BlendError::Dtypes { first, second, tensor, dtype, other });
                    }
                }
                (Some(a), Some(b)) if a.name < b.name => {
                    return Err(BlendError::Lacks {
                        party: second,
                        tensor: a.name.clone(),
                        other: first,
                    });
                }
                (Some(a), None) => {
                    return Err(BlendError::Lacks {
                        party: second,
                        tensor: a.name.clone(),
                        other: first,
                    });
                }
                (_, Some(b)) => {
                    return Err(BlendError::Lacks {
                        party: first,
                        tensor: b.name.clone(),
                        other: second,
                    });
                }
            }
        }
    }
    Ok(())
}
