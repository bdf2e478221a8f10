//! Private rewards: what a party wants of a completion, and the scores that follow from it.
//!
//! A recipe holds a weighted list of them ([`Rewards`]): rules that this crate computes, programs
//! that answer a line for each batch, model folders. The list is handed whole batches of
//! [`Sample`]s and either scores a batch by the rules of `docs/rewards.md` or fails it with an error
//! that names the reward ([`RewardError`]); nobody trains on half a batch of scores. Completions
//! leave this process only to a program that the recipe names, and no definition ever leaves the
//! party's folder; [`Nonce::commit`] binds the party to it without telling it.
//!
//! ```text
//! toml ─▶ keys ─▶ list ─▶ entry ─┬▶ rule/*              one sample at a time
//!                                ├▶ program/*           a child, a line of JSON a batch
//!                                └▶ model               a folder, opened by whoever calls
//!         samples ─▶ raw scores ─▶ clip ─▶ whiten ─▶ × weight ─▶ Scored
//! ```

mod sample;
mod keys;
mod inputs;
mod list;
mod entry;
mod whitening;
mod scored;
mod error;
mod text;
mod rule;
mod program;
mod model;
mod news;
mod commitment;

pub use commitment::Nonce;
pub use error::{Fault, RewardError};
pub use list::Rewards;
pub use model::{OpenScorer, Shown, TextScorer};
pub use news::{Judgement, Reward, RewardFile};
pub use sample::Sample;
pub use scored::{Part, Scored};
