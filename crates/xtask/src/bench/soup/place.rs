//! Where the bench works: programs, test data, outputs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::SIZES;
use crate::bench::measure::remove;
use crate::toolchain::{Toolchain, run, target_dir};

/// A folder with programs and test data in place.
pub(super) struct Place {
    dir: PathBuf,
}

impl Place {
    /// Builds the programs and makes what is not there of the test data: 8 GB of checkpoints, 0.5 GB of adapters.
    ///
    /// # Errors
    /// When something cannot be built, or the disk is full.
    pub(super) fn set_up(toolchain: &Toolchain, dir: Option<PathBuf>) -> Result<Self> {
        let place = Self { dir: dir.unwrap_or_else(|| target_dir().join("bench/soup")) };
        fs::create_dir_all(place.outputs())
            .and_then(|()| fs::create_dir_all(place.dir.join("bin")))
            .with_context(|| format!("cannot make {}", place.dir.display()))?;
        let potluck = toolchain.build_programs()?.join("potluck");
        // Copies, so that a build elsewhere does not change a contender in the middle.
        fs::copy(potluck, place.program("potluck"))?;
        fs::copy(toolchain.build_bench("potluck-soup", "soup")?, place.program("soup"))?;
        place.make_inputs()?;
        Ok(place)
    }

    fn make_inputs(&self) -> Result<()> {
        eprintln!("making test data in {} (9 GB, once)", self.dir.display());
        for number in 1..=SIZES[SIZES.len() - 1] {
            let mut make = self.command("soup");
            make.arg("checkpoint").arg(self.checkpoint_folder(number)).arg(number.to_string());
            run(&mut make)?;
        }
        for dtype in ["BF16", "F32"] {
            for number in 1..=2 {
                let mut make = self.command("soup");
                make.arg("adapter").arg(self.adapter(dtype, number));
                run(make.args([&number.to_string(), dtype]))?;
            }
        }
        Ok(())
    }

    /// One of our programs.
    pub(super) fn command(&self, name: &str) -> Command {
        Command::new(self.program(name))
    }

    fn program(&self, name: &str) -> PathBuf {
        self.dir.join("bin").join(name)
    }

    /// The folder of checkpoint 1, 2, …
    pub(super) fn checkpoint_folder(&self, number: usize) -> PathBuf {
        self.dir.join(format!("checkpoint-{number}"))
    }

    /// The file of checkpoint 1, 2, …
    pub(super) fn checkpoint(&self, number: usize) -> PathBuf {
        self.checkpoint_folder(number).join("model.safetensors")
    }

    /// The folder of adapter 1 or 2.
    pub(super) fn adapter(&self, dtype: &str, number: usize) -> PathBuf {
        self.dir.join(format!("adapter-{dtype}-{number}"))
    }

    /// A file or folder in the folder of outputs.
    pub(super) fn output(&self, name: &str) -> PathBuf {
        self.outputs().join(name)
    }

    fn outputs(&self) -> PathBuf {
        self.dir.join("outputs")
    }

    /// Removes all outputs.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub(super) fn clear(&self) -> Result<()> {
        let entries = fs::read_dir(self.outputs())?;
        entries.into_iter().try_for_each(|entry| remove(&entry?.path()))
    }

    /// Writes a small file for a rival to read.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn note(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.dir.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// The path as an argument.
pub(super) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
