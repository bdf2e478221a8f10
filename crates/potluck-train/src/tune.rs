//! Fine-tuning any base: supervised, or by reinforcement on a party's rewards.

mod advantage;
mod kl;
mod objective;
mod pass;
mod policy;
mod state;
