//! `adapter_shared_a/1`: the mean of adapters that share a frozen A, which is the mean of their B's.
//!
//! Σ λᵢ·s·BᵢA = s·(Σ λᵢBᵢ)·A: nothing is approximated, the rank stays, and A, which everybody draws from the seed
//! ([`mod@super::drawn`]), is in no file. What a party hands in is half as long.

use super::agreement::{Active, aim};
use super::drawn::{SharedA, draw};
use super::factors::compare;
use super::linear::{in_one_file, linear, mixed};
use super::names::Kind;
use super::opened::{Adapter, Factors};
use super::packed::{as_expert, with};
use super::scale::MILLION;
use super::{AdapterError, Share, Wanted};
use crate::blend::{Input, Planned, Soup, in_format};
use crate::layout::Dtype;
use potluck_core::Blake3;

/// How many elements of a factor are compared at a time.
const TILE: usize = 1 << 14;

/// Plans the soup of adapters that share A, in one file with its configuration.
///
/// All of them adapt the same modules, with the same rank and scale in each. The words for base, revision and task are those of
/// the first adapter, in ascending order of party. Reads headers and configurations, no weight.
///
/// # Errors
/// [`AdapterError`], of the caller's and the experts' kind; [`AdapterError::Factors`] where they cannot be averaged.
pub fn shared(shares: &[Share<'_>], recipe: Option<Blake3>) -> Result<Soup, AdapterError> {
    let active = Active::of(shares)?;
    let first = active.shares()[0].1;
    for (_, second) in active.shares() {
        if second.shared_a() != first.shared_a() || second.shared_a().is_none() {
            let (first, second) = (first.party().clone(), second.party().clone());
            return Err(AdapterError::Disagree { first, second, key: "shared_a" });
        }
    }
    let wanted = Wanted { dtype: None, recipe, prefer: Some(first.party()) };
    let mut config = active.config(&wanted)?;
    let modules = active.modules()?;
    let mut tensors = Vec::with_capacity(modules.len());
    for (module, parts) in &modules {
        compare(&active, module, parts)?;
        let b = parts.iter().map(|part| (part.ppm, part.factors.b.clone())).collect();
        tensors.push(match active.only() {
            Some(_) => as_it_is(&parts[0].factors.b),
            None => mixed(&active, parts[0].factors.kind.b(module), b, None)?,
        });
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    config.dropout = 0.0;
    aim(&mut config, modules.keys().map(|module| (*module).to_owned()));
    let shared = first.shared().map(SharedA::canonical);
    Ok(with(in_one_file(tensors, &active, &wanted), recipe, &config, shared.as_deref()))
}

/// Plans one adapter as an expert of a federation whose parties draw A from `seed`: B alone, and what the configuration says,
/// as [`expert`](super::expert) has it.
///
/// # Errors
/// [`AdapterError::Tensor`] where an A is not the one that the seed gives, and as there. Reads every A.
pub fn expert_sharing(adapter: &Adapter, seed: u64) -> Result<Soup, AdapterError> {
    let made = linear(&[(MILLION, adapter)], &Wanted { dtype: None, recipe: None, prefer: None })?;
    let fault = |tensor: &str, what| AdapterError::Tensor {
        party: adapter.party().clone(),
        tensor: tensor.to_owned(),
        what,
    };
    if let Some(name) = adapter.whole().keys().next() {
        return Err(fault(name, "beside a shared A nothing is trained but B"));
    }
    let (mut inputs, mut tensors) = (std::collections::BTreeMap::new(), Vec::new());
    for (module, factors) in adapter.factors() {
        let name = &factors.a.tensor().name;
        if factors.kind == Kind::Embedding || factors.a.tensor().shape.len() != 2 {
            return Err(fault(name, "only factors of linear layers are drawn from a seed"));
        }
        if !is_drawn(module, factors, seed)? {
            let what = "it is not the factor A that the federation's seed gives: train with that seed, and B alone";
            return Err(fault(name, what));
        }
        inputs.insert(module.clone(), factors.wide);
        tensors.push(as_it_is(&factors.b));
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let shares = [(MILLION, adapter)];
    let wanted = Wanted { dtype: None, recipe: None, prefer: None };
    let soup = in_one_file(tensors, &Active::of(&shares)?, &wanted);
    let shared = SharedA { seed, inputs }.canonical();
    Ok(with(soup, None, &as_expert(made.config), Some(&shared)))
}

fn as_it_is(input: &Input) -> Planned {
    let tensor = input.tensor();
    let rule = in_format(input.clone(), tensor.dtype);
    Planned { name: tensor.name.clone(), dtype: tensor.dtype, shape: tensor.shape.clone(), rule }
}

/// Whether the factor A is what the seed gives, bit for bit.
fn is_drawn(module: &str, factors: &Factors, seed: u64) -> Result<bool, AdapterError> {
    if factors.a.dtype() != Dtype::F32 {
        return Ok(false);
    }
    let (mut bytes, mut drawn) = (vec![0; 4 * TILE], vec![0f32; TILE]);
    let elements = factors.a.tensor().elements();
    for first in (0..elements).step_by(TILE) {
        let count = usize::try_from(elements - first).map_or(TILE, |rest| rest.min(TILE));
        factors.a.read(4 * first, &mut bytes[..4 * count])?;
        draw(seed, module, factors.wide, first, &mut drawn[..count]);
        let pairs = bytes[..4 * count].as_chunks().0.iter().zip(&drawn);
        if pairs.into_iter().any(|(bytes, drawn)| *bytes != drawn.to_le_bytes()) {
            return Ok(false);
        }
    }
    Ok(true)
}
