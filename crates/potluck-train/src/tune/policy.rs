//! What is trained: a decoder, whole or by LoRA, and with PPO a value head.

use tch::{Kind, Tensor};

use crate::hf::{Decoder, LoraError, LoraSettings};

/// The names of the value head's tensors in a state.
const VALUE: [&str; 2] = ["value_head.weight", "value_head.bias"];

/// A model in training.
#[derive(Debug)]
pub struct Policy {
    decoder: Decoder,
    value: Option<[Tensor; 2]>,
}

impl Policy {
    /// Trains `decoder`, or with `lora` pairs beside it that follow from `seed`.
    ///
    /// # Errors
    /// [`LoraError`], which names the module.
    pub fn new(
        mut decoder: Decoder,
        lora: Option<&LoraSettings>,
        seed: u64,
    ) -> Result<Self, LoraError> {
        if let Some(settings) = lora {
            decoder.add_lora(settings, seed)?;
        }
        decoder.make_trainable();
        Ok(Self { decoder, value: None })
    }

    /// Trains all weights of `decoder`.
    pub fn whole(mut decoder: Decoder) -> Self {
        decoder.make_trainable();
        Self { decoder, value: None }
    }

    /// Adds a value head that expects nothing yet.
    pub fn with_value_head(mut self) -> Self {
        let options = (Kind::Float, self.decoder.device());
        let zeros = |shape: &[i64]| Tensor::zeros(shape, options).set_requires_grad(true);
        self.value = Some([zeros(&[1, self.decoder.architecture().hidden]), zeros(&[1])]);
        self
    }

    /// The model.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The value expected at each of the hidden states `[count, width]`.
    pub fn values(&self, hidden: &Tensor) -> Option<Tensor> {
        let [weight, bias] = self.value.as_ref()?;
        Some(hidden.linear(weight, Some(bias)).squeeze_dim(1))
    }

    /// What is trained, with its names; always in the same order.
    pub fn trained(&self) -> Vec<(String, &Tensor)> {
        let mut trained = self.decoder.trained();
        if let Some(value) = &self.value {
            trained.extend(VALUE.iter().map(|name| (*name).to_owned()).zip(value));
        }
        trained
    }

    /// Replaces what is trained by tensors of the same shapes, in the order of [`Self::trained`].
    pub fn put_trained(&mut self, tensors: Vec<Tensor>) {
        let mut tensors = tensors;
        let own = self.decoder.trained().len().min(tensors.len());
        let of_head = tensors.split_off(own);
        self.decoder.put_trained(tensors);
        if let Some(value) = &mut self.value {
            for (old, new) in value.iter_mut().zip(of_head) {
                *old = new.set_requires_grad(true);
            }
        }
        self.decoder.make_trainable();
    }
}
