//! Soups: planned from headers, made block by block, written, digested, or read from any byte on.
//!
//! ```text
//! checkpoints ─▶ plan: files, headers, a rule for each tensor ─▶ engine: threads ─▶ file and digests
//!                                                             └▶ reader: any range, when it is asked for
//! ```
//!
//! What is fixed by `docs/formats.md`: the arithmetic of each named method, the order of tensors, the header. What
//! is free and never changes a byte: blocks, threads, vector width, the order in which anything is read.
//!
//! It does not ask whether an expert is the one that the recipe names: its callers hold the evidence of digests.
//! It does refuse what would put an infinity or a NaN into a soup. Modules stand in the order in which to read
//! them.

mod input;
mod pieces;
mod rule;
mod plan;
mod linear;

mod engine;
mod digest;
mod reader;

mod mixture;
mod published;

use std::io;
use std::path::{Path, PathBuf};

use potluck_core::PartyId;

pub(crate) use self::digest::Tree;
use self::engine::Work;
pub use self::engine::{Made, Making};
pub use self::input::Input;
pub use self::linear::{Wanted, linear};
pub(crate) use self::linear::{mixed, weighted};
pub use self::mixture::{MixedTensor, Mixture, Tensors};
pub(crate) use self::pieces::Pieces;
pub(crate) use self::plan::{ADAPTER_CONFIG_KEY, Planned, SHARED_A_KEY};
pub use self::plan::{Shape, Soup, SoupFile};
pub use self::published::{Blended, blend, planned, recompute};
pub use self::reader::SoupReader;
pub(crate) use self::rule::{Agreed, Same, Weighted, all_finite, in_format, not_finite};
pub use self::rule::{Bench, Rule};
use crate::adapter::AdapterError;
use crate::checkpoint::CheckpointError;
use crate::float_state::FloatState;
use crate::layout::Dtype;
use crate::method::MethodError;
use crate::source::SourceError;
use crate::write::{Durability, Part};

/// Why no soup was made.
#[derive(Debug, thiserror::Error)]
pub enum BlendError {
    // The caller's.
    /// No expert was given.
    #[error("no expert was given")]
    NoExperts,
    /// One party's expert twice.
    #[error("the expert of {0} was given twice")]
    Twice(PartyId),
    /// λ gives weight to a party whose expert was not given.
    #[error("the recipe needs the expert of {0}, which was not given")]
    Missing(PartyId),
    /// An expert that the recipe does not name.
    #[error("the expert of {0} was given, but the recipe does not name it")]
    Unneeded(PartyId),

    // An expert's.
    /// A path that is no checkpoint.
    #[error("the expert of {party} cannot be mixed")]
    Checkpoint {
        /// Whose expert.
        party: PartyId,
        /// What is wrong with it.
        source: CheckpointError,
    },
    /// A tensor that not all have. None is dropped silently.
    #[error("the expert of {party} has no tensor {tensor}, which that of {other} has")]
    Lacks {
        /// Who lacks it.
        party: PartyId,
        /// The first such tensor, in byte order of names.
        tensor: String,
        /// Who has it.
        other: PartyId,
    },
    /// Two experts with a tensor of different shapes.
    #[error("the experts of {first} and {second} differ in the shape of tensor {tensor}")]
    Differ {
        /// The expert that the other was compared with.
        first: PartyId,
        /// The other.
        second: PartyId,
        /// The first such tensor, in byte order of names.
        tensor: String,
    },
    /// Two experts with a tensor of different formats.
    #[error(
        "tensor {tensor} is {} in the expert of {first} and {} in that of {second}", dtype.name(), other.name()
    )]
    Dtypes {
        /// The expert that the other was compared with.
        first: PartyId,
        /// The other.
        second: PartyId,
        /// The first such tensor, in byte order of names.
        tensor: String,
        /// As the first has it.
        dtype: Dtype,
        /// As the second has it.
        other: Dtype,
    },
    /// A tensor of integers or truth values, which cannot be mixed, is not the same everywhere.
    #[error(
        "tensor {tensor} holds no floating-point numbers and cannot be mixed; {} and {} differ in its element {index}",
        first.display(), second.display()
    )]
    NotEqual {
        /// Which tensor.
        tensor: String,
        /// The first element that differs.
        index: u64,
        /// The file that the other was compared with.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Two copies of what a base has once are not the same.
    #[error(
        "tensors {kept} and {copy} differ in element {index}, but the base has one tensor for both: train with tied embeddings"
    )]
    Untied {
        /// The tensor that the base has too.
        kept: String,
        /// The other, of which the base knows nothing.
        copy: String,
        /// The first element that differs.
        index: u64,
    },
    /// An element of the soup would be infinite or no number.
    #[error(
        "element {index} of tensor {tensor} would not be finite: an input is not, or the sum overflows"
    )]
    NotFinite {
        /// Which tensor.
        tensor: String,
        /// Which element, in the tensor's own order.
        index: u64,
    },
    /// Adapters that cannot be mixed.
    #[error(transparent)]
    Adapter(Box<AdapterError>),
    /// What the method does not take.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// A file of weights could not be read, or changed meanwhile.
    #[error(transparent)]
    Source(#[from] SourceError),

    // The local system's.
    /// The soup could not be written.
    #[error("{} cannot be written", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// This process changed how floating-point numbers are rounded.
    #[error("the processor's floating-point mode makes soups irreproducible")]
    FloatState(#[from] FloatState),
}

impl SoupFile {
    /// Makes the file and puts it at `path`, complete or not at all.
    ///
    /// `progress` hears of bytes done, on the caller's thread.
    ///
    /// # Errors
    /// [`BlendError`]; the first one in the order of the file, whatever the number of threads.
    pub fn write(
        &self,
        path: &Path,
        making: Making,
        durability: Durability,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Made, BlendError> {
        let failed = |source| BlendError::Write { path: path.to_owned(), source };
        let part = Part::create(path, self.length()).map_err(failed)?;
        let made = Work::new(self, making, Some((part.file(), path))).run(progress)?;
        part.finish(durability).map_err(failed)?;
        Ok(made)
    }

    /// Makes the file and keeps its digests only.
    ///
    /// # Errors
    /// As [`Self::write`], of no write.
    pub fn digest(
        &self,
        making: Making,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Made, BlendError> {
        Work::new(self, making, None).run(progress)
    }
}

#[cfg(test)]
mod tests;
