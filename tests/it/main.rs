//! End-to-end stories with real processes, grouped by the steps in the life of a checkpoint.

#![allow(missing_docs, reason = "a test binary has no public items")]
#![allow(clippy::unwrap_used, reason = "a story that cannot go on fails")]

mod story;
mod soup_to_soup;

mod upload;
mod status;
mod pull;
mod verify;
mod keys;
mod log_key;
mod witness;
mod ledger_vectors;
mod agree;
mod round;
mod bargain;
mod agreement;
mod api;
mod audit;
mod interchange;
mod own_trainer;
mod adapters;
mod hub;
mod mix;

mod inspect;
mod operating;

mod kill;
mod shutdown;
mod faults;
mod bad_input;

mod deploy;
