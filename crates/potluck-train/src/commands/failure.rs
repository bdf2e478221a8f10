//! Why the program ended otherwise than well, and with which exit code.

use crate::bad_input::BadInput;
use crate::hf::SaveError;
use crate::model::WriteModelError;
use crate::outbox::OutboxError;
use crate::tokenizer::TokenizerError;
use crate::tune::{RunError, StateError};

/// A verb's failure.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something given to us cannot be used: exit code 3.
    #[error(transparent)]
    Input(#[from] BadInput),
    /// A base did not pass: exit code 4.
    #[error("{0}")]
    Gate(String),
    /// The run's state could not be kept: exit code 1, or 3 where the folder is another run's.
    #[error(transparent)]
    State(#[from] StateError),
    /// The model could not be written: exit code 1.
    #[error(transparent)]
    Model(#[from] WriteModelError),
    /// The outbox could not be filled: exit code 1.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// The tokenizer failed: exit code 1.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A run of a recipe could not be brought to its end: exit code 1, or 3 for what was given to it.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Somebody asked to stop: exit code 130.
    #[error("stopped after {0} steps, which are kept; the same command goes on")]
    Interrupted(u64),
    /// A trained scorer could not be written: exit code 1, or 3 where something is in its place.
    #[error(transparent)]
    Scorer(#[from] SaveError),
    /// The disk refused: exit code 1.
    #[error("cannot use {0}")]
    Disk(String, #[source] std::io::Error),
}

/// The stable name of a failure's kind, for scripts.
pub fn public_code(failure: &Failure) -> &'static str {
    match exit_code(failure) {
        3 => "bad-input",
        4 => "gate-failed",
        130 => "interrupted",
        _ => "local-failure",
    }
}

/// The exit code of a failure; wrong usage (2) is reported by the parser of arguments.
pub fn exit_code(failure: &Failure) -> u8 {
    match failure {
        Failure::Input(_) | Failure::State(StateError::Folder(_)) => 3,
        Failure::Run(RunError::Input(_) | RunError::State(StateError::Folder(_))) => 3,
        Failure::Scorer(SaveError::Exists(_)) => 3,
        Failure::Gate(_) => 4,
        Failure::Interrupted(_) => 130,
        _ => 1,
    }
}
