//! The models that a batch is about, as folders that an evaluator can read: the base, and candidates mixed from the experts.
//!
//! Experts are fetched once. Each candidate is mixed beside the base's other files, scored and removed, so that the disk holds
//! one at a time; its bytes are those that a published soup of the same λ has. Where experts are adapters, it is the base with
//! what they change added, so that an evaluator need not know of it.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use potluck_core::manifest::{ADAPTER, WEIGHTS};
use potluck_core::recipe::Arithmetic;
use potluck_core::{Blake3, FileEntry, Manifest, PartyId, Recipe};
use potluck_soup::adapter::{self, Adapter, Wanted};
use potluck_soup::blend::{Making, Shape};
use potluck_soup::{Checkpoint, Durability, blend};

use crate::command::mix::{adapter_failure, blend_failure};
use crate::command::{busy, threads};
use crate::failure::Failure;
use crate::output::Output;
use crate::patience::patiently;
use crate::progress::Progress;
use crate::session::Session;

/// Where models are kept while they are scored: `kitchen/` of the party's folder.
#[derive(Debug)]
pub(super) struct Kitchen {
    folder: PathBuf,
    base: PathBuf,
    experts: BTreeMap<Blake3, PathBuf>,
    /// Held as long as somebody cooks.
    _lock: File,
}

/// All of an adapter, in parts per million.
const WHOLE: i64 = 1_000_000;

/// What the folder of a candidate is called, until it is gone.
const CANDIDATE: &str = ".candidate-";

impl Kitchen {
    /// Fetches the base, as far as this reader may read it.
    pub(super) async fn open(
        folder: PathBuf,
        session: &Session,
        base: &Manifest,
        output: &Output,
    ) -> Result<Self, Failure> {
        let lock = enter(&folder)?;
        let home = folder.join("base");
        for file in base.files() {
            fetch(session, file, &home.join(&file.path), &file.path, output).await?;
        }
        Ok(Self { folder, base: home, experts: BTreeMap::new(), _lock: lock })
    }

    /// Fetches an expert, unless it is there.
    pub(super) async fn take(
        &mut self,
        session: &Session,
        (party, manifest): (&PartyId, Blake3),
        weights: &FileEntry,
        output: &Output,
    ) -> Result<(), Failure> {
        let path = self.folder.join("experts").join(manifest.to_string()).join(&weights.path);
        fetch(session, weights, &path, &format!("expert of {party}"), output).await?;
        self.experts.insert(manifest, path);
        Ok(())
    }

    /// The base's folder.
    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    /// The folder of a file of weights beside what the base has, until it is dropped.
    pub(super) async fn soup(
        &self,
        session: &Session,
        weights: &FileEntry,
        output: &Output,
    ) -> Result<Dish, Failure> {
        let (dish, what) = (self.lay()?, "the soup in force");
        let target = dish.path().join(WEIGHTS);
        if weights.path != ADAPTER {
            fetch(session, weights, &target, what, output).await?;
            return Ok(dish);
        }
        let path = self.folder.join("soups").join(weights.blake3.to_string()).join(ADAPTER);
        fetch(session, weights, &path, what, output).await?;
        let whose: PartyId = "soup".parse().map_err(Failure::system)?;
        let adapter = opened(&whose, &path)?;
        self.merge(&[(WHOLE, &adapter)], &target, &Progress::begin(output, what))?;
        Ok(dish)
    }

    /// Mixes a candidate, until it is dropped.
    pub(super) fn mix(
        &self,
        recipe: &Recipe,
        name: &str,
        output: &Output,
    ) -> Result<Dish, Failure> {
        let dish = self.lay()?;
        let experts = recipe.experts().iter().map(|it| {
            let missing = || Failure::system(format!("the expert of {} is not at hand", it.party));
            Ok((it.party.clone(), self.experts.get(&it.manifest).ok_or_else(missing)?.clone()))
        });
        let experts = experts.collect::<Result<Vec<_>, Failure>>()?;
        let progress = Progress::begin(output, name);
        if recipe.arithmetic() != Arithmetic::Linear1 {
            let open = |(party, path): &(PartyId, PathBuf)| opened(party, path);
            let adapters = experts.iter().map(open).collect::<Result<Vec<_>, Failure>>()?;
            let shares = recipe.experts().iter().zip(&adapters);
            let shares: Vec<_> = shares.map(|(it, adapter)| (i64::from(it.ppm), adapter)).collect();
            self.merge(&shares, &dish.path().join(WEIGHTS), &progress)?;
            return Ok(dish);
        }
        let target = dish.path().join(WEIGHTS);
        busy(|| {
            blend(recipe, &experts, &target, threads(), &mut |done, total| progress.at(done, total))
        })
        .map_err(|error| blend_failure(&error))?;
        Ok(dish)
    }

    /// Adds what adapters change to the base: an evaluator finds a model like any other.
    fn merge(
        &self,
        shares: &[(i64, &Adapter)],
        target: &Path,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let base = Checkpoint::open(&self.base).map_err(Failure::input)?;
        let first = shares.iter().map(|(_, it)| it.party()).min();
        let wanted = Wanted { dtype: None, recipe: None, prefer: first };
        let soup = adapter::merge(&base, shares, Shape::One, &wanted);
        let soup = soup.map_err(|error| adapter_failure(&error))?;
        let (file, total) = (&soup.files()[0], soup.bytes());
        let making = Making { threads: threads(), blake3: false, sha256: false };
        let mut moved = |done| progress.at(done, total);
        busy(|| file.write(target, making, Durability::Cached, &mut moved))
            .map(drop)
            .map_err(|error| blend_failure(&error))
    }

    /// A new folder with what the base has beside its weights: links where the disk has them, else copies.
    fn lay(&self) -> Result<Dish, Failure> {
        let failed = |what: &Path, error: std::io::Error| {
            Failure::system(format!("{}: {error}", what.display()))
        };
        let folder = tempfile::Builder::new()
            .prefix(CANDIDATE)
            .tempdir_in(&self.folder)
            .map_err(|error| failed(&self.folder, error))?;
        let others = fs::read_dir(&self.base).map_err(|error| failed(&self.base, error))?;
        for entry in others {
            let entry = entry.map_err(|error| failed(&self.base, error))?;
            let (from, to) = (entry.path(), folder.path().join(entry.file_name()));
            if entry.file_name() == WEIGHTS || from.is_dir() {
                continue;
            }
            fs::hard_link(&from, &to)
                .or_else(|_| fs::copy(&from, &to).map(|_| ()))
                .map_err(|error| failed(&from, error))?;
        }
        Ok(Dish(folder))
    }
}

fn opened(party: &PartyId, path: &Path) -> Result<Adapter, Failure> {
    let checkpoint = Checkpoint::open(path).map_err(Failure::input)?;
    Adapter::open(party, &checkpoint).map_err(|error| adapter_failure(&error))
}

/// Keeps others out, and removes the candidates that a kill left: each is as large as a model.
fn enter(folder: &Path) -> Result<File, Failure> {
    let failed = |error: io::Error| Failure::system(format!("{}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    let lock = File::create(folder.join("lock")).map_err(failed)?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => {
            Failure::input(format!("candidates are being scored in {} already", folder.display()))
        }
        TryLockError::Error(error) => failed(error),
    })?;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(CANDIDATE) {
            fs::remove_dir_all(entry.path()).map_err(failed)?;
        }
    }
    Ok(lock)
}

/// A model's folder, which is gone when it is dropped.
#[derive(Debug)]
pub(super) struct Dish(tempfile::TempDir);

impl Dish {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

async fn fetch(
    session: &Session,
    file: &FileEntry,
    target: &Path,
    what: &str,
    output: &Output,
) -> Result<(), Failure> {
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).map_err(|error| {
            Failure::system(format!("cannot make {}: {error}", folder.display()))
        })?;
    }
    let progress = Progress::begin(output, what);
    let moved = |transfer: potluck_net::Transfer| progress.at(transfer.done, transfer.total);
    let fetched = patiently(async || session.client.fetch(file, target, moved).await).await;
    fetched.map_err(|error| Failure::from(error).about(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kill_left_is_removed_and_two_do_not_cook_at_once() {
        let home = tempfile::tempdir().unwrap();
        let kitchen = home.path().join("kitchen");
        let (left, kept) = (kitchen.join(".candidate-abc"), kitchen.join("experts"));
        fs::create_dir_all(&left).unwrap();
        fs::create_dir_all(&kept).unwrap();
        let lock = enter(&kitchen).unwrap();
        assert!(!left.exists() && kept.exists());
        assert!(enter(&kitchen).unwrap_err().message().contains("already"));
        drop(lock);
        enter(&kitchen).unwrap();
    }
}
