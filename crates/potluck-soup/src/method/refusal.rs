//! What a method refuses, beside what every soup does.

use potluck_core::PartyId;
use potluck_core::lambda::LambdaError;

use super::layerwise::MAX_GROUPS;
use crate::layout::Dtype;

/// Why a method does not take these experts.
#[derive(Debug, thiserror::Error)]
pub enum MethodError {
    /// No base was given.
    #[error("{0} needs the base that the experts were trained from")]
    NoBase(&'static str),
    /// Another number of experts than the method takes.
    #[error("{method} takes {takes} experts; {found} with a weight other than zero were given")]
    Count {
        /// Which method.
        method: &'static str,
        /// How many it takes.
        takes: &'static str,
        /// How many there are.
        found: usize,
    },
    /// Weights that do not sum to one, or are no shares, where the method needs that.
    #[error("{method} needs weights that are a λ")]
    Lambda {
        /// Which method.
        method: &'static str,
        /// What they are instead.
        source: LambdaError,
    },
    /// A weight below zero.
    #[error("{method} has no meaning for the weight of {party}, which is below zero")]
    Negative {
        /// Which method.
        method: &'static str,
        /// Whose weight.
        party: PartyId,
    },
    /// Different weights where all experts count alike.
    #[error("{0} gives all experts the same weight: give none, or equal ones")]
    Unequal(&'static str),
    /// No group fits a tensor, and there is no λ for the rest.
    #[error("no group of tensors has {0}, and no weights are given for the rest")]
    Ungrouped(String),
    /// A group that fits no tensor that is left to it.
    #[error("no tensor is in the group {0}: no name fits, or those before it have all that do")]
    Idle(String),
    /// Too many groups.
    #[error("{0} groups of tensors are too many: at most {MAX_GROUPS} are allowed")]
    Groups(usize),

    // The base's.
    /// A tensor that only the expert has.
    #[error("the base has no tensor {tensor}, which the expert of {party} has")]
    BaseLacks {
        /// Who has it.
        party: PartyId,
        /// The first such tensor, in byte order of names.
        tensor: String,
    },
    /// A tensor that only the base has.
    #[error("the expert of {party} has no tensor {tensor}, which the base has")]
    ExpertLacks {
        /// Who lacks it.
        party: PartyId,
        /// The first such tensor, in byte order of names.
        tensor: String,
    },
    /// Different dimensions.
    #[error("the base and the expert of {party} differ in the shape of tensor {tensor}")]
    BaseShape {
        /// The expert compared.
        party: PartyId,
        /// The first such tensor, in byte order of names.
        tensor: String,
    },
    /// Different formats.
    #[error(
        "tensor {tensor} is {} in the base and {} in the expert of {party}", base.name(), expert.name()
    )]
    BaseDtype {
        /// The expert compared.
        party: PartyId,
        /// The first such tensor, in byte order of names.
        tensor: String,
        /// As the base has it.
        base: Dtype,
        /// As the expert has it.
        expert: Dtype,
    },
}
