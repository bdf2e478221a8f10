//! Where an audit's files come from, and where it keeps them.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use potluck_core::{Entry, FileEntry};
use potluck_log::{TileEdge, TileId};
use potluck_net::{Client, Transfer};

use super::book::Submitted;
use crate::command::busy;
use crate::failure::Failure;
use crate::ledger::{Mirror, blob_path};
use crate::output::Output;
use crate::patience::patiently;
use crate::progress::Progress;

/// Where the experts are.
pub(super) enum Pantry<'a> {
    /// They are fetched.
    Aggregator(&'a Client),
    /// They lie in a mirror.
    Folder(&'a Mirror),
}

/// What became of an expert.
pub(super) enum Got {
    /// It is there, and is what was signed.
    Weights(PathBuf),
    /// The mirror has no copy of it.
    NotCopied,
}

impl Pantry<'_> {
    /// Gets an expert's weights, verified against their signed digest.
    pub(super) async fn get(
        &self,
        expert: &Submitted,
        kitchen: &Kitchen,
        output: &Output,
    ) -> Result<Got, Failure> {
        let (party, index) = (&expert.party, expert.index);
        let about =
            |failure: Failure| failure.about(format!("the expert of {party}, entry {index}"));
        let progress = Progress::begin(output, format!("expert of {party}"));
        match self {
            Self::Aggregator(client) => {
                let target = kitchen.expert(expert)?;
                let moved = |transfer: Transfer| progress.at(transfer.done, transfer.total);
                let fetched =
                    patiently(async || client.fetch(&expert.weights, &target, moved).await).await;
                fetched.map_err(|error| about(error.into()))?;
                Ok(Got::Weights(target))
            }
            Self::Folder(mirror) => {
                let path = blob_path(mirror.folder(), expert.weights.blake3);
                if !path.exists() {
                    return Ok(Got::NotCopied);
                }
                busy(|| compare(&path, expert, &progress)).map_err(about)?;
                Ok(Got::Weights(path))
            }
        }
    }

    /// Compares the tiles of a mirror with what its entries lead to, where all of them go by.
    pub(super) fn shelf(&self, is_whole: bool) -> Option<TileCheck<'_>> {
        match self {
            Self::Folder(mirror) if is_whole => {
                Some(TileCheck { folder: mirror.folder(), edge: TileEdge::new() })
            }
            _ => None,
        }
    }
}

fn compare(path: &Path, expert: &Submitted, progress: &Progress) -> Result<(), Failure> {
    let expected = &expert.weights;
    let found =
        potluck_soup::file_entry(path, &expected.path, &mut |done, total| progress.at(done, total))
            .map_err(|error| Failure::system(format!("cannot read {}: {error}", path.display())))?;
    if (found.size, found.blake3, found.sha256) != (expected.size, expected.blake3, expected.sha256)
    {
        let message = format!("{} is not the file that was signed", path.display());
        return Err(Failure::unverified("stored-content-corrupt", message)
            .differs(expected.blake3, found.blake3));
    }
    Ok(())
}

/// The tiles of hashes that the entries lead to, compared with a mirror's as they are filled.
pub(super) struct TileCheck<'a> {
    folder: &'a Path,
    edge: TileEdge,
}

impl TileCheck<'_> {
    /// The next entry.
    pub(super) fn compare(&mut self, index: u64, entry: &Entry) -> Result<(), Failure> {
        let filled = self.edge.push(entry.record()).map_err(|error| {
            Failure::unverified("protocol-error", format!("entry {index}: {error}"))
        })?;
        filled.iter().try_for_each(|(tile, bytes)| self.same(*tile, bytes))
    }

    /// Compares the tiles that are not full yet.
    pub(super) fn finish(self) -> Result<(), Failure> {
        self.edge.partials(0).iter().try_for_each(|(tile, bytes)| self.same(*tile, bytes))
    }

    fn same(&self, tile: TileId, expected: &[u8]) -> Result<(), Failure> {
        // A log may delete a partial tile once it has the full one, which begins with it.
        for candidate in std::iter::once(tile).chain(tile.full().filter(|full| *full != tile)) {
            match self.begins(candidate, expected.len()) {
                Ok((found, rest)) => {
                    if found == expected && (rest == 0 || candidate != tile) {
                        return Ok(());
                    }
                    return Err(differs(tile, "differs from the entries"));
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Failure::system(format!("cannot read {tile}: {error}"))),
            }
        }
        Err(differs(tile, "is missing"))
    }

    /// The first bytes of a tile's file, and how many bytes follow.
    fn begins(&self, tile: TileId, count: usize) -> std::io::Result<(Vec<u8>, u64)> {
        let file = File::open(self.folder.join(tile.to_string()))?;
        let length = file.metadata()?.len();
        let mut found = Vec::new();
        file.take(count as u64).read_to_end(&mut found)?;
        Ok((found, length.saturating_sub(count as u64)))
    }
}

fn differs(tile: TileId, how: &str) -> Failure {
    Failure::unverified("tile-differs", format!("{tile} {how}"))
        .hint("`potluck mirror --repair` fetches what is damaged again")
}

/// Where an audit keeps its files.
pub(super) struct Kitchen {
    folder: PathBuf,
    /// Removes the folder in the end where nobody asked to keep it.
    temporary: Option<tempfile::TempDir>,
}

impl Kitchen {
    /// In `out`, or in a folder that is gone in the end.
    pub(super) fn open(out: Option<&Path>) -> Result<Self, Failure> {
        if let Some(out) = out {
            return Ok(Self { folder: out.to_owned(), temporary: None });
        }
        let temporary =
            tempfile::Builder::new().prefix("potluck-audit-").tempdir().map_err(|error| {
                Failure::system(format!("cannot make a temporary folder: {error}"))
                    .hint("--out names a folder to use")
            })?;
        Ok(Self { folder: temporary.path().to_owned(), temporary: Some(temporary) })
    }

    fn expert(&self, expert: &Submitted) -> Result<PathBuf, Failure> {
        let name = format!("experts/{}-{}", expert.party, expert.index);
        self.place(&name, &expert.weights.path)
    }

    /// Nowhere, where soups are not kept: their digests are all that an audit needs.
    pub(super) fn soup(&self, round: u64, file: &FileEntry) -> Result<Option<PathBuf>, Failure> {
        match self.temporary {
            Some(_) => Ok(None),
            None => self.place(&format!("soups/round-{round}"), &file.path).map(Some),
        }
    }

    /// Where a file goes whose name in the ledger is `file`: a portable one.
    fn place(&self, name: &str, file: &str) -> Result<PathBuf, Failure> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).map_err(|error| {
            Failure::system(format!("cannot make {}: {error}", folder.display()))
        })?;
        Ok(folder.join(file))
    }
}
