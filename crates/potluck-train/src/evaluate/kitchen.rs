//! Experts in memory, and the soups that are mixed from them.

use std::collections::BTreeMap;
use std::path::Path;

use potluck_core::{Lambda, PartyId};
use tch::{Kind, Tensor};

use crate::bad_input::BadInput;
use crate::model::{Decoder, ModelFolder, Shape};

/// Experts of one shape.
#[derive(Debug)]
pub struct Kitchen {
    shape: Shape,
    experts: BTreeMap<PartyId, Vec<Tensor>>,
}

impl Kitchen {
    /// Reads experts from safetensors files, or from folders that hold a `model.safetensors`.
    ///
    /// # Errors
    /// [`BadInput`] where a name is given twice, or a file is missing or does not fit the base.
    pub fn read<'a>(
        base: &ModelFolder,
        experts: impl IntoIterator<Item = (&'a PartyId, &'a Path)>,
    ) -> Result<Self, BadInput> {
        let mut read = BTreeMap::new();
        for (party, path) in experts {
            let file = if path.is_dir() { path.join("model.safetensors") } else { path.to_owned() };
            let (weights, _) = ModelFolder::weights_at(&file, &base.shape)?;
            if read.insert(party.clone(), weights).is_some() {
                return Err(BadInput::new(format!(
                    "--expert {party}: given twice; name each expert once"
                )));
            }
        }
        Ok(Self { shape: base.shape.clone(), experts: read })
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

    /// The soup of `lambda`.
    ///
    /// # Errors
    /// As [`Self::can_cook`].
    pub fn soup(&self, lambda: &Lambda) -> Result<Decoder, BadInput> {
        self.can_cook(lambda)?;
        let active: Vec<_> =
            lambda.active().map(|(party, ppm)| (&self.experts[party], ppm)).collect();
        let weights = (0..self.shape.tensors().len())
            .map(|index| {
                let sum: Tensor = active
                    .iter()
                    .map(|(weights, ppm)| weights[index].to_kind(Kind::Double) * f64::from(*ppm))
                    .sum();
                (sum / 1e6).to_kind(Kind::Float)
            })
            .collect();
        Ok(Decoder::new(self.shape.clone(), weights))
    }
}
