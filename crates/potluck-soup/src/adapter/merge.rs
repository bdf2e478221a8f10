//! `adapter_merge/1`: the dense model W + Σ λᵢ·sᵢ·BᵢAᵢ, made row by row.
//!
//! ```text
//! W  [rows of a piece]  ┐
//! B  [those rows]       ├─▶ Δ in binary64, k by k ─▶ W + Δ ─▶ rounded once to the base's dtype
//! A  [its columns]      ┘   (block of columns by block)
//! ```
//!
//! Δ never exists as a whole, and is not rounded before it is added. Of the adapters only what lies under a piece is
//! read. Tensors that no adapter touches are the base's bytes.

mod rule;

use std::collections::BTreeMap;

use potluck_core::PartyId;

use self::rule::{Ground, Merged};
use super::agreement::{Active, Part, Weighed};
use super::linear::{check_dtype, mixed};
use super::names::{Kind, in_base};
use super::tied::Tying;
use super::{AdapterError, Share, Wanted};
use crate::blend::{Agreed, Input, Planned, Rule, Shape, Soup, in_format};
use crate::checkpoint::Checkpoint;
use crate::layout::Dtype;

/// How many inputs' blocks a core's cache is to hold beside the output's: the base's, and the panels'.
const WIDTH: usize = 2;

/// Plans the base plus the adapters' changes, in files of `shape`.
///
/// A tensor that the adapters retrained whole replaces the base's. Reads headers and configurations, no weight.
///
/// # Errors
/// [`AdapterError`]; of the base's kind where the adapters do not fit it.
pub fn merge(
    base: &Checkpoint,
    shares: &[Share<'_>],
    shape: Shape<'_>,
    wanted: &Wanted<'_>,
) -> Result<Soup, AdapterError> {
    check_dtype(wanted)?;
    let active = Active::of(shares)?;
    // Also asks whether the adapters agree in what they say of the weights.
    let transposed = active.config(wanted)?.fan_in_fan_out();
    let plan = Merge { base, active: &active, tying: Tying::of(base)?, transposed, wanted };
    let mut changes = plan.changes()?;
    let tensors = base.tensors().map(|tensor| {
        changes.remove(&tensor.name).unwrap_or_else(|| {
            let input = base.input(&tensor.name).expect("it stands in the list");
            untouched(input, wanted.dtype)
        })
    });
    let tensors = tensors.collect();
    let adapters = active.shares().iter().flat_map(|(_, it)| it.checkpoint().sources());
    let sources = base.sources().iter().chain(adapters).cloned().collect();
    Ok(Soup::of(tensors, shape, wanted.recipe, sources, WIDTH))
}

/// A merge whose tensors are being planned.
struct Merge<'a> {
    base: &'a Checkpoint,
    active: &'a Active<'a>,
    tying: Tying,
    /// Whether the weights of adapted layers lie as (in, out).
    transposed: bool,
    wanted: &'a Wanted<'a>,
}

impl Merge<'_> {
    /// The tensors that the adapters change, by their names in the base.
    fn changes(&self) -> Result<BTreeMap<String, Planned>, AdapterError> {
        let modules = self.active.modules()?;
        let (mut saved, mut changes) = (BTreeMap::new(), BTreeMap::new());
        for (whole, inputs) in self.active.whole()? {
            self.check_numbers(&inputs)?;
            let name = in_base(whole);
            let module = name.strip_suffix(".weight").unwrap_or_default();
            // PEFT saves an adapted embedding's own weight beside its factors.
            if whole != name && modules.contains_key(module) {
                saved.insert(name, inputs);
            } else {
                changes.insert(name.clone(), self.replaced(name, inputs)?);
            }
        }
        for (module, parts) in modules {
            let name = format!("{module}.weight");
            let saved = saved.remove(&name).unwrap_or_default();
            changes.insert(name, self.merged(module, &parts, saved)?);
        }
        Ok(changes)
    }

    /// Constants of an adapter have no place in a model.
    fn check_numbers(&self, inputs: &Weighed) -> Result<(), AdapterError> {
        let constant = inputs.iter().position(|(_, input)| !input.dtype().is_float());
        constant.map_or(Ok(()), |position| {
            Err(AdapterError::Tensor {
                party: self.active.shares()[position].1.party().clone(),
                tensor: inputs[position].1.tensor().name.clone(),
                what: "it holds no floating-point numbers",
            })
        })
    }

    /// A tensor that the adapters retrained whole.
    fn replaced(&self, name: String, inputs: Weighed) -> Result<Planned, AdapterError> {
        let party = self.active.shares()[0].1.party();
        let target = self.target(party, &name, Kind::Weight)?;
        if target.tensor().shape != inputs[0].1.tensor().shape {
            return Err(self.misshapen(party, &target, false));
        }
        let dtype = self.wanted.dtype.unwrap_or(target.dtype());
        mixed(self.active, name, inputs, Some(dtype))
    }

    /// A tensor of the base and the changes of one module.
    fn merged(
        &self,
        module: &str,
        parts: &[Part<'_>],
        saved: Weighed,
    ) -> Result<Planned, AdapterError> {
        let (party, factors) = (parts[0].adapter.party(), parts[0].factors);
        let target = self.target(party, &format!("{module}.weight"), factors.kind)?;
        let (shape, is_transposed) = factors.target(self.transposed);
        let misshapen = |(_, it): &(i64, Input)| it.tensor().shape != shape;
        if target.tensor().shape != shape || saved.iter().any(misshapen) {
            let is_said = is_transposed && factors.kind == Kind::Weight;
            return Err(self.misshapen(party, &target, is_said));
        }
        let dtype = self.wanted.dtype.unwrap_or(target.dtype());
        let name = target.tensor().name.clone();
        let ground = Ground { tensor: target, saved };
        let rule = Box::new(Merged::new(ground, module, parts, is_transposed, dtype));
        Ok(Planned { name, dtype, shape, rule })
    }

    /// The base's tensor that a change is added to, or that is replaced.
    fn target(&self, party: &PartyId, name: &str, kind: Kind) -> Result<Input, AdapterError> {
        let (party, tensor) = (party.clone(), name.to_owned());
        let Some(input) = self.base.input(name) else {
            return Err(AdapterError::NotInBase { party, tensor });
        };
        if self.tying.forbids(self.base, input.tensor(), kind) {
            return Err(AdapterError::Tied { party, tensor });
        }
        if !input.dtype().is_float() {
            return Err(AdapterError::BaseDtype { tensor, dtype: input.dtype() });
        }
        Ok(input)
    }

    fn misshapen(&self, party: &PartyId, base: &Input, transposed: bool) -> AdapterError {
        let tensor = base.tensor().name.clone();
        AdapterError::BaseShape { party: party.clone(), tensor, transposed }
    }
}

fn untouched(input: Input, dtype: Option<Dtype>) -> Planned {
    let (name, shape) = (input.tensor().name.clone(), input.tensor().shape.clone());
    let is_float = input.dtype().is_float();
    let dtype = dtype.filter(|_| is_float).unwrap_or(input.dtype());
    let rule: Box<dyn Rule> =
        if is_float { in_format(input, dtype) } else { Box::new(Agreed(vec![input])) };
    Planned { name, dtype, shape, rule }
}
