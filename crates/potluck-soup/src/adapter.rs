//! Soups of LoRA adapters, in PEFT's format in and out.
//!
//! ```text
//! adapter_config.json ─▶ config ─┐
//! adapter_model.safetensors ─────┴▶ opened: modules with factors A and B, scales ─▶ linear   Δ = Σ λᵢ·sᵢ·BᵢAᵢ
//!                                                                                 ├▶ factors  A = Σ λᵢAᵢ, B = Σ λᵢBᵢ
//!                                                                                 └▶ merge    W + Δ, dense
//! ```
//!
//! An adapter changes the weight of a module by s·B·A, with s = α/r, or α/√r under rsLoRA. [`linear()`] is the soup
//! of those changes, without loss: the factors are concatenated along the rank, with λᵢ·sᵢ folded into B, so that
//! no product of one party's A with another's B arises and PEFT's own scale is 1. [`factors()`] averages A and B
//! separately, as the code of Rewarded Soups does, cross terms included. [`merge()`] adds Δ to a base.
//!
//! λ is taken as it is: nothing is normalised, and no tensor that only some adapters have is left out silently.
//! In a federation whose experts are adapters, each is one file with its configuration in the header ([`packed()`]), and
//! [`mod@inspect`] judges it; where the parties share A, the file holds B alone ([`shared()`]). `docs/formats.md` specifies all of them. Modules stand in the order in which to read them.

pub mod config;
pub mod pattern;

mod text_file;
mod names;
mod scale;
mod drawn;
mod opened;
mod agreement;

mod stack;
mod linear;
mod factors;
mod packed;
mod shared;

mod change;
pub mod inspect;

mod product;
mod tied;
mod merge;

use std::io;
use std::path::PathBuf;

use potluck_core::{Blake3, PartyId};

pub use self::config::{AdapterConfig, AdapterConfigError, Scaling};
pub use self::drawn::draw;
pub use self::factors::factors;
pub use self::linear::linear;
pub use self::merge::merge;
pub use self::opened::Adapter;
pub use self::packed::{agree, config_of, expert, packed, packed_config, restored};
pub use self::shared::{expert_sharing, shared};
pub(crate) use self::tied::{Tying, is_embedding, is_output};
use crate::blend::{BlendError, Soup};
use crate::layout::Dtype;
use crate::layout::name::excerpt;

/// The largest magnitude of a share, in parts per million: below 2^29, so that its product with a number of 24
/// significant bits is exact.
pub const MAX_SHARE: i64 = 500_000_000;

/// An adapter with its share in a soup, in parts per million.
pub type Share<'a> = (i64, &'a Adapter);

/// What is asked of a soup of adapters beside its recipe.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The format of its floating-point elements; `docs/formats.md` says which it is where none is given.
    pub dtype: Option<Dtype>,
    /// The digest of its recipe, which then stands in the header of its file.
    pub recipe: Option<Blake3>,
    /// Whose words for base, revision and task are taken where the adapters differ in them; nobody's where none is
    /// given, and then they must not differ.
    pub prefer: Option<&'a PartyId>,
}

/// A soup of adapters that is an adapter again.
#[derive(Debug)]
pub struct AdapterSoup {
    /// Its one file, `adapter_model.safetensors`.
    pub soup: Soup,
    /// What to write as `adapter_config.json` beside it: [`AdapterConfig::canonical`].
    pub config: AdapterConfig,
}

/// Why no soup of adapters was made.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    // The caller's.
    /// A share that is none.
    #[error(
        "the share of {party} is {ppm} parts per million; at most {MAX_SHARE} to either side are possible"
    )]
    Share {
        /// Whose share.
        party: PartyId,
        /// In parts per million.
        ppm: i64,
    },
    /// A format that cannot hold a soup.
    #[error("a soup of adapters cannot be of dtype {}", .0.name())]
    Dtype(Dtype),

    // An expert's.
    /// A checkpoint of another kind.
    #[error("the expert of {party} ({}) is no adapter's folder", path.display())]
    NoAdapter {
        /// Whose expert.
        party: PartyId,
        /// Where it lies.
        path: PathBuf,
    },
    /// Its configuration could not be read.
    #[error("the adapter of {party} cannot be opened: {} cannot be read", path.display())]
    Read {
        /// Whose adapter.
        party: PartyId,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its configuration was refused.
    #[error("the adapter_config.json of {party} cannot be followed")]
    Config {
        /// Whose adapter.
        party: PartyId,
        /// Why.
        source: AdapterConfigError,
    },
    /// A tensor that is not what its name says, or not part of a plain LoRA.
    #[error("the adapter of {party} cannot be mixed because of {tensor}: {what}")]
    Tensor {
        /// Whose adapter.
        party: PartyId,
        /// Which tensor.
        tensor: String,
        /// Why.
        what: &'static str,
    },
    /// The tensors have another rank than the configuration says: the scale is not certain.
    #[error(
        "module {module} of {party} has rank {tensors} by its tensors, but {config} by its adapter_config.json"
    )]
    Rank {
        /// Whose adapter.
        party: PartyId,
        /// Which module.
        module: String,
        /// By the tensors.
        tensors: u32,
        /// By `r` and `rank_pattern`.
        config: u32,
    },
    /// An adapter without factors.
    #[error("the adapter of {party} adapts no module")]
    Empty {
        /// Whose adapter.
        party: PartyId,
    },
    /// Adapters whose configurations disagree where they have to agree.
    #[error("the adapters of {first} and {second} differ in {key}")]
    Disagree {
        /// The adapter that the other was compared with.
        first: PartyId,
        /// The other.
        second: PartyId,
        /// The key of `adapter_config.json`.
        key: &'static str,
    },
    /// Adapters of modules with different shapes.
    #[error("the adapters of {first} and {second} differ in the shape of module {module}")]
    Shape {
        /// The adapter that the other was compared with.
        first: PartyId,
        /// The other.
        second: PartyId,
        /// Which module.
        module: String,
    },
    /// Adapters whose factors have no common form to be averaged in.
    #[error("the factors of {first} and {second} cannot be averaged in module {module}: {what}")]
    Factors {
        /// The adapter that the other was compared with.
        first: PartyId,
        /// The other.
        second: PartyId,
        /// Which module.
        module: String,
        /// In what they differ.
        what: &'static str,
    },
    /// A module's factors would have more rows than are read again.
    #[error("module {0} would have a rank above {max}", max = config::MAX_RANK)]
    TooHigh(String),
    /// The soup would need more patterns than are read again.
    #[error("more than {max} modules would need a rank of their own", max = pattern::MAX_PATTERNS)]
    TooManyRanks,

    // The base's, or its and an expert's.
    /// Nothing to add a change to.
    #[error("the base has no tensor {tensor}, which the adapter of {party} changes")]
    NotInBase {
        /// Whose adapter.
        party: PartyId,
        /// As the base should name it.
        tensor: String,
    },
    /// A change of another shape than the base's tensor.
    #[error("the base's tensor {tensor} has another shape than the adapter of {party} changes{}", if *transposed { " (its fan_in_fan_out is true)" } else { "" })]
    BaseShape {
        /// Whose adapter.
        party: PartyId,
        /// Which tensor.
        tensor: String,
        /// Whether the adapter says that weights lie transposed.
        transposed: bool,
    },
    /// A tensor of the base that holds no floating-point numbers, as a quantised one does.
    #[error("the base's tensor {tensor} is of dtype {}, to which no change can be added", dtype.name())]
    BaseDtype {
        /// Which tensor.
        tensor: String,
        /// Its dtype.
        dtype: Dtype,
    },
    /// A change to an embedding that is also the output layer, or may be.
    #[error(
        "the adapter of {party} changes {tensor}, which the base may use as embedding and as output layer at once: \
         merged, the change would reach both, and as an adapter it reaches one"
    )]
    Tied {
        /// Whose adapter.
        party: PartyId,
        /// Which tensor.
        tensor: String,
    },
    /// The base's `config.json` could not be followed.
    #[error("the config.json of the base ({}) cannot be followed: {what}", path.display())]
    BaseConfig {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        what: String,
    },

    /// As any soup.
    #[error(transparent)]
    Blend(#[from] BlendError),
}

#[cfg(test)]
mod tests;
