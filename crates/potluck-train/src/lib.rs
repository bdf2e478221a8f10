//! The trainer: from a base and a private reward to an expert in an outbox.
//!
//! It is its own program and links no network crate: rewards and data live in a process that
//! cannot speak. What leaves is what stands in an [`outbox`]. Modules stand in the order in which
//! to read them: the world first ([`task`], [`reward`], [`text`], [`data`]), then what learns it
//! ([`model`], [`hf`], [`algorithm`], [`tune`], [`bradley_terry`]) and what watches it ([`guard`],
//! [`journal`]), then what comes out ([`outbox`], [`evaluate`]).

pub mod task;
pub mod reward;
pub mod text;
pub mod data;
pub mod guard;
pub mod journal;
pub mod tokenizer;
pub mod model;
pub mod hf;
pub mod rollout;
pub mod algorithm;
pub mod tune;
pub mod bradley_terry;
pub mod outbox;
pub mod evaluate;

pub mod commands;
pub mod recipe;

pub mod allocator;
pub mod bad_input;
pub mod files;
pub mod stream;
