//! What admission asks of an adapter: header, configuration, that it is a plain LoRA whose targets the base has, its ranks
//! and scales, every factor finite, the change within its limit; in this order, the first refusal named.
//!
//! The counterpart of [`mod@crate::inspect`] for federations whose experts are adapters, and judged by the same limit. Of the
//! base only the tensors are read that the adapter changes. Memory: two headers, some tiles, and two matrices of rank by
//! rank.

use std::fs::File;
use std::path::Path;

use potluck_core::PartyId;

use super::change::{Unmeasured, squares};
use super::config::Bias;
use super::opened::Factors;
use super::{Adapter, AdapterError};
use crate::blend::BlendError;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::float_state;
use crate::inspect::{Change, ChangeLimit, Inspection, read_layout, squares_of_base};
use crate::layout::name::excerpt;
use crate::layout::{HeaderLimit, Layout, TensorLayout};
use crate::source::SourceError;

/// What the charter lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdapterLimits {
    /// The largest rank of a module.
    pub max_rank: u32,
    /// The seed from which all experts draw their factor A; without one, they hold it.
    pub shared_a: Option<u64>,
    /// How far it may move each tensor.
    pub change: ChangeLimit,
}

/// Why an adapter is none that a federation takes. Each is its author's fault.
#[derive(Debug, thiserror::Error)]
pub enum AdapterRefusal {
    /// No LoRA that is understood: DoRA, a configuration that cannot be followed, half a factor.
    #[error(transparent)]
    Malformed(Box<AdapterError>),
    /// A tensor that was retrained whole.
    #[error(
        "it holds {0} beside its factors: modules_to_save, biases and resized embeddings are no part of an expert here; train \
         without them"
    )]
    Whole(String),
    /// More rank than the charter allows.
    #[error("module {module} has rank {rank}; {limit} is allowed")]
    Rank {
        /// Which module.
        module: String,
        /// Its rank.
        rank: u32,
        /// As allowed.
        limit: u32,
    },
    /// Factors A that are not where they belong.
    #[error("{}", shared_a(.found, .wanted))]
    SharedA {
        /// From which seed it draws them; nothing where it holds them.
        found: Option<u64>,
        /// The same, as the charter says.
        wanted: Option<u64>,
    },
    /// A scale that turns the change around, or makes none of it.
    #[error("the alpha of module {0} is not above zero")]
    Alpha(String),
}

fn shared_a(found: &Option<u64>, wanted: &Option<u64>) -> String {
    match (found, wanted) {
        (None, Some(seed)) => format!(
            "it holds its factors A, but the experts of this federation draw them from the seed {seed}: push the folder with the \
             adapter, from which they are taken"
        ),
        (Some(_), None) => {
            "its factors A are to be drawn from a seed, but the experts of this federation hold them".to_owned()
        }
        (found, wanted) => {
            let word = |seed: &Option<u64>| seed.map_or("none".to_owned(), |seed| seed.to_string());
            format!("its factors A come from the seed {}, but those here from {}", word(found), word(wanted))
        }
    }
}

/// In what the weight that an adapter changes is not the base's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetDifference {
    /// The base has none of that name.
    #[error("the base has no tensor of that name")]
    Missing,
    /// Another shape.
    #[error("the base has it in another shape")]
    Shape,
    /// No numbers.
    #[error("the base's holds no floating-point numbers")]
    Dtype,
}

/// Judges the adapter in one file at `path`, which `party` hands in, against `base`, whose layout was read from that file.
///
/// # Errors
/// [`Inspection`]: the first thing refused.
pub fn inspect(
    party: &PartyId,
    path: &Path,
    (base, layout): (&File, &Layout),
    limits: AdapterLimits,
) -> Result<Adapter, Inspection> {
    float_state::check()?;
    let file = File::open(path).map_err(Inspection::Io)?;
    // Measured against the base before it is read as any other.
    read_layout(&file, HeaderLimit::for_adapter_of(layout))?;
    let checkpoint = Checkpoint::open(path).map_err(of_checkpoint)?;
    let adapter = Adapter::open(party, &checkpoint).map_err(of_adapter)?;
    check_words(&adapter, limits)?;
    let transposed = adapter.config().fan_in_fan_out();
    for (module, factors) in adapter.factors() {
        target(layout, module, factors, transposed)?;
    }
    for (module, factors) in adapter.factors() {
        let of_base = target(layout, module, factors, transposed)?;
        let change = squares(module, factors, adapter.config()).map_err(of_measure)?;
        let base = squares_of_base(base, of_base)?;
        Change { change, base }.check(of_base, limits.change)?;
    }
    Ok(adapter)
}

/// What can be asked without the base: no tensor beside the factors, ranks, scales.
fn check_words(adapter: &Adapter, limits: AdapterLimits) -> Result<(), Inspection> {
    let refused = |why| Err(Inspection::AdapterRefused { why });
    if let Some(name) = adapter.whole().keys().next() {
        return refused(AdapterRefusal::Whole(excerpt(name)));
    }
    let config = adapter.config();
    if let Some(name) = config.modules_to_save().first() {
        return refused(AdapterRefusal::Whole(excerpt(name)));
    }
    if config.bias != Bias::None {
        return refused(AdapterRefusal::Whole("biases".to_owned()));
    }
    let (found, wanted) = (adapter.shared_a(), limits.shared_a);
    if found != wanted {
        return refused(AdapterRefusal::SharedA { found, wanted });
    }
    for (module, rank) in adapter.modules() {
        if rank > limits.max_rank {
            let (module, limit) = (module.to_owned(), limits.max_rank);
            return refused(AdapterRefusal::Rank { module, rank, limit });
        }
        // It is finite: its configuration was read.
        if config.alpha_of(module) <= 0.0 {
            return refused(AdapterRefusal::Alpha(module.to_owned()));
        }
    }
    Ok(())
}

/// The base's tensor that the factors of a module change.
fn target<'b>(
    base: &'b Layout,
    module: &str,
    factors: &Factors,
    transposed: bool,
) -> Result<&'b TensorLayout, Inspection> {
    let tensor = format!("{module}.weight");
    let what = match base.tensor(&tensor) {
        None => TargetDifference::Missing,
        Some(it) if it.shape != factors.target(transposed).0 => TargetDifference::Shape,
        Some(it) if !it.dtype.is_float() => TargetDifference::Dtype,
        Some(it) => return Ok(it),
    };
    Err(Inspection::TargetDiffers { tensor, what })
}

fn of_measure(why: Unmeasured) -> Inspection {
    match why {
        Unmeasured::NotFinite { tensor, index } => Inspection::NotFinite { tensor, index },
        Unmeasured::Read(error) => of_adapter(AdapterError::Blend(error)),
    }
}

/// The header is in order: what else is wrong with the file is this machine's.
fn of_checkpoint(error: CheckpointError) -> Inspection {
    match error {
        CheckpointError::Source(SourceError::Read { source, .. }) => Inspection::Io(source),
        error => Inspection::Io(std::io::Error::other(error)),
    }
}

fn of_adapter(error: AdapterError) -> Inspection {
    match error {
        AdapterError::Blend(BlendError::Source(SourceError::Read { source, .. }))
        | AdapterError::Read { source, .. } => Inspection::Io(source),
        AdapterError::Blend(error) => Inspection::Io(std::io::Error::other(error)),
        error => Inspection::AdapterRefused { why: AdapterRefusal::Malformed(Box::new(error)) },
    }
}
