//! What another trainer left, in the base's form: its names, its shapes, its dtypes, in one file.
//!
//! ```text
//! given: one file, or shards ─▶ names ─▶ each tensor of the base ◀─ shape, dtype, twin ─▶ Soup of one file
//! ```
//!
//! A federation compares experts with its base tensor by tensor, so what a wrapper of a trainer changed in passing is undone
//! here: prefixes of names, one tensor written twice, a wider format. Nothing is guessed: a name that leads to no tensor of
//! the base, a tensor that is not there, or numbers that were quantised are refused by name. An element is rounded at most
//! once, to nearest, ties to even. An adapter is another matter, [`crate::adapter::merge`]. Called by `potluck push`.

mod names;
mod plan;

use crate::blend::Soup;
use crate::checkpoint::Checkpoint;
use crate::layout::Dtype;
use crate::layout::name::excerpt;

pub use self::plan::conform;

/// A given checkpoint in the base's form, before its bytes exist.
#[derive(Debug)]
pub struct Conformed {
    /// Its one file.
    pub soup: Soup,
    /// In what the given one differed.
    pub changes: Changes,
}

/// In what a given checkpoint differed from its base's form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// How many tensors had another name, by a wrapper's prefix.
    pub renamed: usize,
    /// How many tensors had another format: from which to which.
    pub converted: Vec<(Dtype, Dtype, usize)>,
    /// The copies of a tensor that the base has once, which are left out.
    pub tied: Vec<String>,
    /// The base's tensors that are written again because the given one has none: constants, and an output layer that is tied
    /// to the embedding.
    pub filled: Vec<String>,
}

/// Why a given checkpoint has no form that the base has.
#[derive(Debug, thiserror::Error)]
pub enum ConformError {
    /// Numbers that stand for others.
    #[error(
        "tensor {tensor} is quantised ({how}): what was rounded away cannot be had back; save the weights as they were \
         before, or the adapter that was trained on top of them"
    )]
    Quantised {
        /// Which tensor.
        tensor: String,
        /// By what.
        how: &'static str,
    },
    /// A tensor that the base has not.
    #[error("the base has no tensor {tensor}: {what}")]
    Strange {
        /// As it is called in the file.
        tensor: String,
        /// What it may be.
        what: &'static str,
    },
    /// A tensor of the base that was not given.
    #[error("tensor {0} of the base is not there")]
    Missing(String),
    /// Two names that mean one tensor of the base.
    #[error("tensors {first} and {second} would both be the base's {tensor}")]
    Twice {
        /// The base's.
        tensor: String,
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// Another shape than the base's.
    #[error("tensor {tensor} has the shape {found:?}, and {base:?} in the base")]
    Shape {
        /// Which tensor.
        tensor: String,
        /// As given.
        found: Vec<u64>,
        /// As in the base.
        base: Vec<u64>,
    },
    /// A format from which there is no way to the base's.
    #[error("tensor {tensor} is of dtype {}, from which there is no way to the base's {}", found.name(), base.name())]
    Dtype {
        /// Which tensor.
        tensor: String,
        /// As given.
        found: Dtype,
        /// As in the base.
        base: Dtype,
    },
    /// The base's `config.json` could not be followed.
    #[error(transparent)]
    Base(Box<crate::adapter::AdapterError>),
}

/// Whether what is given is in the base's form already: one file with its names, shapes and formats.
pub fn is_in_form(base: &Checkpoint, given: &Checkpoint) -> bool {
    let same = |(a, b): (&crate::layout::TensorLayout, &crate::layout::TensorLayout)| {
        a.name == b.name && a.dtype == b.dtype && a.shape == b.shape
    };
    given.sources().len() == 1
        && given.tensors().len() == base.tensors().len()
        && given.tensors().zip(base.tensors()).all(same)
}

fn strange(tensor: &str, what: &'static str) -> ConformError {
    ConformError::Strange { tensor: excerpt(tensor), what }
}

#[cfg(test)]
mod tests;
