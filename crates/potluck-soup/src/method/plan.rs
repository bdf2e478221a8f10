//! From a method, experts and a base to a soup: who takes part, whether they fit, and a rule for each tensor.

use std::collections::{BTreeMap, BTreeSet};

use potluck_core::{Lambda, PartyId};

use super::derived::Derived;
use super::draw::Draw;
use super::layerwise::{Group, MAX_GROUPS};
use super::model_stock::ModelStock;
use super::share::{Density, MILLION, Strength};
use super::slerp::Slerp;
use super::ties::{Elected, Keep, Weighing};
use super::{Consensus, Method, MethodError, Weights, origin};
use crate::blend::{BlendError, Input, Rule, Soup, Wanted, linear, mixed, weighted};
use crate::checkpoint::Checkpoint;
use crate::layout::{Dtype, TensorLayout};

/// Experts that take part, in ascending order of party.
type Experts<'a> = [(PartyId, &'a Checkpoint)];

impl Method {
    /// Plans the soup of `experts`, each with its party, in any order. The base is not looked at where the method
    /// does not need it. No expert is given whom neither `weights` nor a group of [`Self::Layerwise`] names.
    ///
    /// Memory: headers; and while a tensor is made, for each thread at most a few MiB beside its blocks.
    ///
    /// # Errors
    /// [`BlendError`], of the caller's and the experts' kind; [`BlendError::Method`].
    pub fn plan(
        &self,
        experts: &[(PartyId, &Checkpoint)],
        base: Option<&Checkpoint>,
        weights: &Weights,
        wanted: &Wanted<'_>,
    ) -> Result<Soup, BlendError> {
        let experts = self.chosen(experts, weights)?;
        if self.needs_base() {
            let base = base.ok_or(MethodError::NoBase(self.name()))?;
            return self.plan_from(base, &experts, weights, wanted);
        }
        if let Self::Layerwise { groups } = self {
            return self.plan_layerwise(groups, &experts, weights, wanted);
        }
        let lambda = self.lambda(weights)?;
        if *self == Self::Slerp && experts.len() > 1 {
            return self.plan_slerp(&experts, weights, wanted);
        }
        let share = |(party, it): &(PartyId, _)| (party.clone(), lambda.ppm()[party], *it);
        linear(&experts.iter().map(share).collect::<Vec<_>>(), wanted)
    }

    /// Those of `experts` that take part.
    fn chosen<'a>(
        &self,
        experts: &Experts<'a>,
        weights: &Weights,
    ) -> Result<Vec<(PartyId, &'a Checkpoint)>, BlendError> {
        let mut given = BTreeMap::new();
        let active = self.active(weights);
        for (party, it) in experts {
            if given.insert(party, *it).is_some() {
                return Err(BlendError::Twice(party.clone()));
            }
            if !active.contains(party) && !weights.ppm().contains_key(party) {
                return Err(BlendError::Unneeded(party.clone()));
            }
        }
        let find = |party: PartyId| match given.get(&party) {
            Some(it) => Ok((party, *it)),
            None => Err(BlendError::Missing(party)),
        };
        active.into_iter().map(find).collect()
    }

    /// The weights where they have to be shares that sum to one.
    fn lambda(&self, weights: &Weights) -> Result<Lambda, MethodError> {
        let ppm = self.positive(weights)?;
        Lambda::new(ppm).map_err(|source| MethodError::Lambda { method: self.name(), source })
    }

    /// The weights where they have to be above zero.
    fn positive(&self, weights: &Weights) -> Result<BTreeMap<PartyId, u32>, MethodError> {
        let positive = |(party, ppm): (&PartyId, i64)| match u32::try_from(ppm) {
            Ok(ppm) => Ok((party.clone(), ppm)),
            Err(_) => Err(MethodError::Negative { method: self.name(), party: party.clone() }),
        };
        weights.active().map(positive).collect()
    }

    fn plan_slerp(
        &self,
        experts: &Experts<'_>,
        weights: &Weights,
        wanted: &Wanted<'_>,
    ) -> Result<Soup, BlendError> {
        let ppm: Vec<_> = weights.active().map(|(_, ppm)| ppm).collect();
        let Ok(ppm) = <[i64; 2]>::try_from(ppm) else {
            let (method, takes, found) = (self.name(), "one or two", experts.len());
            return Err(MethodError::Count { method, takes, found }.into());
        };
        mixed(&borrowed(experts), wanted, |tensor, inputs| {
            Box::new(Derived::new(inputs, dtype(tensor, wanted), Slerp { ppm }))
        })
    }

    fn plan_layerwise(
        &self,
        groups: &[Group],
        experts: &Experts<'_>,
        weights: &Weights,
        wanted: &Wanted<'_>,
    ) -> Result<Soup, BlendError> {
        if groups.len() > MAX_GROUPS {
            return Err(MethodError::Groups(groups.len()).into());
        }
        let rest = match weights.active().next() {
            Some(_) => Some(self.lambda(weights)?),
            None => None,
        };
        let group = |tensor: &str| groups.iter().position(|group| group.tensors.matches(tensor));
        if let Some((_, first)) = experts.first() {
            let mut used = BTreeSet::new();
            for tensor in first.tensors().filter(|tensor| tensor.dtype.is_float()) {
                let found = group(&tensor.name);
                if found.is_none() && rest.is_none() {
                    return Err(MethodError::Ungrouped(tensor.name.clone()).into());
                }
                used.extend(found);
            }
            let mut idle = (0..groups.len()).filter(|position| !used.contains(position));
            if let Some(position) = idle.next() {
                let pattern = groups[position].tensors.as_str().to_owned();
                return Err(MethodError::Idle(pattern).into());
            }
        }
        mixed(&borrowed(experts), wanted, |tensor, inputs| {
            let lambda = group(&tensor.name).map(|position| &groups[position].lambda);
            let lambda =
                lambda.or(rest.as_ref()).expect("each tensor has a group, or there is a rest");
            let share = |(input, (party, _)): (Input, &(PartyId, _))| {
                Some((input, i64::from(*lambda.ppm().get(party).filter(|ppm| **ppm > 0)?)))
            };
            let terms = inputs.into_iter().zip(experts).filter_map(share).collect();
            weighted(terms, dtype(tensor, wanted))
        })
    }

    /// The methods that need a base.
    fn plan_from(
        &self,
        base: &Checkpoint,
        experts: &Experts<'_>,
        weights: &Weights,
        wanted: &Wanted<'_>,
    ) -> Result<Soup, BlendError> {
        self.check(experts, weights)?;
        if let Some((party, expert)) = experts.first() {
            origin::compare(base, (party, expert), wanted.dtype.is_some())?;
        }
        let ppm: Vec<_> = weights.active().map(|(_, ppm)| ppm).collect();
        // The base comes last, so that no comparison with it can fail now and name it as if it were a party.
        let name = "base".parse().expect("a name");
        let mut all = borrowed(experts);
        all.push((&name, base));
        mixed(&all, wanted, |tensor, inputs| {
            let dtype = dtype(tensor, wanted);
            match self {
                Self::Ties { density, consensus, strength } => {
                    let keep = |_: &PartyId| Keep::largest(*density, tensor.elements());
                    let (consensus, strength) = (*consensus, *strength);
                    let weighing = Weighing { consensus, strength, rescale: Density::ONE };
                    elected(inputs, experts, &ppm, (*density, keep), weighing, dtype)
                }
                Self::DareTies { density, seed, consensus, strength } => {
                    let keep = |party: &PartyId| {
                        Keep::Drawn(Draw::new(*seed, party, &tensor.name, *density))
                    };
                    let (consensus, strength) = (*consensus, *strength);
                    let weighing = Weighing { consensus, strength, rescale: *density };
                    elected(inputs, experts, &ppm, (*density, keep), weighing, dtype)
                }
                Self::ModelStock => Box::new(Derived::new(inputs, dtype, ModelStock)),
                _ => task_arithmetic(inputs, &ppm, dtype),
            }
        })
    }

    /// What a method that needs a base asks of experts and weights.
    fn check(&self, experts: &Experts<'_>, weights: &Weights) -> Result<(), MethodError> {
        match self {
            Self::Ties { .. } | Self::DareTies { .. } => {
                self.positive(weights)?;
            }
            Self::ModelStock => {
                if experts.len() < 2 {
                    let (method, takes, found) = (self.name(), "two or more", experts.len());
                    return Err(MethodError::Count { method, takes, found });
                }
                let mut ppm = weights.active().map(|(_, ppm)| ppm);
                let first = ppm.next();
                if ppm.any(|ppm| Some(ppm) != first) {
                    return Err(MethodError::Unequal(self.name()));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn borrowed<'a>(experts: &'a Experts<'_>) -> Vec<(&'a PartyId, &'a Checkpoint)> {
    experts.iter().map(|(party, it)| (party, *it)).collect()
}

fn dtype(tensor: &TensorLayout, wanted: &Wanted<'_>) -> Dtype {
    wanted.dtype.unwrap_or(tensor.dtype)
}

/// `task_arithmetic/1`: θ₀ + Σ λᵢ(xᵢ − θ₀) as ((1 000 000 − Σ pᵢ)·θ₀ + Σ pᵢ·xᵢ) / 1 000 000.
///
/// Gabriel Ilharco, Marco Tulio Ribeiro, Mitchell Wortsman, Suchin Gururangan, Ludwig Schmidt, Hannaneh Hajishirzi,
/// Ali Farhadi, "Editing models with task arithmetic", ICLR 2023, section 2. Gathered so, every product is exact,
/// and where the weights sum to one the base takes no part: it is `linear/1` then.
fn task_arithmetic(mut inputs: Vec<Input>, ppm: &[i64], dtype: Dtype) -> Box<dyn Rule> {
    let base = inputs.pop().expect("the base is there");
    let rest = MILLION - ppm.iter().sum::<i64>();
    let base = (rest != 0).then_some((base, rest));
    weighted(base.into_iter().chain(inputs.into_iter().zip(ppm.iter().copied())).collect(), dtype)
}

/// The rule of `ties/1` and `dare_ties/1`. No expert leaves the base as it is; one that is kept whole, with nothing
/// to weigh it by, is copied.
fn elected(
    mut inputs: Vec<Input>,
    experts: &Experts<'_>,
    ppm: &[i64],
    (density, keep): (Density, impl Fn(&PartyId) -> Keep),
    weighing: Weighing,
    dtype: Dtype,
) -> Box<dyn Rule> {
    let is_whole = density == Density::ONE && weighing.strength == Strength::ONE;
    let is_alone = ppm.len() == 1 && (weighing.consensus == Consensus::Mean || ppm[0] == MILLION);
    if ppm.is_empty() || is_alone && is_whole {
        return weighted(vec![(inputs.remove(0), MILLION)], dtype);
    }
    let expert = |((party, _), ppm): (&(PartyId, _), &i64)| (*ppm as f64, keep(party));
    let experts = experts.iter().zip(ppm).map(expert).collect();
    Box::new(Elected::new(inputs, experts, weighing, dtype))
}
