//! Soups as a federation publishes them: by `linear/1`, or where experts are adapters, `adapter_linear/2` or
//! `adapter_shared_a/1`, in one file, in the
//! experts' own dtypes, under a recipe.
//!
//! The aggregator makes and keeps the file ([`blend`]); whoever only wants to know whether it is what was published
//! makes the same bytes and keeps none of them ([`recompute`]). Whoever serves it without writing it first takes the plan
//! ([`planned`]), whose file is read from any byte on ([`SoupFile::read_at`](super::SoupFile::read_at)).

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use potluck_core::recipe::{Arithmetic, Ingredient};
use potluck_core::{Blake3, PartyId, Recipe, Sha256};

use super::{BlendError, Made, Making, Shape, Soup, Wanted, linear};
use crate::adapter::{self, Adapter, AdapterError, Share};
use crate::checkpoint::Checkpoint;
use crate::write::Durability;

/// A published soup's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blended {
    /// Its length in bytes.
    pub size: u64,
    /// BLAKE3 of its bytes.
    pub blake3: Blake3,
    /// SHA-256 of its bytes.
    pub sha256: Sha256,
}

/// Makes the soup of `recipe` in one file and puts it at `output`.
///
/// `experts` holds exactly the parties that the recipe names, in any order, each with the path of its checkpoint.
/// `progress` hears of bytes done and in all, on the caller's thread. The output appears complete and synced, or
/// not at all.
///
/// # Errors
/// [`BlendError`]; the first one in the order of the output, whatever the number of threads.
pub fn blend(
    recipe: &Recipe,
    experts: &[(PartyId, PathBuf)],
    output: &Path,
    threads: NonZeroUsize,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Blended, BlendError> {
    let soup = planned(recipe, &opened(experts)?)?;
    let (file, total) = (&soup.files()[0], soup.bytes());
    progress(0, total);
    let mut moved = |done| progress(done, total);
    file.write(output, making(threads), Durability::Synced, &mut moved).map(blended)
}

/// Makes the same bytes as [`blend`] and keeps their length and digests only.
///
/// # Errors
/// As [`blend`], of no write.
pub fn recompute(
    recipe: &Recipe,
    experts: &[(PartyId, PathBuf)],
    threads: NonZeroUsize,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Blended, BlendError> {
    let soup = planned(recipe, &opened(experts)?)?;
    let (file, total) = (&soup.files()[0], soup.bytes());
    progress(0, total);
    file.digest(making(threads), &mut |done| progress(done, total)).map(blended)
}

fn making(threads: NonZeroUsize) -> Making {
    Making { threads, blake3: true, sha256: true }
}

/// `made` has both digests, since `making` asked for them.
fn blended(made: Made) -> Blended {
    let (Some(blake3), Some(sha256)) = (made.blake3, made.sha256) else {
        unreachable!("both digests were asked for")
    };
    Blended { size: made.size, blake3, sha256 }
}

/// Plans the soup of `recipe` in one file, over open experts: exactly the parties that the recipe names, in any order.
/// No weight is read.
///
/// # Errors
/// [`BlendError`], of the caller's and the experts' kind.
pub fn planned(recipe: &Recipe, experts: &[(PartyId, Checkpoint)]) -> Result<Soup, BlendError> {
    if experts.is_empty() {
        return Err(BlendError::NoExperts);
    }
    let needed = |party: &PartyId| recipe.experts().iter().any(|expert| expert.party == *party);
    if let Some((party, _)) = experts.iter().find(|(party, _)| !needed(party)) {
        return Err(BlendError::Unneeded(party.clone()));
    }
    let active = |ingredient: &Ingredient| {
        let found = experts.iter().find(|(party, _)| *party == ingredient.party);
        let (party, it) = found.ok_or_else(|| BlendError::Missing(ingredient.party.clone()))?;
        Ok((party.clone(), ingredient.ppm, it))
    };
    let active = recipe.experts().iter().map(active).collect::<Result<Vec<_>, BlendError>>()?;
    match recipe.arithmetic() {
        Arithmetic::Linear1 => {
            let recipe = Some(recipe.digest());
            linear(&active, &Wanted { shape: Shape::One, dtype: None, recipe })
        }
        Arithmetic::AdapterLinear2 => Ok(of_adapters(&active, recipe.digest(), adapter::packed)?),
        Arithmetic::AdapterSharedA1 => Ok(of_adapters(&active, recipe.digest(), adapter::shared)?),
    }
}

fn of_adapters(
    active: &[(PartyId, u32, &Checkpoint)],
    recipe: Blake3,
    plan: impl Fn(&[Share<'_>], Option<Blake3>) -> Result<Soup, AdapterError>,
) -> Result<Soup, AdapterError> {
    let open = |(party, ppm, it): &(PartyId, u32, &Checkpoint)| {
        Ok((i64::from(*ppm), Adapter::open(party, it)?))
    };
    let adapters = active.iter().map(open).collect::<Result<Vec<_>, AdapterError>>()?;
    let shares: Vec<_> = adapters.iter().map(|(ppm, adapter)| (*ppm, adapter)).collect();
    plan(&shares, Some(recipe))
}

/// Opens each party's checkpoint; no party stands twice.
pub(super) fn opened(
    experts: &[(PartyId, PathBuf)],
) -> Result<Vec<(PartyId, Checkpoint)>, BlendError> {
    let mut opened: Vec<(PartyId, Checkpoint)> = Vec::new();
    for (party, path) in experts {
        if opened.iter().any(|(earlier, _)| earlier == party) {
            return Err(BlendError::Twice(party.clone()));
        }
        let failed = |source| BlendError::Checkpoint { party: party.clone(), source };
        opened.push((party.clone(), Checkpoint::open(path).map_err(failed)?));
    }
    Ok(opened)
}
