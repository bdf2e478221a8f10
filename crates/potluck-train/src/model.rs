//! The model: a decoder of the Llama family, kept as a Hugging Face folder.
//!
//! [`Shape`] says what tensors there are, [`Decoder`] computes with them, [`read_weights`] lets a
//! file in only if its names, shapes and types are exactly those, and [`ModelFolder`] is the folder
//! that `transformers` opens. Half-rotation RoPE, RMSNorm, SwiGLU, grouped queries and tied
//! embeddings follow `transformers`' `LlamaForCausalLM`, whose logits a test vector fixes.
//!
//! All arithmetic is in F32: at this size a 16-bit path gains little and costs reproducibility of
//! the small differences that experts trade in.

mod decoder;
mod folder;
mod shape;
mod weights;

pub use decoder::{Attention, Cache, Decoder};
pub use folder::{ModelFolder, WriteModelError};
pub use shape::{Shape, TensorSpec};
pub use weights::{read_weights, weights_bytes};
