//! Encoders with a head for sequence classification: BERT, RoBERTa, DeBERTa-v3.
//!
//! As with decoders, [`Shape`] refuses by key what it does not know, [`Plan`] names all tensors,
//! and [`Encoder`] computes, following `transformers`' eager paths in F32 without dropout. The
//! families differ in names, in how positions enter, and in what the first token's state goes
//! through before the last map. Called by the scorer alone.

mod shape;
mod plan;
mod relative;
mod run;

pub(super) use plan::{Plan, is_head, is_ignored, other_names};
pub(super) use run::{Encoder, Rows};
pub(super) use shape::{Shape, is_encoder};
