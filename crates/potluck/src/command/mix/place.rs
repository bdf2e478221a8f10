//! Where a soup goes: a file, a folder, or nowhere; asked for before anything long begins.
//!
//! Refused: a folder with something in it (unless it is a checkpoint that `--force` gives up), a place that holds
//! one of the inputs, and a disk without the room.

use std::fs;
use std::path::{Path, PathBuf};

use potluck_soup::checkpoint::{ADAPTER_WEIGHTS, INDEX, WEIGHTS};

use super::staging::{Old, Staging, parent_of};
use crate::failure::Failure;
use crate::output::bytes;

/// A place that was found free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// One file.
    File(PathBuf),
    /// A folder, and what becomes of the one that is there.
    Folder(PathBuf, OldFolder),
}

/// A folder that stands where a soup goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OldFolder {
    /// There is none, or it is empty.
    None,
    /// One that is given up.
    Replaced,
}

impl Place {
    /// A path that ends in `.safetensors` is a file, any other a folder.
    ///
    /// `inputs` are the paths of what goes into the soup.
    pub(crate) fn of<'a>(
        out: &Path,
        force: Force,
        inputs: impl Iterator<Item = &'a Path>,
    ) -> Result<Self, Failure> {
        // A link is followed once, so that what it stands for is replaced, and not the link.
        let there = out.canonicalize().ok();
        if let Some(there) = &there {
            refuse_inputs(out, there, inputs)?;
        }
        if !out.is_dir() && out.extension().is_some_and(|it| it == "safetensors") {
            return Ok(Self::File(there.unwrap_or_else(|| out.to_owned())));
        }
        let Some(there) = there else {
            // Of `soup/` the name is `soup`; of `..` there is none.
            let named = out.file_name().is_some();
            let missing =
                || Failure::input(format!("--out {}: no name for a folder", out.display()));
            return if named {
                Ok(Self::Folder(out.to_owned(), OldFolder::None))
            } else {
                Err(missing())
            };
        };
        let old = old_folder(out, &there, force)?;
        Ok(Self::Folder(there, old))
    }

    /// What the place would be, where nothing is written: a digest depends on no more.
    pub(crate) fn imagined(out: &Path) -> Self {
        if out.extension().is_some_and(|it| it == "safetensors") {
            return Self::File(out.to_owned());
        }
        Self::Folder(out.to_owned(), OldFolder::None)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Folder(path, _) => path,
        }
    }

    /// Takes the place: the folder above it is made, and `needed` bytes must be free there.
    pub(crate) fn take(&self, needed: u64) -> Result<Option<Staging>, Failure> {
        let parent = parent_of(self.path());
        fs::create_dir_all(parent).map_err(|error| {
            Failure::system(format!("cannot make the folder {}: {error}", parent.display()))
        })?;
        check_room(parent, needed)?;
        match self {
            Self::File(_) => Ok(None),
            Self::Folder(path, _) => Staging::begin(path).map(Some).map_err(|error| {
                Failure::system(format!("cannot begin the folder {}: {error}", path.display()))
            }),
        }
    }
}

impl From<OldFolder> for Old {
    fn from(old: OldFolder) -> Self {
        match old {
            OldFolder::None => Self::Kept,
            OldFolder::Replaced => Self::Replaced,
        }
    }
}

/// Whether an older soup may be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Force {
    /// Nothing is.
    No,
    /// A checkpoint's folder is.
    Yes,
}

/// No input lies at `there` or below it.
fn refuse_inputs<'a>(
    out: &Path,
    there: &Path,
    mut inputs: impl Iterator<Item = &'a Path>,
) -> Result<(), Failure> {
    let below = |input: &&Path| input.canonicalize().is_ok_and(|input| input.starts_with(there));
    match inputs.find(below) {
        Some(input) => Err(Failure::input(format!(
            "--out {} would replace {}, which goes into the soup",
            out.display(),
            input.display()
        ))),
        None => Ok(()),
    }
}

fn old_folder(out: &Path, there: &Path, force: Force) -> Result<OldFolder, Failure> {
    if !there.is_dir() {
        return Err(Failure::input(format!("{} is there and is no folder", out.display()))
            .hint("a soup in one file has a name that ends in .safetensors"));
    }
    let mut entries = fs::read_dir(there)
        .map_err(|error| Failure::input(format!("{} cannot be read: {error}", out.display())))?;
    if entries.next().is_none() {
        return Ok(OldFolder::None);
    }
    let holds = |name: &str| there.join(name).is_file();
    let is_checkpoint = [WEIGHTS, INDEX, ADAPTER_WEIGHTS].into_iter().any(holds);
    match force {
        Force::Yes if is_checkpoint => Ok(OldFolder::Replaced),
        Force::Yes => Err(Failure::input(format!(
            "{} holds files and no model.safetensors: it is not replaced",
            out.display()
        ))
        .hint("name another folder, or remove this one yourself")),
        Force::No => Err(Failure::input(format!("the folder {} is not empty", out.display()))
            .hint("--force replaces the checkpoint in it")),
    }
}

fn check_room(folder: &Path, needed: u64) -> Result<(), Failure> {
    // A file system that does not say how large it is lets the writes find out.
    let Ok(there) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let free = there.f_bavail.saturating_mul(there.f_frsize);
    if there.f_blocks == 0 || needed <= free {
        return Ok(());
    }
    Err(Failure::system(format!(
        "the soup needs {} in {}, and {} are free there",
        bytes(needed),
        folder.display(),
        bytes(free)
    ))
    .hint("make room, or name another disk with --out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(out: &Path, force: Force) -> Result<Place, Failure> {
        Place::of(out, force, std::iter::empty())
    }

    #[test]
    fn a_target_is_a_file_by_its_ending() {
        let file = Path::new("x/soup.safetensors");
        assert_eq!(place(file, Force::No).unwrap(), Place::File(file.into()));
        let folder = Path::new("x/soup");
        assert_eq!(
            place(folder, Force::No).unwrap(),
            Place::Folder(folder.into(), OldFolder::None)
        );
        assert!(place(Path::new("nowhere/.."), Force::No).is_err());
    }

    #[test]
    fn a_folder_with_something_in_it_is_given_up_only_where_it_is_a_checkpoint() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().canonicalize().unwrap();
        assert_eq!(
            place(&folder, Force::No).unwrap(),
            Place::Folder(folder.clone(), OldFolder::None)
        );
        fs::write(folder.join("letters.txt"), "").unwrap();
        assert!(place(&folder, Force::No).unwrap_err().cure().unwrap().contains("--force"));
        assert!(place(&folder, Force::Yes).unwrap_err().message().contains("not replaced"));
        fs::write(folder.join(WEIGHTS), "").unwrap();
        assert_eq!(
            place(&folder, Force::Yes).unwrap(),
            Place::Folder(folder.clone(), OldFolder::Replaced)
        );
        assert!(place(&folder.join("letters.txt"), Force::Yes).is_err());
    }

    #[test]
    fn inputs_are_never_replaced() {
        let home = tempfile::tempdir().unwrap();
        let input = home.path().join("expert/model.safetensors");
        fs::create_dir(input.parent().unwrap()).unwrap();
        fs::write(&input, "").unwrap();
        for out in [home.path(), input.parent().unwrap(), &input] {
            let refused = Place::of(out, Force::Yes, std::iter::once(input.as_path())).unwrap_err();
            assert!(refused.message().contains("goes into the soup"), "{refused}");
        }
    }

    #[test]
    fn a_disk_that_is_too_small_is_told_before_anything_is_written() {
        let home = tempfile::tempdir().unwrap();
        let place = place(&home.path().join("deep/soup"), Force::No).unwrap();
        let refused = place.take(u64::MAX).unwrap_err();
        assert!(refused.message().contains("the soup needs 18"), "{refused}");
        assert!(refused.message().contains("are free there"));
    }
}
