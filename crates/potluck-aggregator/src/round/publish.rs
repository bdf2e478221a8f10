//! Blending the soup of an agreed round, and comparing what the operator publishes with it.
//!
//! ```text
//! blend:   agreement ─▶ recipe ─▶ stored experts, verified ─▶ soup in quarantine ─▶ blob ─▶ remembered
//! publish: Authentic ─ compare ─▶ Compared ─ record ─▶ Recorded
//! ```
//!
//! A soup is a pure function of its recipe, so a kill at any step costs at most the work: what is remembered is
//! found again, what is not is blended again to the same bytes.

use std::path::PathBuf;
use std::sync::PoisonError;

use potluck_core::entry::Body;
use potluck_core::federation::Authentic;
use potluck_core::recipe::{Arithmetic, Ingredient};
use potluck_core::{Author, Code, FileEntry, PartyId, PublicKey, Recipe, Refusal};
use potluck_net::Blended;

use crate::in_full;
use crate::ledger::Standing;
use crate::server::Aggregator;
use crate::store::disk::is_full;

/// Evidence that the soup of an authentic publication is what its recipe gave here, and that it is stored.
#[derive(Debug)]
pub struct Compared(Authentic);

impl Compared {
    /// The statement, for the ledger's writer.
    pub(crate) fn into_authentic(self) -> Authentic {
        self.0
    }
}

/// Blends the soup of `round`, or finds it again. `progress` hears of bytes done and in all.
///
/// # Errors
/// `not-permitted` for anybody but the operator; `round-wrong` before the agreement;
/// `stored-content-corrupt` where an expert is not what was received.
pub fn blend(
    aggregator: &Aggregator,
    peer: &PublicKey,
    round: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Blended, Refusal> {
    let standing = aggregator.ledger.standing();
    if standing.federation.peer(peer.id()) != Some(&Author::Operator) {
        return Err(Refusal::new(Code::NotPermitted, "only the operator has soups blended"));
    }
    let rounds = standing.federation.rounds();
    let round = rounds.iter().find(|known| known.number == round).ok_or_else(|| {
        Refusal::new(
            Code::RoundWrong,
            format!("round {round} was not opened; there are {}", rounds.len()),
        )
    })?;
    let recipe = standing.federation.recipe(round)?;
    let soup = soup_of(aggregator, &standing, &recipe, progress)?;
    Ok(Blended { recipe, soup })
}

/// Compares the soup that a publication names with what its recipe gives here.
///
/// # Errors
/// `soup-mismatch`; as [`blend`] where the soup is not there yet.
pub fn compare(aggregator: &Aggregator, authentic: Authentic) -> Result<Compared, Refusal> {
    let Body::Publish(publish) = &authentic.statement().body else {
        return Err(Refusal::new(Code::ProtocolError, "the entry publishes nothing"));
    };
    let standing = aggregator.ledger.standing();
    let soup = soup_of(aggregator, &standing, &publish.recipe, &mut |_, _| {})?;
    if publish.soup != soup {
        let sentence = format!(
            "the entry names a soup {}, the recipe gives {}",
            publish.soup.blake3.short(),
            soup.blake3.short()
        );
        return Err(Refusal::new(Code::SoupMismatch, sentence));
    }
    Ok(Compared(authentic))
}

/// The file that `recipe` gives, stored and remembered durably.
fn soup_of(
    aggregator: &Aggregator,
    standing: &Standing,
    recipe: &Recipe,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<FileEntry, Refusal> {
    if let Some(file) = remembered(aggregator, recipe)? {
        return Ok(file);
    }
    // One at a time, since a blend uses all the threads that it may have. Whoever asked twice, after a cut
    // connection say, waits and finds the soup. A blend that panicked left nothing that the next one trusts.
    let _alone = aggregator.blending.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = remembered(aggregator, recipe)? {
        return Ok(file);
    }
    aggregator.fault.check()?;
    aggregator.store.disk.check(room(standing, recipe))?;
    let experts = ingredients(aggregator, standing, recipe)?;
    let path = aggregator.store.quarantine.soup(recipe.digest());
    let threads = aggregator.threads;
    let under_way = aggregator.blends.begin(recipe.digest());
    let mut told = |done, total| {
        under_way.at(done, total);
        progress(done, total);
    };
    let blended =
        potluck_soup::blend(recipe, &experts, &path, threads, &mut told).map_err(failed)?;
    let file = FileEntry {
        path: standing.federation.charter().expert_file().to_owned(),
        size: blended.size,
        blake3: blended.blake3,
        sha256: blended.sha256,
    };
    let fault = |attempt: &str, error: &dyn std::error::Error| {
        aggregator.fault.raise(attempt, &in_full(error))
    };
    let store = &aggregator.store;
    store.blobs.adopt(&path, &file).map_err(|error| fault("store a soup", &error))?;
    store.soups.remember(recipe.digest(), &file).map_err(|e| fault("remember a soup", &e))?;
    under_way.done(file.size);
    tracing::Span::current().record("bytes", file.size);
    aggregator.counts.blended();
    tracing::info!(recipe = %recipe.digest().short(), soup = %file.blake3.short(), "blended");
    Ok(file)
}

/// How many bytes a soup takes at the most, but for some of its header: the base's, whose tensors it has; or, of adapters, twice those
/// of its experts, whose factors stand beside one another in it, in F32 where they may be in BF16.
fn room(standing: &Standing, recipe: &Recipe) -> u64 {
    match recipe.arithmetic() {
        Arithmetic::Linear1 => standing.federation.base_weights().size,
        Arithmetic::AdapterLinear2 | Arithmetic::AdapterSharedA1 => {
            let experts = recipe.experts().iter();
            let sizes = experts.filter_map(|it| Some(standing.catalogue.expert(it.manifest)?.size));
            sizes.fold(0, |sum: u64, size| sum.saturating_add(size.saturating_mul(2)))
        }
    }
}

fn remembered(aggregator: &Aggregator, recipe: &Recipe) -> Result<Option<FileEntry>, Refusal> {
    let file = aggregator.store.soups.file(recipe.digest()).map_err(failed)?;
    Ok(file.filter(|file| aggregator.store.blobs.contains(file.blake3)))
}

/// The stored files of a recipe's experts, each read through and found to be what was received.
fn ingredients(
    aggregator: &Aggregator,
    standing: &Standing,
    recipe: &Recipe,
) -> Result<Vec<(PartyId, PathBuf)>, Refusal> {
    let verified = |expert: &Ingredient| {
        let party = expert.party.clone();
        let file = standing.catalogue.expert(expert.manifest).ok_or_else(|| {
            Refusal::new(Code::NotFound, format!("the ledger holds no such expert of {party}"))
        })?;
        if !aggregator.store.blobs.is_intact(file).map_err(failed)? {
            tracing::error!(blob = %file.blake3.short(), "a stored expert is damaged");
            let sentence = format!(
                "the stored expert of {party} is not what was received; {party} can push it again"
            );
            return Err(Refusal::new(Code::StoredContentCorrupt, sentence));
        }
        Ok((party, aggregator.store.blobs.data(file.blake3)))
    };
    recipe.experts().iter().map(verified).collect()
}

fn failed(error: impl std::error::Error + 'static) -> Refusal {
    if is_full(&error) {
        tracing::error!(error = %in_full(&error), "a soup could not be blended");
        let sentence = "the aggregator's disk is full; a soup needs as much room as the base";
        return Refusal::new(Code::StorageFull, sentence).retry_after(600);
    }
    tracing::error!(error = %in_full(&error), "a soup could not be blended");
    Refusal::new(Code::Internal, "the aggregator could not blend the soup")
}
