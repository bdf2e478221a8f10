//! A file that is coming in, perhaps not for the first time.

pub(super) mod share;

use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bao_tree::io::outboard::PreOrderOutboard;
use bao_tree::{BaoTree, ChunkNum, ChunkRanges};
use potluck_core::{Blake3, Code, Refusal};
use potluck_wire::Ranges;
use potluck_wire::ranges::{BLOCK_SIZE, GROUP, MAX_SIZE};

use super::disk::{self, Disk, DiskFile as _, System};
use super::import::write_outboard;
use super::receive::Way;
use super::rescan::{Scanned, Unsure};
use super::tree;
use share::Share;

/// A file of known size and digest, of which some groups are there.
///
/// It holds `<stem>.part` under an exclusive lock, so that two uploads never write one file, in this process
/// or another. Memory does not grow with the file. Dropped, it leaves both files for the next time.
#[derive(Debug)]
pub struct Partial<D: Disk = System> {
    pub(super) disk: D,
    pub(super) part: PathBuf,
    obao: PathBuf,
    pub(super) data: D::File,
    pub(super) outboard: PreOrderOutboard<D::File>,
    /// What verified, in whole groups.
    pub(super) valid: ChunkRanges,
    /// What verified that came in by other ways ([`Self::share`]).
    came: Arc<Mutex<ChunkRanges>>,
    /// What lies there and was not looked at yet.
    unsure: Option<Unsure>,
}

/// From how many bytes on that are there a resume does not wait until they are looked at: less is read in the blink of an eye.
const LONG: u64 = 32 << 20;

/// Content that could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// It is not the content of the digest. What came before it is kept; nothing of it is.
    #[error("the content is not that of its digest, at byte {offset}")]
    Corrupt {
        /// Where the group begins that did not verify, in bytes.
        offset: u64,
    },
    /// The stream ended or broke off first. What came is kept.
    #[error("the content broke off")]
    Cut(#[source] io::Error),
    /// It could not be written.
    #[error("the content could not be written")]
    File(#[source] io::Error),
}

impl ReceiveError {
    /// What to tell the sender; says nothing about this machine.
    pub fn refusal(&self, blob: &Blake3) -> Refusal {
        let blob = blob.short();
        match self {
            Self::Corrupt { offset } => Refusal::new(
                Code::ContentCorrupt,
                format!("the bytes of {blob} are not those of the digest, at byte {offset}"),
            ),
            Self::Cut(source) if source.kind() == io::ErrorKind::TimedOut => Refusal::new(
                Code::TooSlow,
                format!("the bytes of {blob} came too slowly; send them again, what came is kept"),
            ),
            Self::Cut(_) => Refusal::new(
                Code::ProtocolError,
                format!("the bytes of {blob} broke off; send them again, what came is kept"),
            ),
            Self::File(source)
                if matches!(
                    source.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                ) =>
            {
                let sentence = format!(
                    "the aggregator's disk is full; what came of {blob} is kept, send the rest later"
                );
                Refusal::new(Code::StorageFull, sentence).retry_after(600)
            }
            Self::File(_) => {
                Refusal::new(Code::Internal, format!("the bytes of {blob} could not be stored"))
            }
        }
    }
}

impl Partial {
    /// Creates or reopens `<dir>/<digest>.part` and `.obao`, and finds out what of it is valid.
    ///
    /// # Errors
    /// As [`Self::at`].
    pub fn open(dir: &Path, blake3: &Blake3, size: u64) -> io::Result<Self> {
        Self::at(&dir.join(blake3.to_string()), blake3, size)
    }

    /// As [`Self::open`], but of a long file only says what was never written, and finds out about the rest
    /// meanwhile: [`Self::settle`].
    ///
    /// # Errors
    /// As [`Self::at`].
    pub fn open_early(dir: &Path, blake3: &Blake3, size: u64) -> io::Result<Self> {
        Self::early(&dir.join(blake3.to_string()), blake3, size)
    }

    /// As [`Self::open_early`], of `<stem>.part` and `<stem>.obao`.
    ///
    /// # Errors
    /// As [`Self::at`].
    pub fn early(stem: &Path, blake3: &Blake3, size: u64) -> io::Result<Self> {
        Self::early_on(System, stem, blake3, size, LONG)
    }

    /// Creates or reopens `<stem>.part` and `<stem>.obao`, and finds out what of it is valid, which reads
    /// all that is there.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where somebody else holds it, [`io::ErrorKind::InvalidInput`] where no
    /// file can be so (too large, or empty with another digest), and what the file system says.
    pub fn at(stem: &Path, blake3: &Blake3, size: u64) -> io::Result<Self> {
        Self::on(System, stem, blake3, size)
    }
}

impl<D: Disk> Partial<D> {
    /// As [`Partial::at`], on a disk of the caller's.
    ///
    /// # Errors
    /// As [`Partial::at`].
    pub fn on(disk: D, stem: &Path, blake3: &Blake3, size: u64) -> io::Result<Self> {
        let mut partial = Self::unscanned(disk, stem, blake3, size)?;
        partial.rescan()?;
        Ok(partial)
    }

    /// As [`Partial::open_early`], on a disk of the caller's, where at least so many bytes are there and some are not.
    ///
    /// # Errors
    /// As [`Partial::at`].
    pub fn early_on(
        disk: D,
        stem: &Path,
        blake3: &Blake3,
        size: u64,
        long: u64,
    ) -> io::Result<Self> {
        let mut partial = Self::unscanned(disk, stem, blake3, size)?;
        let (scanned, written) = (partial.scanned(), partial.data.written()?);
        // Of a group that is only partly there the rest is missing, and so all of it.
        let whole = |span: &Range<u64>| match span.end {
            end if end == size => span.start.div_ceil(GROUP) * GROUP..end,
            end => span.start.div_ceil(GROUP) * GROUP..end / GROUP * GROUP,
        };
        let written = written.iter().map(whole).filter(|span| span.start < span.end);
        let written: Vec<_> = written.collect();
        let there: u64 = written.iter().map(|span| span.end - span.start).sum();
        if there < long || there == size {
            partial.rescan()?;
        } else {
            let end = scanned.end(partial.data.length()?);
            let unsure = Unsure::begin(&partial.disk, scanned, (end, tree::chunks_of(&written)))?;
            partial.unsure = Some(unsure);
        }
        Ok(partial)
    }

    fn unscanned(disk: D, stem: &Path, blake3: &Blake3, size: u64) -> io::Result<Self> {
        let root = bao_tree::blake3::Hash::from_bytes(*blake3.as_bytes());
        if size > MAX_SIZE || (size == 0 && root != bao_tree::blake3::hash(b"")) {
            let sentence = "no file has this size and digest";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, sentence));
        }
        let (part, obao) = (disk::with_suffix(stem, ".part"), disk::with_suffix(stem, ".obao"));
        let data = disk.edit(&part)?;
        data.lock()?;
        if data.length()? > size {
            data.set_length(size)?;
        }
        let tree = BaoTree::new(size, BLOCK_SIZE);
        let outboard = PreOrderOutboard { root, tree, data: disk.edit(&obao)? };
        let valid = ChunkRanges::empty();
        let came = Arc::default();
        let partial = Self { disk, part, obao, data, outboard, valid, came, unsure: None };
        partial.restore_outboard()?;
        Ok(partial)
    }

    /// Finds out what of all that lies on disk is valid.
    pub(super) fn rescan(&mut self) -> io::Result<()> {
        self.unsure = None;
        self.valid = self.scanned().valid(&self.disk, (&self.data, &self.outboard.data))?;
        Ok(())
    }

    fn scanned(&self) -> Scanned {
        let PreOrderOutboard { root, tree, .. } = &self.outboard;
        let paths = (self.part.clone(), self.obao.clone());
        Scanned { root: *root, tree: *tree, paths, stopped: Arc::default() }
    }

    /// Waits until all that was there is looked at. What of it does not verify is [`Self::missing`] from then on.
    ///
    /// # Errors
    /// What the file system says.
    pub fn settle(&mut self) -> io::Result<()> {
        let Some(unsure) = self.unsure.take() else { return Ok(()) };
        match unsure.found()? {
            Some(found) => self.valid |= found,
            None => self.rescan()?,
        }
        Ok(())
    }

    /// A file that is all there, but for its outboard, was interrupted between the two renames of
    /// [`Self::finish`]: its hashes can be computed again. If they are others, the rescan will see it.
    fn restore_outboard(&self) -> io::Result<()> {
        let whole = self.data.length()? == self.outboard.tree.size();
        if whole && self.outboard.data.length()? == 0 {
            // Of a handle of its own: computing sets the root to what the data hash to, and ours must stay
            // the one that was asked for.
            let data = self.outboard.data.again()?;
            let (root, tree) = (self.outboard.root, self.outboard.tree);
            write_outboard(&self.data, &mut PreOrderOutboard { root, tree, data })?;
        }
        Ok(())
    }

    /// What is not there yet. What lies there and is still being looked at counts as if it were right, until it is
    /// [settled](Self::settle).
    pub fn missing(&self) -> Ranges {
        missing(self.outboard.tree, &self.there())
    }

    /// What is not there yet, exactly, as the tree counts it.
    pub(super) fn lacking(&self) -> ChunkRanges {
        lacking(self.outboard.tree, &self.there())
    }

    /// What is there, or counts as if it were.
    fn there(&self) -> ChunkRanges {
        let there = &self.valid | &*share::lock(&self.came);
        match &self.unsure {
            Some(unsure) => &there | &unsure.chunks,
            None => there,
        }
    }

    /// Takes the verified stream of `ranges` from `from`, and no byte more. `on_group` is told the length of
    /// each group once it is verified and on its way to the disk.
    ///
    /// # Errors
    /// [`ReceiveError`]. Whatever verified before it stays.
    pub fn receive(
        &mut self,
        ranges: &Ranges,
        from: &mut dyn Read,
        on_group: &mut dyn FnMut(u64),
    ) -> Result<(), ReceiveError> {
        let PreOrderOutboard { root, tree, data: hashes } = &mut self.outboard;
        let way = Way {
            root: *root,
            tree: *tree,
            direct: self.disk.direct(&self.part),
            data: &mut self.data,
            hashes,
        };
        let (written, received) = way.receive(ranges, from, on_group);
        self.note(&written);
        received
    }

    /// A second way in, for another stream: several may bring parts of the file at the same time, no two the same part. It is of
    /// use for as long as this is held.
    pub fn share(&self) -> Share<D> {
        Share {
            disk: self.disk.clone(),
            paths: (self.part.clone(), self.obao.clone()),
            root: self.outboard.root,
            tree: self.outboard.tree,
            before: self.there(),
            came: Arc::clone(&self.came),
        }
    }

    /// What verified and is written, in bytes.
    pub(super) fn note(&mut self, written: &[Range<u64>]) {
        self.valid |= tree::chunks_of(written);
    }

    /// Makes both files durable and gives them their names, the outboard first: where the data stands, its
    /// outboard does.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] where something is missing, and what the file system says.
    pub fn finish(mut self, data_target: &Path, outboard_target: &Path) -> io::Result<()> {
        self.sync()?;
        disk::publish(&self.disk, &self.obao, outboard_target)?;
        disk::publish(&self.disk, &self.part, data_target)
    }

    /// Makes the data durable and gives it its name; the outboard is not kept.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn finish_data(mut self, data_target: &Path) -> io::Result<()> {
        self.sync()?;
        disk::publish(&self.disk, &self.part, data_target)?;
        disk::remove(&self.disk, &self.obao)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.settle()?;
        if !self.missing().is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the file is not complete"));
        }
        self.outboard.data.set_length(self.outboard.tree.outboard_size())?;
        self.outboard.data.sync()?;
        self.data.sync()
    }
}

/// What is lacking beside what is there: open at the end where the last group is not there, which is how the tree's iterator
/// knows that it is wanted whole.
fn lacking(tree: BaoTree, there: &ChunkRanges) -> ChunkRanges {
    let end = tree.chunks();
    match end.0.checked_sub(1) {
        Some(last) if !there.contains(&ChunkNum(last)) => ChunkRanges::all().difference(there),
        _ => ChunkRanges::from(ChunkNum(0)..end).difference(there),
    }
}

/// In bytes, at bounds of groups.
fn missing(tree: BaoTree, there: &ChunkRanges) -> Ranges {
    let missing = Ranges::of_chunks(tree.size(), &lacking(tree, there));
    missing.expect("the size was checked when it was opened")
}

#[cfg(test)]
mod tests;
