//! Names that mean something else already, where federations and parties are spoken of.
//!
//! They are asked for at the doors: when a federation is founded, and when a party is invited or admitted. They are no rule of
//! the ledger, which was written before some of them were taken: a federation that has one goes on.

use crate::ids::{FederationName, PartyId};

/// First parts of paths that an aggregator serves over HTTP: a federation's models stand under its own name there.
/// A test of the aggregator compares them with its routes.
pub const PATHS: [&str; 14] = [
    "api",
    "assets",
    "checkpoint",
    "downloads",
    "envelope",
    "front",
    "healthz",
    "ledger",
    "live",
    "metrics",
    "readyz",
    "rounds",
    "taste",
    "tile",
];

/// Words that stand in the place of a party's name: who founded, what all began with, what is served.
pub const WORDS: [&str; 3] = ["base", "main", "operator"];

/// A name that is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reserved {
    /// A federation's.
    #[error("a federation cannot be called '{0}': the aggregator serves something else under /{0}")]
    Federation(FederationName),
    /// A party's.
    #[error(
        "a party cannot be called '{0}': the word means something else where experts and soups are named"
    )]
    Party(PartyId),
}

/// Asks whether a federation can be called that.
///
/// # Errors
/// [`Reserved::Federation`].
pub fn federation(name: &FederationName) -> Result<(), Reserved> {
    let is_taken = PATHS.contains(&name.as_str());
    if is_taken { Err(Reserved::Federation(name.clone())) } else { Ok(()) }
}

/// Asks whether a party can be called that.
///
/// # Errors
/// [`Reserved::Party`].
pub fn party(name: &PartyId) -> Result<(), Reserved> {
    let number = name.as_str().strip_prefix("round-");
    let is_round =
        number.is_some_and(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()));
    let is_taken = WORDS.contains(&name.as_str()) || is_round;
    if is_taken { Err(Reserved::Party(name.clone())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_means_something_else_is_taken() {
        for name in ["tile", "envelope", "api", "rounds"] {
            let error = federation(&name.parse().unwrap()).unwrap_err().to_string();
            assert!(error.contains(&format!("'{name}'")), "{error}");
        }
        assert_eq!(federation(&"news".parse().unwrap()), Ok(()));
        for name in ["operator", "base", "main", "round-3"] {
            assert!(party(&name.parse().unwrap()).is_err(), "{name}");
        }
        for name in ["readers", "round", "round-", "round-table", "mainz"] {
            assert_eq!(party(&name.parse().unwrap()), Ok(()), "{name}");
        }
    }
}
