//! A log as the files that a page reads: checkpoint, tiles, envelopes.

use std::path::Path;

use potluck_core::Entry;
use potluck_log::{Checkpoint, NoteSigner, TileEdge, TileId, TileLevel, encode_bundle};

/// Writes the log of these records under `folder`, with partial tiles for its last size alone.
pub(crate) fn write_tiles(folder: &Path, records: &[Vec<u8>]) -> TileEdge {
    let mut edge = TileEdge::new();
    let mut tiles = Vec::new();
    for record in records {
        tiles.extend(edge.push(record).unwrap());
    }
    tiles.extend(edge.partials(0));
    let bundle = |tile: &TileId| {
        let first = usize::try_from(tile.index() * 256).unwrap();
        let records = &records[first..first + usize::from(tile.width())];
        encode_bundle(records.iter().map(Vec::as_slice)).unwrap()
    };
    let bundles = TileId::of_tree(edge.size()).filter(|tile| tile.level() == TileLevel::Entries);
    tiles.extend(bundles.map(|tile| (tile, bundle(&tile))));
    for (tile, bytes) in tiles {
        write(&folder.join(tile.to_string()), &bytes);
    }
    edge
}

/// Writes a ledger whose checkpoint `signer` signs, with `state` in it.
pub(crate) fn write_ledger(folder: &Path, entries: &[Entry], signer: &NoteSigner, state: [u8; 32]) {
    let records: Vec<_> = entries.iter().map(|entry| entry.record().to_vec()).collect();
    let edge = write_tiles(folder, &records);
    let origin = signer.verifier_key().name().clone();
    let note = Checkpoint { origin, size: edge.size(), root: edge.root(), state }.sign(signer);
    write(&folder.join("checkpoint"), note.as_bytes());
    write_envelopes(folder, entries);
}

/// Writes each envelope under its digest.
pub(crate) fn write_envelopes(folder: &Path, entries: &[Entry]) {
    for entry in entries {
        let digest = entry.envelope().sha256().to_string();
        let path = folder.join("envelope").join(&digest[..2]).join(&digest);
        write(&path, entry.envelope().as_bytes());
    }
}

pub(crate) fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}
