//! Growing a log's folder.

use std::path::Path;

use potluck_core::Entry;
use potluck_log::{
    BundleError, Hash, TILE_WIDTH, TileEdge, TileId, TileLevel, Tiles, decode_bundle, encode_bundle,
};

use super::{ArchiveError, ArchiveFile, Claim, Files, Folder, Shelf, checkpoint};

/// The one writer of a log's folder. After an error it is of no more use; open the folder again.
///
/// Memory: the growing tiles, at most 330 KiB.
#[derive(Debug)]
pub struct ArchiveWriter<F = Folder> {
    files: F,
    edge: TileEdge,
    /// The records after the last full bundle.
    bundle: Vec<Vec<u8>>,
    /// The size of which the folder's checkpoint speaks.
    sealed: u64,
    /// Full tiles whose partial ones nobody needs once the next checkpoint is there.
    filled: Vec<TileId>,
    /// Whether partial tiles of before may be wrong.
    mending: bool,
}

impl ArchiveWriter {
    /// Goes on with the log in the folder `dir`, or begins one where there is no checkpoint yet.
    ///
    /// # Errors
    /// [`ArchiveError`]; [`ArchiveError::OtherTree`] and [`ArchiveError::Tiles`] where the folder is damaged:
    /// then [`Self::begin`] and push everything again.
    pub fn open(dir: &Path) -> Result<Self, ArchiveError> {
        Self::continued(Folder::new(dir))
    }

    /// Begins at the first entry, over whatever the folder `dir` holds: what is right is left alone.
    pub fn begin(dir: &Path) -> Self {
        Self::over(Folder::new(dir))
    }
}

impl<F: Files> ArchiveWriter<F> {
    /// As [`ArchiveWriter::begin`], wherever the files lie.
    pub fn over(files: F) -> Self {
        let (edge, bundle, filled) = (TileEdge::new(), Vec::new(), Vec::new());
        Self { files, edge, bundle, sealed: 0, filled, mending: true }
    }

    /// As [`ArchiveWriter::open`], wherever the files lie.
    ///
    /// # Errors
    /// As [`ArchiveWriter::open`].
    pub fn continued(files: F) -> Result<Self, ArchiveError> {
        let Some(note) = checkpoint(&files)? else { return Ok(Self::over(files)) };
        let claim = Claim::of(&note)?;
        let tiles = Tiles::new(Shelf(&files), claim.size)?;
        let edge = TileEdge::of(&tiles)?;
        if edge.root() != claim.root {
            return Err(ArchiveError::OtherTree { size: claim.size });
        }
        let width = u64::from(TILE_WIDTH);
        let is_partial = claim.size % width != 0;
        let bundle = if is_partial { tiles.bundle(claim.size / width)? } else { Vec::new() };
        Ok(Self { edge, bundle, sealed: claim.size, filled: Vec::new(), mending: false, files })
    }

    /// How many entries were pushed, those before included.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The root over them.
    pub fn root(&self) -> Hash {
        self.edge.root()
    }

    /// Where the files lie.
    pub fn files(&self) -> &F {
        &self.files
    }

    /// Adds the next entry. Nobody who reads the folder sees it before it is sealed.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn push(&mut self, entry: &Entry) -> Result<(), ArchiveError> {
        let envelope = ArchiveFile::Envelope(entry.envelope().sha256());
        self.put(envelope, entry.envelope().as_bytes())?;
        let index = self.size() / u64::from(TILE_WIDTH);
        self.bundle.push(entry.record().to_vec());
        if self.bundle.len() >= TILE_WIDTH.into() {
            self.put_bundle(index)?;
            self.bundle.clear();
        }
        for (tile, bytes) in self.edge.push(entry.record())? {
            self.put(ArchiveFile::Tile(tile), &bytes)?;
            self.filled.push(tile);
        }
        Ok(())
    }

    /// Shows all entries that were pushed, under a checkpoint over them. The same checkpoint may come again
    /// with more signatures.
    ///
    /// # Errors
    /// [`ArchiveError::OtherTree`] where the checkpoint is over others; as [`Self::push`] besides.
    pub fn seal(&mut self, note: &str) -> Result<(), ArchiveError> {
        let claim = Claim::of(note)?;
        if (claim.size, claim.root) != (self.size(), self.root()) {
            return Err(ArchiveError::OtherTree { size: claim.size });
        }
        let since = if self.mending { 0 } else { self.sealed };
        if !self.bundle.is_empty() && since < claim.size {
            self.put_bundle(claim.size / u64::from(TILE_WIDTH))?;
        }
        for (tile, bytes) in self.edge.partials(since) {
            self.put(ArchiveFile::Tile(tile), &bytes)?;
        }
        self.put(ArchiveFile::Checkpoint, note.as_bytes())?;
        self.sealed = claim.size;
        self.clear_filled()?;
        if std::mem::take(&mut self.mending) {
            self.mend_partials()?;
        }
        Ok(())
    }

    fn put(&self, file: ArchiveFile, bytes: &[u8]) -> Result<(), ArchiveError> {
        let name = file.to_string();
        self.files.put(&name, bytes).map_err(|source| ArchiveError::Write { name, source })
    }

    fn put_bundle(&mut self, index: u64) -> Result<(), ArchiveError> {
        let (tile, bytes) = self.bundle_of(index)?;
        self.put(ArchiveFile::Tile(tile), &bytes)?;
        if tile.is_full() {
            self.filled.push(tile);
        }
        Ok(())
    }

    /// The growing bundle, which has at least one record.
    fn bundle_of(&self, index: u64) -> Result<(TileId, Vec<u8>), ArchiveError> {
        let width = u16::try_from(self.bundle.len()).unwrap_or(u16::MAX);
        let tile = TileId::new(TileLevel::Entries, index, width)
            .map_err(|_| ArchiveError::Full(potluck_log::TreeFull))?;
        let bytes = encode_bundle(self.bundle.iter().map(Vec::as_slice))
            .map_err(|source| ArchiveError::Bundle { tile, source })?;
        Ok((tile, bytes))
    }

    /// Removes the partial tiles of which there are full ones now (C2SP tlog-tiles, "Partial tiles").
    fn clear_filled(&mut self) -> Result<(), ArchiveError> {
        for tile in std::mem::take(&mut self.filled) {
            let name = format!("{tile}.p");
            self.files.remove(&name).map_err(|source| ArchiveError::Write { name, source })?;
        }
        Ok(())
    }

    /// Makes the smaller partial tiles right that earlier checkpoints spoke of: each is a beginning of the
    /// present one.
    fn mend_partials(&mut self) -> Result<(), ArchiveError> {
        let mut partials = self.edge.partials(0);
        if !self.bundle.is_empty() {
            partials.push(self.bundle_of(self.size() / u64::from(TILE_WIDTH))?);
        }
        for (tile, bytes) in partials {
            let Some(full) = tile.full() else { continue };
            let folder = format!("{full}.p");
            let written = |source| ArchiveError::Write { name: folder.clone(), source };
            for name in self.files.list(&folder).map_err(written)? {
                let path = format!("{folder}/{name}");
                let known: Option<TileId> = path.parse().ok();
                match known.filter(|known| known.width() <= tile.width()) {
                    Some(smaller) => {
                        let beginning = beginning(tile, &bytes, smaller.width())
                            .map_err(|source| ArchiveError::Bundle { tile, source })?;
                        self.put(ArchiveFile::Tile(smaller), beginning)?;
                    }
                    None => self.files.remove(&path).map_err(written)?,
                }
            }
        }
        Ok(())
    }
}

/// The first `width` hashes or records of a tile.
fn beginning(tile: TileId, bytes: &[u8], width: u16) -> Result<&[u8], BundleError> {
    let length = match tile.level() {
        TileLevel::Hashes(_) => usize::from(width) * size_of::<Hash>(),
        TileLevel::Entries => {
            let records = decode_bundle(bytes, tile.width())?;
            records.iter().take(width.into()).map(|record| 2 + record.len()).sum()
        }
    };
    Ok(bytes.get(..length).unwrap_or(bytes))
}
