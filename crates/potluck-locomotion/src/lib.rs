//! Locomotion: a planar body learns to run, fast or with little effort, and soups lie between.
//!
//! The task of the paper on rewarded soups at a size for a processor: *risky* is the velocity, *cautious* the velocity less a price
//! of the squared actions. What a party hands on is an outbox like any trainer's, so that the federation knows nothing of
//! bodies. Modules stand in the order in which to read them: the [`world`] and its body, what is rewarded, the policy and
//! its frozen view of the world, how it learns ([`advantage`], [`ppo`]), what is handed on ([`folder`]), and how soups of it are
//! scored ([`soup`], [`evaluate`]) and shown ([`film`]).
//!
//! It links no network crate, and MuJoCo only with the feature `mujoco`; without it, all but the bodies is there.

pub mod world;
pub mod body;
#[cfg(feature = "mujoco")]
pub mod engine;
pub mod reward;
pub mod normaliser;
pub mod policy;
pub mod advantage;
pub mod rollout;
pub mod ppo;
pub mod folder;
pub mod soup;
pub mod evaluate;
pub mod film;
pub mod commands;
