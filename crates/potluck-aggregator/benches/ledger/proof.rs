//! An inclusion proof in a log of ten million entries, from tiles on disk.

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use potluck_log::{TileEdge, TileId, TileReader, Tiles};

/// A folder of tiles that counts what is read.
struct Counted {
    folder: PathBuf,
    bytes: Cell<u64>,
}

impl TileReader for &Counted {
    type Error = io::Error;

    fn read(&self, tile: TileId) -> Result<Option<Vec<u8>>, io::Error> {
        match fs::read(self.folder.join(tile.to_string())) {
            Ok(bytes) => {
                self.bytes.set(self.bytes.get() + bytes.len() as u64);
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Seconds of each proof, and the most bytes that one read.
pub(super) fn proofs(dir: &Path, entries: u64, count: u64) -> (Vec<f64>, u64) {
    let folder = dir.join(format!("tiles-{entries}"));
    if !folder.join("whole").exists() {
        write(&folder, entries);
    }
    let mut most = 0;
    let seconds = (0..count).map(|number| {
        // Anywhere: an odd multiplier visits far places.
        let index = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % entries;
        let reader = Counted { folder: folder.clone(), bytes: Cell::new(0) };
        let began = Instant::now();
        let tiles = Tiles::new(&reader, entries).unwrap();
        let proof = tiles.inclusion(index, entries).unwrap();
        let took = began.elapsed().as_secs_f64();
        assert!(!proof.hashes().is_empty());
        most = most.max(reader.bytes.get());
        took
    });
    let seconds = seconds.collect();
    (seconds, most)
}

fn write(folder: &Path, entries: u64) {
    let _ = fs::remove_dir_all(folder);
    let save = |(tile, bytes): (TileId, Vec<u8>)| {
        let path = folder.join(tile.to_string());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let mut edge = TileEdge::new();
    for number in 0..entries {
        edge.push(&number.to_be_bytes()).unwrap().into_iter().for_each(save);
    }
    edge.partials(0).into_iter().for_each(save);
    fs::write(folder.join("whole"), "").unwrap();
}
