//! The models that the trainer makes: small decoders of the Llama family, kept as Hugging Face folders.
//!
//! [`llama_config`] is the `config.json`, [`read_weights`] lets a file in only if its names, shapes
//! and types are exactly those of the model, and [`ModelFolder`] is the folder that `transformers`
//! opens. What computes is [`crate::hf`], which knows models of any origin.
//!
//! All arithmetic on these is in F32: at this size a 16-bit path gains little and costs
//! reproducibility of the small differences that experts trade in.

mod config;
mod folder;
mod weights;

pub use config::llama_config;
pub use folder::{ModelFolder, WriteModelError};
pub use weights::{TensorSpec, read_weights, weights_bytes};
