//! `adapter_linear/1`: the adapter whose change is the sum of the adapters' changes, without loss.

use super::agreement::{Active, Part, Weighed, aim, scale_by_one};
use super::config::MAX_RANK;
use super::names::PREFIX;
use super::pattern::{MAX_PATTERNS, Pattern};
use super::stack::{Columns, Rows};
use super::{AdapterError, AdapterSoup, Share, Wanted};
use crate::blend::{Agreed, BlendError, Input, Planned, Shape, Soup, Weighted, in_format};
use crate::checkpoint::ADAPTER_WEIGHTS;
use crate::kernel::Scale;
use crate::layout::Dtype;

/// Plans the adapter with Δ = Σ λᵢ·sᵢ·BᵢAᵢ, of those adapters whose share is not zero.
///
/// One adapter with λ = 1 is returned as it is. Reads headers and configurations, no weight.
///
/// # Errors
/// [`AdapterError`], of the caller's and the experts' kind.
pub fn linear(shares: &[Share<'_>], wanted: &Wanted<'_>) -> Result<AdapterSoup, AdapterError> {
    check_dtype(wanted)?;
    let active = Active::of(shares)?;
    match active.only() {
        Some(adapter) => {
            let copy = |input: &Input| {
                let dtype = wanted.dtype.filter(|_| input.dtype().is_float());
                planned(input, in_format(input.clone(), dtype.unwrap_or(input.dtype())), dtype)
            };
            let tensors = adapter.inputs().iter().map(copy).collect();
            let config = active.config(wanted)?;
            Ok(AdapterSoup { soup: in_one_file(tensors, &active, wanted), config })
        }
        None => concatenated(&active, wanted),
    }
}

fn concatenated(active: &Active<'_>, wanted: &Wanted<'_>) -> Result<AdapterSoup, AdapterError> {
    let mut config = active.config(wanted)?;
    let modules = active.modules()?;
    let dtype = wanted.dtype.unwrap_or_else(|| widest(modules.values().flatten()));
    let mut tensors = whole(active, wanted)?;
    let mut ranks = Vec::with_capacity(modules.len());
    for (module, parts) in &modules {
        let rank: u64 = parts.iter().map(|part| u64::from(part.factors.rank)).sum();
        let rank = u32::try_from(rank).ok().filter(|rank| *rank <= MAX_RANK);
        let rank = rank.ok_or_else(|| AdapterError::TooHigh((*module).to_owned()))?;
        ranks.push((*module, rank));
        tensors.extend(stacked(module, parts, rank, dtype));
    }
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let highest = ranks.iter().map(|(_, rank)| *rank).max().unwrap_or(1);
    scale_by_one(&mut config, highest);
    let others = ranks.iter().filter(|(_, rank)| *rank != highest);
    config.ranks = others.map(|(module, rank)| (Pattern::exactly(module), *rank)).collect();
    if config.ranks.len() > MAX_PATTERNS {
        return Err(AdapterError::TooManyRanks);
    }
    let alpha = |(pattern, rank): &(Pattern, u32)| (pattern.clone(), f64::from(*rank));
    config.alphas = config.ranks.iter().map(alpha).collect();
    aim(&mut config, modules.keys().map(|module| (*module).to_owned()));
    Ok(AdapterSoup { soup: in_one_file(tensors, active, wanted), config })
}

/// The two factors of a module: A by rows, B by columns.
fn stacked(module: &str, parts: &[Part<'_>], rank: u32, dtype: Dtype) -> [Planned; 2] {
    let first = parts[0].factors;
    let (a, b) = (first.a.tensor(), first.b.tensor());
    let (mut a_shape, mut b_shape) = (a.shape.clone(), b.shape.clone());
    (a_shape[0], b_shape[1]) = (u64::from(rank), u64::from(rank));
    let (a_name, b_name) = (first.kind.a(module), first.kind.b(module));
    let rows = Rows::new(parts.iter().map(|part| part.factors.a.clone()), dtype);
    let column = |part: &Part<'_>| {
        let rank = part.factors.rank;
        (part.factors.b.clone(), rank, part.adapter.fold(module, rank, part.ppm))
    };
    let columns = Columns::new(b_name.clone(), parts.iter().map(column), dtype);
    [
        Planned { name: a_name, dtype, shape: a_shape, rule: Box::new(rows) },
        Planned { name: b_name, dtype, shape: b_shape, rule: Box::new(columns) },
    ]
}

/// The tensors that were retrained whole, each as `linear/1` mixes it.
pub(super) fn whole(
    active: &Active<'_>,
    wanted: &Wanted<'_>,
) -> Result<Vec<Planned>, AdapterError> {
    let mix = |(name, inputs): (&str, Weighed)| {
        let name = format!("{PREFIX}{name}");
        mixed(active, name, inputs, wanted.dtype)
    };
    active.whole()?.into_iter().map(mix).collect()
}

/// One tensor of the same name and shape in every adapter, mixed as `linear/1` does it.
pub(super) fn mixed(
    active: &Active<'_>,
    name: String,
    inputs: Weighed,
    dtype: Option<Dtype>,
) -> Result<Planned, AdapterError> {
    let first = inputs[0].1.tensor().clone();
    let differs = |(_, input): &(i64, Input)| {
        let may_convert = dtype.is_some() && first.dtype.is_float() && input.dtype().is_float();
        input.dtype() != first.dtype && !may_convert
    };
    if let Some(position) = inputs.iter().position(differs) {
        let party = |position: usize| active.shares()[position].1.party().clone();
        return Err(AdapterError::Blend(BlendError::Dtypes {
            first: party(0),
            second: party(position),
            tensor: first.name,
            dtype: first.dtype,
            other: inputs[position].1.dtype(),
        }));
    }
    if !first.dtype.is_float() {
        let rule = Box::new(Agreed(inputs.into_iter().map(|(_, input)| input).collect()));
        return Ok(Planned { name, dtype: first.dtype, shape: first.shape, rule });
    }
    let dtype = dtype.unwrap_or(first.dtype);
    let terms = inputs.into_iter().map(|(ppm, input)| (input, ppm as f64)).collect();
    let rule = Box::new(Weighted { terms, scale: Scale::Millionth, dtype });
    Ok(Planned { name, dtype, shape: first.shape, rule })
}

/// The format that holds every A exactly and rounds a folded B where it cannot hurt: F32, or F64 where one is.
fn widest<'a>(mut parts: impl Iterator<Item = &'a Part<'a>>) -> Dtype {
    let is_wide =
        |part: &Part<'_>| [part.factors.a.dtype(), part.factors.b.dtype()].contains(&Dtype::F64);
    if parts.any(is_wide) { Dtype::F64 } else { Dtype::F32 }
}

pub(super) fn check_dtype(wanted: &Wanted<'_>) -> Result<(), AdapterError> {
    match wanted.dtype {
        Some(dtype) if !dtype.is_float() => Err(AdapterError::Dtype(dtype)),
        _ => Ok(()),
    }
}

fn planned(input: &Input, rule: Box<dyn crate::blend::Rule>, dtype: Option<Dtype>) -> Planned {
    let tensor = input.tensor();
    let dtype = dtype.unwrap_or(tensor.dtype);
    Planned { name: tensor.name.clone(), dtype, shape: tensor.shape.clone(), rule }
}

/// `tensors` come in byte order of their names.
pub(super) fn in_one_file(tensors: Vec<Planned>, active: &Active<'_>, wanted: &Wanted<'_>) -> Soup {
    let adapters = active.shares().iter();
    let sources = adapters.flat_map(|(_, it)| it.checkpoint().sources().to_vec()).collect();
    let width = active.shares().len();
    Soup::of(tensors, Shape::Named(ADAPTER_WEIGHTS), wanted.recipe, sources, width)
}
