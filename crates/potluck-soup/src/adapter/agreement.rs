//! Which adapters take part, and whether they can be one soup.

use std::collections::{BTreeMap, BTreeSet};

use potluck_core::PartyId;

use super::config::{AdapterConfig, Modules, Scaling};
use super::opened::{Adapter, Factors};
use super::scale::MILLION;
use super::{AdapterError, MAX_SHARE, Share, Wanted};
use crate::blend::{BlendError, Input};

/// One tensor of each adapter that takes part, with that adapter's share in parts per million.
pub(super) type Weighed = Vec<(i64, Input)>;

/// The adapters with a share, in ascending order of party; at least one, each once.
#[derive(Debug)]
pub(super) struct Active<'a>(Vec<Share<'a>>);

impl<'a> Active<'a> {
    /// Those of `shares` that take part. Nothing is normalised.
    pub(super) fn of(shares: &[Share<'a>]) -> Result<Self, AdapterError> {
        let mut active: Vec<_> = shares.to_vec();
        active.sort_by(|(_, a), (_, b)| a.party().cmp(b.party()));
        if let Some(pair) = active.windows(2).find(|pair| pair[0].1.party() == pair[1].1.party()) {
            return Err(BlendError::Twice(pair[0].1.party().clone()).into());
        }
        if let Some((ppm, it)) =
            active.iter().find(|(ppm, _)| ppm.unsigned_abs() > MAX_SHARE as u64)
        {
            return Err(AdapterError::Share { party: it.party().clone(), ppm: *ppm });
        }
        active.retain(|(ppm, _)| *ppm != 0);
        if active.is_empty() { Err(BlendError::NoExperts.into()) } else { Ok(Self(active)) }
    }

    pub(super) fn shares(&self) -> &[Share<'a>] {
        &self.0
    }

    /// The one adapter that the soup is, where there is one.
    pub(super) fn only(&self) -> Option<&'a Adapter> {
        match self.0.as_slice() {
            [(MILLION, adapter)] => Some(adapter),
            _ => None,
        }
    }

    /// All modules that any of them adapts, each with those that do, in ascending order of party.
    ///
    /// # Errors
    /// Two of them adapt one module as if it had different shapes.
    pub(super) fn modules(&self) -> Result<BTreeMap<&'a str, Vec<Part<'a>>>, AdapterError> {
        let mut modules: BTreeMap<&str, Vec<Part<'_>>> = BTreeMap::new();
        for (ppm, adapter) in &self.0 {
            for (module, factors) in adapter.factors() {
                let parts = modules.entry(module).or_default();
                if let Some(first) = parts.first()
                    && !first.factors.fits(factors)
                {
                    return Err(AdapterError::Shape {
                        first: first.adapter.party().clone(),
                        second: adapter.party().clone(),
                        module: module.clone(),
                    });
                }
                parts.push(Part { ppm: *ppm, adapter, factors });
            }
        }
        Ok(modules)
    }

    /// The tensors that were retrained whole; every adapter that takes part has each.
    ///
    /// # Errors
    /// One of them lacks a tensor, or two differ in its shape.
    pub(super) fn whole(&self) -> Result<BTreeMap<&'a str, Weighed>, AdapterError> {
        let mut all: BTreeMap<&str, Weighed> = BTreeMap::new();
        for (ppm, adapter) in &self.0 {
            for (name, input) in adapter.whole() {
                all.entry(name).or_default().push((*ppm, input.clone()));
            }
        }
        for (name, inputs) in &all {
            let lacks = |(_, adapter): &&Share<'_>| !adapter.whole().contains_key(*name);
            let has = |(_, adapter): &&Share<'_>| adapter.whole().contains_key(*name);
            if let (Some((_, lacking)), Some((_, other))) =
                (self.0.iter().find(lacks), self.0.iter().find(has))
            {
                let tensor = inputs[0].1.tensor().name.clone();
                let (party, other) = (lacking.party().clone(), other.party().clone());
                return Err(BlendError::Lacks { party, tensor, other }.into());
            }
            let first = inputs[0].1.tensor();
            let differs = |(_, input): &(i64, Input)| input.tensor().shape != first.shape;
            if let Some(position) = inputs.iter().position(differs) {
                let (first_party, second) = (self.0[0].1.party(), self.0[position].1.party());
                let (first, second) = (first_party.clone(), second.clone());
                let tensor = inputs[0].1.tensor().name.clone();
                return Err(BlendError::Differ { first, second, tensor }.into());
            }
        }
        Ok(all)
    }

    /// The configuration of their soup, but for ranks, scales and targets, which are the first adapter's here.
    ///
    /// # Errors
    /// [`AdapterError::Disagree`].
    pub(super) fn config(&self, wanted: &Wanted<'_>) -> Result<AdapterConfig, AdapterError> {
        let first = self.0[0].1;
        let preferred = wanted.prefer.and_then(|party| self.of_party(party));
        for (_, second) in &self.0[1..] {
            let (a, b) = (first.config(), second.config());
            let same = [
                ("fan_in_fan_out", a.fan_in_fan_out == b.fan_in_fan_out),
                ("bias", a.bias == b.bias),
                ("modules_to_save", set(&a.modules_to_save) == set(&b.modules_to_save)),
            ];
            let same_words = [
                ("base_model_name_or_path", a.base_model == b.base_model),
                ("revision", a.revision == b.revision),
                ("task_type", a.task_type == b.task_type),
            ];
            let words = same_words.into_iter().filter(|_| preferred.is_none());
            if let Some((key, _)) = same.into_iter().chain(words).find(|(_, same)| !same) {
                let (first, second) = (first.party().clone(), second.party().clone());
                return Err(AdapterError::Disagree { first, second, key });
            }
        }
        let mut config = first.config().clone();
        if let Some(adapter) = preferred {
            let words = adapter.config();
            config.base_model = words.base_model.clone();
            config.revision = words.revision.clone();
            config.task_type = words.task_type.clone();
        }
        Ok(config)
    }

    fn of_party(&self, party: &PartyId) -> Option<&'a Adapter> {
        self.0.iter().map(|(_, adapter)| *adapter).find(|adapter| adapter.party() == party)
    }
}

/// What one adapter does to a module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) ppm: i64,
    pub(super) adapter: &'a Adapter,
    pub(super) factors: &'a Factors,
}

impl Factors {
    /// Whether both change a weight of one shape in one way.
    fn fits(&self, other: &Self) -> bool {
        let inputs = |factors: &Self| factors.a.tensor().shape[1..].to_vec();
        let outputs = |factors: &Self| factors.b.tensor().shape.len();
        (self.kind, self.tall, inputs(self), outputs(self))
            == (other.kind, other.tall, inputs(other), outputs(other))
    }
}

/// Turns to exact targets: the modules that the soup's file has factors for, and no word about layers.
pub(super) fn aim(config: &mut AdapterConfig, modules: impl Iterator<Item = String>) {
    config.target_modules = Modules::Names(modules.collect());
    config.exclude_modules = Modules::Unsaid;
    config.layers_to_transform = None;
    config.layers_pattern = Modules::Unsaid;
}

/// Gives the configuration of a soup in which PEFT's own scale is 1 everywhere, whatever a module's rank.
pub(super) fn scale_by_one(config: &mut AdapterConfig, rank: u32) {
    config.rank = rank;
    config.alpha = f64::from(rank);
    config.scaling = Scaling::Rank;
    config.dropout = 0.0;
}

fn set(names: &[String]) -> BTreeSet<&str> {
    names.iter().map(String::as_str).collect()
}
