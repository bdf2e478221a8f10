use std::fs;

use super::*;
use crate::samples::{f32s, file};

/// A folder of two shards, a and b, whose index says so.
fn sharded() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (first, second) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
    fs::write(path.join(first), file(&[f32s("a", &[1.0]), f32s("c", &[3.0])])).unwrap();
    fs::write(path.join(second), file(&[f32s("b", &[2.0])])).unwrap();
    write_index(path, &[("a", first), ("b", second), ("c", first)]);
    folder
}

fn write_index(folder: &Path, map: &[(&str, &str)]) {
    let entries: Vec<_> = map.iter().map(|(name, file)| format!(r#""{name}":"{file}""#)).collect();
    let text =
        format!(r#"{{"metadata":{{"total_size":12}},"weight_map":{{{}}}}}"#, entries.join(","));
    fs::write(folder.join(INDEX), text).unwrap();
}

#[test]
fn shards_are_one_list_of_tensors() {
    let folder = sharded();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    assert_eq!((checkpoint.kind(), checkpoint.is_indexed()), (Kind::Folder, true));
    let names: Vec<_> = checkpoint.tensors().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(checkpoint.file_of("b"), Some("model-00002-of-00002.safetensors"));
    assert_eq!(checkpoint.file_of("d"), None);
    for (name, value) in [("a", 1f32), ("b", 2.0), ("c", 3.0)] {
        let mut bytes = [0; 4];
        checkpoint.input(name).unwrap().read(0, &mut bytes).unwrap();
        assert_eq!(f32::from_le_bytes(bytes), value);
    }
    assert!(checkpoint.input("d").is_none());
    assert_eq!(checkpoint.data_bytes(), 12);
}

#[test]
fn a_shard_that_disagrees_with_its_index_is_named() {
    let folder = sharded();
    let (first, second) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
    let disagrees = |map: &[(&str, &str)]| {
        write_index(folder.path(), map);
        match Checkpoint::open(folder.path()).unwrap_err() {
            CheckpointError::Shard { tensor, .. } => tensor,
            other => panic!("{other}"),
        }
    };
    assert_eq!(disagrees(&[("a", first), ("b", second)]), "c");
    assert_eq!(disagrees(&[("a", first), ("b", second), ("c", first), ("d", first)]), "d");
    assert_eq!(disagrees(&[("a", first), ("b", second), ("c", second)]), "c");
    assert_eq!(disagrees(&[("a", first), ("aa", first), ("b", second), ("c", first)]), "aa");
}

#[test]
fn a_missing_shard_and_a_bad_index_are_named() {
    let folder = sharded();
    fs::remove_file(folder.path().join("model-00002-of-00002.safetensors")).unwrap();
    let error = Checkpoint::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("model-00002-of-00002.safetensors cannot be read"), "{error}");
    fs::write(folder.path().join(INDEX), "{}").unwrap();
    assert!(matches!(
        Checkpoint::open(folder.path()),
        Err(CheckpointError::Index { path, .. }) if path.ends_with(INDEX)
    ));
}

#[test]
fn folders_are_told_apart_and_what_could_be_two_things_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let open = || Checkpoint::open(path);
    assert!(matches!(open(), Err(CheckpointError::Nothing(_))));
    fs::write(path.join("pytorch_model.bin"), b"").unwrap();
    assert!(matches!(open(), Err(CheckpointError::Pickled(_))));
    let weights = file(&[f32s("a", &[1.0])]);
    fs::write(path.join(ADAPTER_CONFIG), b"{}").unwrap();
    fs::write(path.join(ADAPTER_WEIGHTS), &weights).unwrap();
    assert_eq!(open().unwrap().kind(), Kind::Adapter);
    fs::write(path.join(WEIGHTS), &weights).unwrap();
    assert!(matches!(open(), Err(CheckpointError::Ambiguous(_))));
    assert_eq!(Checkpoint::open(&path.join(WEIGHTS)).unwrap().kind(), Kind::File);
    fs::remove_file(path.join(ADAPTER_CONFIG)).unwrap();
    assert_eq!(open().unwrap().kind(), Kind::Folder);
}
