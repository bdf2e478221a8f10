//! Safetensors in, safetensors out: the soup arithmetic, and what admission asks of an expert's bytes.
//!
//! Sync and in bounded memory: no file is mapped or loaded whole, and what is held does not grow with the size
//! of a model. The same functions run in the aggregator (to admit and publish), in the trainer (to evaluate
//! many λ) and at the auditor's (to recompute); `docs/formats.md` specifies what they compute.
//!
//! Modules stand in the order in which to read them: [`mod@layout`] reads a file's header, [`mod@index`] a sharded
//! folder's list of files, [`convert`] an element, [`kernel`] mixes runs of them,
//! [`mod@inspect`] judges an expert against its base, [`mod@blend`] mixes, [`mod@method`] in other ways too, [`mod@formula`] says of what,
//! [`mod@write`] lays the result down, and
//! [`checkpoint`] lists a folder's files; [`mod@statistics`] and [`mod@difference`] look into checkpoints.
//! [`mod@adapter`] makes soups of LoRA adapters, by rules of its own and the same engine; [`mod@conform`] brings what other
//! trainers leave into the base's form.
//!
//! What this room refuses to do: to judge signatures, digests or entitlement (its callers hold that evidence),
//! to reach the network, and to let a NaN or an infinity into a soup.

mod json;

pub mod layout;
pub mod index;
pub mod source;
pub mod checkpoint;

pub mod convert;
pub mod float_state;
pub mod kernel;

pub mod inspect;

pub mod blend;
pub mod method;
pub mod formula;
pub mod write;

mod in_turn;
mod widths;
pub mod statistics;
pub mod difference;

pub mod manifest;

pub mod adapter;
pub mod conform;

#[cfg(test)]
mod samples;

pub use blend::{BlendError, Blended, MixedTensor, Mixture, blend, recompute};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use formula::{Formula, Parameter, Portion};
pub use index::{IndexError, ShardIndex, shard_name};
pub use inspect::{ChangeLimit, Inspected, Inspection, inspect, inspect_base};
pub use layout::{Dtype, HeaderLimit, Layout, LayoutError, TensorLayout};
pub use manifest::{FolderError, file_entry, manifest_of, open_plain, sha256_of};
pub use method::{Method, MethodError, Weights};
pub use write::Durability;
