//! An adapter in one file: its configuration stands in the header, under the key `adapter_config`.
//!
//! A federation knows an expert and a soup by the digest of one file, and what an adapter's factors *mean* stands in its
//! configuration; so the two go together. PEFT reads the file as it is, once the configuration lies beside it, which
//! whoever fetches one writes there ([`config_of`]). `adapter_linear/2` makes such files.

use std::path::Path;

use potluck_core::{Blake3, PartyId};

use super::config::AdapterConfig;
use super::linear::linear;
use super::scale::MILLION;
use super::shared::shared;
use super::{Adapter, AdapterError, Share, Wanted};
use crate::blend::{ADAPTER_CONFIG_KEY, BlendError, SHARED_A_KEY, Soup};
use crate::checkpoint::{Checkpoint, CheckpointError};

/// Plans the soup of `adapter_linear/2`: as [`linear()`] has it, in one file with its configuration. The words for base,
/// revision and task are those of the first adapter, in ascending order of party.
///
/// # Errors
/// As [`linear()`].
pub fn packed(shares: &[Share<'_>], recipe: Option<Blake3>) -> Result<Soup, AdapterError> {
    let first = shares.iter().filter(|(ppm, _)| *ppm != 0).map(|(_, it)| it.party()).min();
    let made = linear(shares, &Wanted { dtype: None, recipe, prefer: first })?;
    Ok(with(made.soup, recipe, &made.config, None))
}

/// Plans one adapter as an expert of a federation: its tensors as they are, and its configuration, but for a word that says
/// where the base lies on its author's machine.
///
/// # Errors
/// As [`linear()`].
pub fn expert(adapter: &Adapter) -> Result<Soup, AdapterError> {
    let made = linear(&[(MILLION, adapter)], &Wanted { dtype: None, recipe: None, prefer: None })?;
    Ok(with(made.soup, None, &as_expert(made.config), None))
}

/// A configuration without the word that says where the base lies on its author's machine.
pub(super) fn as_expert(mut config: AdapterConfig) -> AdapterConfig {
    config.base_model = config.base_model.filter(|name| !is_place(name));
    config
}

/// Plans the file that PEFT reads beside its configuration, of an adapter that leaves factors A to be drawn; nothing of any other,
/// which PEFT reads as it is.
///
/// # Errors
/// As [`linear()`].
pub fn restored(path: &Path, party: &PartyId) -> Result<Option<Soup>, AdapterError> {
    let checkpoint = Checkpoint::open(path)
        .map_err(|source| BlendError::Checkpoint { party: party.clone(), source })?;
    if shared_in(&checkpoint).is_none() {
        return Ok(None);
    }
    let adapter = Adapter::open(party, &checkpoint)?;
    let wanted = Wanted { dtype: None, recipe: None, prefer: None };
    Ok(Some(linear(&[(MILLION, &adapter)], &wanted)?.soup))
}

/// Asks whether adapters can be mixed with one another at all, whatever the shares; by headers and configurations.
///
/// # Errors
/// As [`linear()`].
pub fn agree(adapters: &[Adapter]) -> Result<(), AdapterError> {
    let shares: Vec<_> = adapters.iter().map(|adapter| (1, adapter)).collect();
    match adapters.iter().any(|adapter| adapter.shared_a().is_some()) {
        true => shared(&shares, None).map(drop),
        false => packed(&shares, None).map(drop),
    }
}

/// The text of the `adapter_config.json` that belongs beside an adapter in one file; nothing where its header holds none.
///
/// # Errors
/// [`CheckpointError`] where it is no file of weights.
pub fn config_of(path: &Path) -> Result<Option<String>, CheckpointError> {
    Ok(packed_config(&Checkpoint::open(path)?).map(str::to_owned))
}

pub(super) fn with(
    soup: Soup,
    recipe: Option<Blake3>,
    config: &AdapterConfig,
    shared_a: Option<&str>,
) -> Soup {
    let text = String::from_utf8(config.canonical()).expect("JSON is written as text");
    soup.with_adapter_config(recipe, &text, shared_a)
}

/// What the header of an adapter in one file says it means; nothing where it says nothing.
pub fn packed_config(checkpoint: &Checkpoint) -> Option<&str> {
    said(checkpoint, ADAPTER_CONFIG_KEY)
}

/// What the header of an adapter in one file says of factors A that are drawn; nothing where it says nothing.
pub(super) fn shared_in(checkpoint: &Checkpoint) -> Option<&str> {
    said(checkpoint, SHARED_A_KEY)
}

/// What stands under a key in the metadata of the only file.
fn said<'a>(checkpoint: &'a Checkpoint, key: &str) -> Option<&'a str> {
    let [source] = checkpoint.sources() else { return None };
    let mut metadata = source.layout().metadata().iter();
    metadata.find(|(there, _)| there == key).map(|(_, text)| text.as_str())
}

/// Whether a name for the base says where it lies on somebody's disk: nobody else can use it, and not everybody is to read it.
fn is_place(name: &str) -> bool {
    name.starts_with(['/', '.', '~']) || name.contains('\\') || name.matches('/').count() > 1
}

impl From<AdapterError> for BlendError {
    fn from(error: AdapterError) -> Self {
        match error {
            AdapterError::Blend(error) => error,
            error => Self::Adapter(Box::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_no_name_of_a_base() {
        for place in ["/home/a/base", "./base", "../base", "~/base", "C:\\base", "runs/1/base"] {
            assert!(is_place(place), "{place}");
        }
        for name in ["meta-llama/Llama-3.2-1B", "gpt2", "base"] {
            assert!(!is_place(name), "{name}");
        }
    }
}
