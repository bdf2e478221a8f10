//! Experts' files, and the soups that are mixed from them, by the same arithmetic as published ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use potluck_core::{Lambda, PartyId};
use potluck_soup::{Checkpoint, Dtype, Mixture};
use tch::{Kind, Tensor};

use crate::bad_input::BadInput;
use crate::hf::{Architecture, Decoder, Plan};

/// Experts of one shape.
#[derive(Debug)]
pub struct Kitchen {
    architecture: Architecture,
    experts: BTreeMap<PartyId, PathBuf>,
}

impl Kitchen {
    /// Checks experts in safetensors files, or in folders that hold a `model.safetensors`.
    ///
    /// # Errors
    /// [`BadInput`] where a name is given twice, or a file is missing or does not fit the base.
    pub fn read<'a>(
        base: &Architecture,
        experts: impl IntoIterator<Item = (&'a PartyId, &'a Path)>,
    ) -> Result<Self, BadInput> {
        let mut files = BTreeMap::new();
        for (party, path) in experts {
            let file = if path.is_dir() { path.join("model.safetensors") } else { path.to_owned() };
            if files.insert(party.clone(), file).is_some() {
                return Err(BadInput::new(format!(
                    "--expert {party}: given twice; name each expert once"
                )));
            }
        }
        let kitchen = Self { architecture: base.clone(), experts: files };
        kitchen.experts.values().try_for_each(|file| kitchen.check(file))?;
        Ok(kitchen)
    }

    /// Checks names and shapes of an expert's tensors.
    fn check(&self, file: &Path) -> Result<(), BadInput> {
        let refuse = |reason: String| Err(BadInput::file(file, &reason));
        let checkpoint = Checkpoint::open(file).map_err(|error| BadInput::because(file, error))?;
        let plan = Plan::of(&self.architecture);
        for spec in plan.tensors() {
            let Some(input) = checkpoint.input(&spec.name) else {
                return refuse(format!("the tensor {} is missing", spec.name));
            };
            let shape = &input.tensor().shape;
            if !shape.iter().copied().eq(spec.shape.iter().map(|&side| side as u64)) {
                return refuse(format!(
                    "the tensor {} has shape {shape:?}, not {:?}",
                    spec.name, spec.shape
                ));
            }
        }
        Ok(())
    }

    /// Checks that each party to whom `lambda` gives weight has an expert here.
    ///
    /// # Errors
    /// [`BadInput`] that names the party.
    pub fn can_cook(&self, lambda: &Lambda) -> Result<(), BadInput> {
        match lambda.active().find(|(party, _)| !self.experts.contains_key(party)) {
            Some((party, _)) => Err(BadInput::new(format!(
                "--lambda {lambda}: no expert {party}; add --expert {party}=PATH"
            ))),
            None => Ok(()),
        }
    }

    /// The experts to whom `lambda` gives weight, each by itself, with its share.
    ///
    /// # Errors
    /// As [`Self::soup`].
    pub fn members(&self, lambda: &Lambda) -> Result<Vec<(Decoder, f64)>, BadInput> {
        self.can_cook(lambda)?;
        let member = |(party, ppm): (&PartyId, u32)| {
            Ok((self.soup(&Lambda::single(party.clone()))?, f64::from(ppm) / 1e6))
        };
        lambda.active().map(member).collect()
    }

    /// The soup of `lambda`, its weights the very ones that a blend into a file would have.
    ///
    /// # Errors
    /// As [`Self::can_cook`], and where the files changed since they were checked.
    pub fn soup(&self, lambda: &Lambda) -> Result<Decoder, BadInput> {
        self.can_cook(lambda)?;
        let fault =
            |reason: &dyn std::fmt::Display| BadInput::new(format!("--lambda {lambda}: {reason}"));
        let active: Vec<_> = lambda
            .active()
            .map(|(party, _)| (party.clone(), self.experts[party].clone()))
            .collect();
        let mixture = Mixture::open(&active).map_err(|error| fault(&error))?;
        let mut mixed = BTreeMap::new();
        for tensor in mixture.tensors(lambda).map_err(|error| fault(&error))? {
            let tensor = tensor.map_err(|error| fault(&error))?;
            mixed.insert(tensor.name, (tensor.dtype, tensor.bytes));
        }
        let plan = Plan::of(&self.architecture);
        let weights = plan.tensors().iter().map(|spec| {
            let (dtype, bytes) =
                mixed.get(&spec.name).ok_or_else(|| fault(&format!("no tensor {}", spec.name)))?;
            let kind = match dtype {
                Dtype::Bf16 => Kind::BFloat16,
                Dtype::F16 => Kind::Half,
                Dtype::F32 => Kind::Float,
                other => return Err(fault(&format!("{} is of type {}", spec.name, other.name()))),
            };
            Tensor::f_from_data_size(bytes, &spec.shape, kind)
                .map(|tensor| tensor.to_kind(Kind::Float))
                .map_err(|_| fault(&format!("the tensor {} has another shape", spec.name)))
        });
        Ok(Decoder::of(self.architecture.clone(), weights.collect::<Result<_, _>>()?))
    }
}
