//! The aggregator: verifies, logs, blends and serves. It is not trusted.
//!
//! It orders, stores, computes and hands out, but every entry is signed by its author and every result can be
//! recomputed by anyone. What it must never do is lose or show too early: nothing is acknowledged before it is
//! durable, and nothing is served before its entry is under a signed checkpoint.
//!
//! Modules stand in the order in which to read them: how it is set up ([`config`], [`home`], [`log_keys`], [`start`]), what it
//! keeps ([`fault`], [`store`], [`catalogue`], [`history`], [`ledger`]), what it does ([`submission`], [`round`], [`sweep`]), and how the
//! network calls it ([`server`], `streams`, [`http`]); whom it asks itself
//! ([`outside`]), and how it is asked whether it is ready ([`ready`]); last, how its settings are read again while it runs
//! ([`reload`]), and how it tells what it does ([`telling`]). `main.rs` is the program.

pub mod config;
pub mod home;
pub mod log_keys;
pub mod start;

pub mod fault;
pub mod store;

pub mod catalogue;
pub mod history;
pub mod ledger;

pub mod blends;
pub mod counts;
pub mod tokens;
pub mod uploads;

pub mod submission;

pub mod round;

pub mod sweep;

pub mod server;

pub mod check;

pub mod doctor;

mod streams;

pub mod http;

mod exchange;
pub mod outside;
pub mod ready;
pub mod url;

pub mod reload;
pub mod telling;

#[cfg(test)]
mod fixture;

pub use config::{Arguments, Settings};
pub use server::Aggregator;
pub use start::StartError;

/// An error with what caused it, in one line.
pub fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
