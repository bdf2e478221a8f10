//! Hugging Face decoder models: a folder that `transformers` saved, computed with here, saved again.
//!
//! ```text
//! config.json -> Settings -> Architecture -> Plan (names and shapes of all tensors)
//! *.safetensors headers ------------------------^ must fit, then weights are read -> Decoder
//! ```
//!
//! A folder comes from anybody. [`Architecture`] refuses by name what it does not know, [`Plan`]
//! says what tensors there must be, and only when every header agrees is memory for weights taken.
//! [`Scorer`] is a model with a head for scores: one of these decoders, or an encoder.
//! [`Sampler`] is what writes: a copy of a decoder, on a CPU in code of our own ([`Native`]).
//! Families: Llama (with SmolLM), Mistral, Qwen2, Qwen3, Gemma 2, GPT-2, GPT-NeoX. All arithmetic
//! is in F32; `tests/hf.rs` holds it against `transformers`' own logits and greedy tokens.

mod settings;
mod rope;
mod architecture;
mod families;
mod plan;
mod folder;
mod rows;
mod batch;
mod turn;
mod cache;
mod decoder;
mod wide;
mod lora;
mod snapshot;
mod recomputed;
mod fresh;
mod packed;
mod sampling;
mod generate;
mod native;
mod sampler;
mod save;
mod peft;
mod encoder;
mod scorer;

pub use architecture::{Activation, Architecture, Attention, Family, Norm};
pub use batch::{Batch, PromptError};
pub use decoder::Decoder;
pub use folder::{Folder, OpenError};
pub use generate::{Choosing, Continuation, Ending, IsOver};
pub use lora::{Lora, LoraError, LoraSettings};
pub use native::Native;
pub(crate) use packed::log_probs;
pub use packed::{Group, Packed};
pub use peft::AdapterError;
pub use plan::Plan;
pub use recomputed::Recomputed;
pub use rope::{Rope, Scaling};
pub use rows::Rows;
pub use sampler::Sampler;
pub use sampling::{Sampling, SamplingError};
pub use save::SaveError;
pub(crate) use save::write_tensors;
pub use scorer::{Reading, ScoreError, Scorer};
pub use settings::ConfigError;
