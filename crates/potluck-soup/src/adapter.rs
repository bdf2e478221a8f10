//! Soups of LoRA adapters in PEFT's format, in and out.

pub mod config;
pub mod pattern;

pub use self::config::{AdapterConfig, AdapterConfigError};

/// What of a refused text is repeated: enough to find it, never a megabyte and no control character.
fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}
