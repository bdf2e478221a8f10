//! `adapter_factors/1`: A and B averaged separately, element by element, as the code of Rewarded Soups does.
//!
//! (Σ λᵢBᵢ)(Σ λᵢAᵢ) is not Σ λᵢBᵢAᵢ: the products of one party's B with another's A are in it. It is close where
//! the adapters began from the same A and B and stayed near them, and it keeps the rank.

use super::agreement::{Active, Part, aim};
use super::linear::{check_dtype, in_one_file, linear, mixed, whole};
use super::{AdapterError, AdapterSoup, Share, Wanted};

/// Plans the adapter with A = Σ λᵢAᵢ and B = Σ λᵢBᵢ, of those adapters whose share is not zero.
///
/// All of them adapt the same modules, with the same rank and scale in each. One adapter with λ = 1 is returned
/// as it is. Reads headers and configurations, no weight.
///
/// # Errors
/// [`AdapterError`], of the caller's and the experts' kind; [`AdapterError::Factors`] where they cannot be averaged.
pub fn factors(shares: &[Share<'_>], wanted: &Wanted<'_>) -> Result<AdapterSoup, AdapterError> {
    check_dtype(wanted)?;
    let active = Active::of(shares)?;
    if active.only().is_some() {
        return linear(shares, wanted);
    }
    let mut config = active.config(wanted)?;
    let modules = active.modules()?;
    let mut tensors = whole(&active, wanted)?;
    for (module, parts) in &modules {
        compare(&active, module, parts)?;
        let kind = parts[0].factors.kind;
        let a = parts.iter().map(|part| (part.ppm, part.factors.a.clone())).collect();
        let b = parts.iter().map(|part| (part.ppm, part.factors.b.clone())).collect();
        tensors.push(mixed(&active, kind.a(module), a, wanted.dtype)?);
        tensors.push(mixed(&active, kind.b(module), b, wanted.dtype)?);
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    config.dropout = 0.0;
    aim(&mut config, modules.keys().map(|module| (*module).to_owned()));
    Ok(AdapterSoup { soup: in_one_file(tensors, &active, wanted), config })
}

/// Refuses a module that the adapters do not have in common, or have in different forms.
pub(super) fn compare(
    active: &Active<'_>,
    module: &str,
    parts: &[Part<'_>],
) -> Result<(), AdapterError> {
    let first = parts[0];
    let refused = |second: &super::Adapter, what| AdapterError::Factors {
        first: first.adapter.party().clone(),
        second: second.party().clone(),
        module: module.to_owned(),
        what,
    };
    let lacks = |adapter: &super::Adapter| !adapter.factors().contains_key(module);
    if let Some((_, second)) = active.shares().iter().find(|(_, adapter)| lacks(adapter)) {
        return Err(refused(second, "only one of them adapts it"));
    }
    for part in &parts[1..] {
        let (a, b) = (first.adapter.config(), part.adapter.config());
        if part.factors.rank != first.factors.rank {
            return Err(refused(part.adapter, "their ranks differ"));
        }
        if (a.scaling(), a.alpha_of(module)) != (b.scaling(), b.alpha_of(module)) {
            return Err(refused(part.adapter, "their scales differ"));
        }
    }
    Ok(())
}
