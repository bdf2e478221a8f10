//! The stage of the demo: its folders, its cast, and how long everything takes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

pub(crate) use crate::process::arg;
use crate::process::{self, Programs};
use crate::toolchain::{self, Toolchain};

/// The parties in ascending order; each one's reward is described by a file of its name.
pub(crate) const PARTIES: [&str; 3] = ["agency", "checkers", "readers"];

/// The stage, set up.
pub(crate) struct Stage {
    /// The programs of the product.
    pub(crate) programs: Programs,
    /// Everything smaller.
    pub(crate) quick: bool,
    /// Where every random choice begins.
    pub(crate) seed: u64,
    dir: PathBuf,
    kept: PathBuf,
    seconds: BTreeMap<String, f64>,
}

impl Stage {
    /// Builds the programs and makes a fresh folder: `dir`, which must be empty or missing, or else one
    /// below cargo's target folder, which is emptied.
    ///
    /// # Errors
    /// When the build fails, or the folder cannot be had.
    pub(crate) fn set(quick: bool, seed: u64, dir: Option<PathBuf>) -> Result<Self> {
        let started = Instant::now();
        let bin_dir = Toolchain::set_up()?.build_programs()?;
        let home = toolchain::target_dir().join("demo");
        let scale = if quick { "quick" } else { "full" };
        let dir = match dir {
            Some(dir) => empty(dir)?,
            None => emptied(home.join(format!("{scale}-{seed}")))?,
        };
        let programs = Programs::new(bin_dir, dir.join("logs"))?;
        let kept = home.join("kept");
        let mut stage = Self { programs, quick, seed, dir, kept, seconds: BTreeMap::new() };
        stage.seconds.insert("set-up".to_owned(), started.elapsed().as_secs_f64());
        Ok(stage)
    }

    /// A path on the stage.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }

    /// Where the base of a seed is kept from one telling to the next.
    pub(crate) fn kept_base(&self, seed: u64) -> PathBuf {
        let scale = if self.quick { "quick" } else { "full" };
        self.kept.join(format!("base-{scale}-{seed}"))
    }

    /// Announces a step, runs it, and remembers how long it took.
    ///
    /// # Errors
    /// Those of the step.
    pub(crate) fn step<T>(
        &mut self,
        name: &str,
        what: &str,
        step: impl FnOnce(&Self) -> Result<T>,
    ) -> Result<T> {
        println!("\n{name}: {what}");
        let started = Instant::now();
        let done = step(self).with_context(|| format!("the step '{name}' failed"))?;
        self.seconds.insert(name.to_owned(), started.elapsed().as_secs_f64());
        Ok(done)
    }

    /// Wall time of the steps so far.
    pub(crate) fn seconds(&self) -> &BTreeMap<String, f64> {
        &self.seconds
    }

    /// The folder of everything.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Runs trainings beside one another, one thread each, as many at a time as there are cores.
    ///
    /// # Errors
    /// The first error, once all that were begun have ended.
    pub(crate) fn beside<J: Sync, T: Send>(
        &self,
        jobs: &[J],
        run: impl Fn(&J) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        process::beside(jobs, run)
    }
}

fn empty(dir: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    if fs::read_dir(&dir)?.next().is_some() {
        bail!("{} is not empty: name a new folder", dir.display());
    }
    Ok(dir)
}

fn emptied(dir: PathBuf) -> Result<PathBuf> {
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    empty(dir)
}
