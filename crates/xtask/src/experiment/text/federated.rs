//! The parties of a study of texts in the story of a federation.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Shop;
use super::recipes::Recipes;
use super::training::Made;
use crate::experiment::federated::{self, Story};

/// Tells the whole story once, and what came of it.
///
/// # Errors
/// When a program fails, or the auditor's soup is not the published one.
pub(super) fn told(
    shop: &Shop,
    recipes: &Recipes,
    base: &Made,
    made: &BTreeMap<String, Made>,
) -> Result<Value> {
    let parties = recipes.parties();
    let party = |name: &String| format!("expert-{name}");
    let experts = parties.iter().map(|name| (name.as_str(), &made[&party(name)]));
    federated::told(&Story {
        programs: &shop.programs,
        dir: &shop.dir,
        name: shop.study.name,
        base: (&base.model, &base.said["blake3"]),
        parties: experts.map(|(name, it)| (name, it.model.as_path(), &it.said["blake3"])).collect(),
    })
}

/// The digest of what was trained, for pieces that read it.
pub(super) fn digest(made: &Made) -> Result<String> {
    made.said["blake3"].as_str().map(str::to_owned).context("a training without a digest")
}
