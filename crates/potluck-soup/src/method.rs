//! Ways to mix experts beside a federation's `linear/1`, each under a name that never changes its meaning.
//!
//! | name | needs a base | weights |
//! |---|---|---|
//! | `linear/1` | | sum to one |
//! | `task_arithmetic/1` | yes | any, beyond 0 to 1 where extrapolation is allowed |
//! | `slerp/1` | | two, sum to one |
//! | `ties/1`, `dare_ties/1` | yes | above zero |
//! | `model_stock/1` | yes | all the same |
//! | `layerwise/1` | | sum to one in each group of tensors |
//!
//! An expert of weight zero takes no part in any of them. [`Method::plan`] looks at headers only; what a method has
//! to know of a whole tensor (an angle, a threshold) it finds when the first byte of that tensor is asked for, in a
//! fixed order, so that threads and blocks change nothing. `docs/formats.md` specifies every operation.
//!
//! Called by the commands that mix; what comes out is a [`crate::blend::Soup`], as of `linear/1`.

mod share;
mod weights;

mod refusal;
mod plan;
mod origin;

mod stream;
mod derived;

mod slerp;
mod ties;
mod draw;
mod model_stock;
mod layerwise;

use std::collections::{BTreeMap, BTreeSet};

use potluck_core::{Blake3, PartyId};

pub use self::layerwise::{Group, MAX_GROUPS, Pattern, PatternError};
pub use self::refusal::MethodError;
pub use self::share::{Density, ShareError, Strength};
pub use self::weights::{Extrapolation, MAX_TOTAL, MAX_WEIGHT, Weights, WeightsError};
use crate::blend::BlendError;
use crate::formula::{Formula, Parameter, Portion};
use crate::layout::Dtype;

/// How experts are mixed, with the method's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// Σ λᵢxᵢ.
    Linear,
    /// θ₀ + Σ λᵢ(xᵢ − θ₀).
    TaskArithmetic,
    /// Along the arc between two experts.
    Slerp,
    /// Task vectors trimmed to their largest elements, a sign elected for each element.
    Ties {
        /// The part of each task vector that is kept.
        density: Density,
        /// What the elected changes come to.
        consensus: Consensus,
        /// What the merged task vector is multiplied by.
        strength: Strength,
    },
    /// Task vectors of which elements are dropped at random, the others rescaled; then as TIES.
    DareTies {
        /// The part of each task vector that is kept, and by which it is divided.
        density: Density,
        /// Which elements are dropped.
        seed: u32,
        /// What the elected changes come to.
        consensus: Consensus,
        /// What the merged task vector is multiplied by.
        strength: Strength,
    },
    /// Between the base and the experts' mean, by how much the experts agree.
    ModelStock,
    /// As [`Self::Linear`], with another λ for each group of tensors.
    Layerwise {
        /// The first that fits counts. For a tensor that none fits, the weights beside the method do.
        groups: Vec<Group>,
    },
}

/// What the changes of those who have the elected sign come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consensus {
    /// Their mean, by weight: Σ wᵢδᵢ / Σ wᵢ.
    Mean,
    /// Their sum: Σ wᵢδᵢ.
    Sum,
}

impl Method {
    /// The method's name and version.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Linear => "linear/1",
            Self::TaskArithmetic => "task_arithmetic/1",
            Self::Slerp => "slerp/1",
            Self::Ties { .. } => "ties/1",
            Self::DareTies { .. } => "dare_ties/1",
            Self::ModelStock => "model_stock/1",
            Self::Layerwise { .. } => "layerwise/1",
        }
    }

    /// Whether it needs the base's weights.
    pub fn needs_base(&self) -> bool {
        match self {
            Self::Linear | Self::Slerp | Self::Layerwise { .. } => false,
            Self::TaskArithmetic | Self::Ties { .. } | Self::DareTies { .. } => true,
            Self::ModelStock => true,
        }
    }

    /// The experts that take part, in ascending order of party.
    pub fn active(&self, weights: &Weights) -> BTreeSet<PartyId> {
        let mut active: BTreeSet<_> = weights.active().map(|(party, _)| party.clone()).collect();
        if let Self::Layerwise { groups } = self {
            let lambdas = groups.iter().flat_map(|group| group.lambda.active());
            active.extend(lambdas.map(|(party, _)| party.clone()));
        }
        active
    }

    /// The soup's canonical description; `base` and `manifest` give the digests of manifests, `dtype` is that of
    /// [`crate::blend::Wanted`].
    ///
    /// # Errors
    /// [`BlendError::Missing`] where `manifest` does not know an expert that takes part.
    pub fn formula(
        &self,
        base: Blake3,
        manifest: impl Fn(&PartyId) -> Option<Blake3>,
        weights: &Weights,
        dtype: Option<Dtype>,
    ) -> Result<Formula, BlendError> {
        let portion = |party: PartyId| {
            let manifest = manifest(&party).ok_or_else(|| BlendError::Missing(party.clone()))?;
            let ppm = match self {
                Self::ModelStock => share::MILLION,
                _ => weights.ppm().get(&party).copied().unwrap_or(0),
            };
            Ok(Portion { party, manifest, ppm })
        };
        let experts = self.active(weights).into_iter().map(portion);
        let experts = experts.collect::<Result<_, BlendError>>()?;
        Ok(Formula::new(self.name(), base, experts, self.parameters(dtype)))
    }

    fn parameters(&self, dtype: Option<Dtype>) -> BTreeMap<String, Parameter> {
        let mut parameters = BTreeMap::new();
        let mut put = |name: &str, value| parameters.insert(name.to_owned(), value);
        let whole = |ppm: u32| Parameter::Integer(ppm.into());
        if let Some(dtype) = dtype {
            put("dtype", dtype.name().into());
        }
        match self {
            Self::Linear | Self::TaskArithmetic | Self::Slerp | Self::ModelStock => {}
            Self::Ties { density, consensus, strength }
            | Self::DareTies { density, consensus, strength, .. } => {
                put("consensus", consensus.name().into());
                put("density", whole(density.ppm()));
                put("strength", whole(strength.ppm()));
                if let Self::DareTies { seed, .. } = self {
                    put("seed", whole(*seed));
                }
            }
            Self::Layerwise { groups } => {
                let group = |group: &Group| {
                    let ppm = |(party, ppm): (&PartyId, u32)| (party.to_string(), whole(ppm));
                    Parameter::Object(BTreeMap::from([
                        (
                            "ppm".to_owned(),
                            Parameter::Object(group.lambda.active().map(ppm).collect()),
                        ),
                        ("tensors".to_owned(), group.tensors.as_str().into()),
                    ]))
                };
                put("groups", Parameter::List(groups.iter().map(group).collect()));
            }
        }
        parameters
    }
}

impl Consensus {
    /// As a formula names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Sum => "sum",
        }
    }
}

#[cfg(test)]
mod tests;
