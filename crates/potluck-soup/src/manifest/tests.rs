use std::os::unix::fs::symlink;

use super::*;

fn quiet(_: u64, _: u64) {}

#[test]
fn every_file_is_listed_with_its_digests() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::create_dir(at("sub")).unwrap();
    fs::create_dir(at(".cache")).unwrap();
    let large = vec![7; TILE_BYTES + 1];
    fs::write(at("model.safetensors"), &large).unwrap();
    fs::write(at("sub/config.json"), "{}").unwrap();
    fs::write(at(".cache/x"), "hidden").unwrap();
    fs::write(at(".hidden"), "hidden").unwrap();

    let mut heard = Vec::new();
    let manifest =
        manifest_of(folder.path(), &mut |done, total| heard.push((done, total))).unwrap();
    let paths: Vec<_> = manifest.files().iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["model.safetensors", "sub/config.json"]);
    let weights = manifest.weights().unwrap();
    assert_eq!(weights.size, large.len() as u64);
    assert_eq!((weights.blake3, weights.sha256), (Blake3::of(&large), Sha256::of(&large)));
    let total = large.len() as u64 + 2;
    assert_eq!((heard[0], *heard.last().unwrap()), ((0, total), (total, total)));
    assert!(heard.is_sorted());
}

#[test]
fn links_and_pipes_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("model.safetensors");
    symlink("/etc/passwd", &link).unwrap();
    let special =
        |error: &FolderError| matches!(error, FolderError::Special(path) if *path == link);
    assert!(special(&manifest_of(folder.path(), &mut quiet).unwrap_err()));
    assert!(special(&file_entry(&link, "x", &mut quiet).unwrap_err()));
    fs::remove_file(&link).unwrap();
    let name = std::ffi::CString::new(link.to_str().unwrap()).unwrap();
    // SAFETY: mkfifo reads the name, which outlives the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    assert!(special(&manifest_of(folder.path(), &mut quiet).unwrap_err()));
    assert!(special(&file_entry(&link, "x", &mut quiet).unwrap_err()));
}

#[test]
fn what_is_no_manifest_is_refused_before_it_is_hashed() {
    let folder = tempfile::tempdir().unwrap();
    let error = |folder: &Path| manifest_of(folder, &mut quiet).unwrap_err();
    assert!(matches!(
        error(folder.path()),
        FolderError::Manifest { source: ManifestError::Count(0), .. }
    ));
    let huge = File::create(folder.path().join("with space")).unwrap();
    huge.set_len(1 << 40).unwrap();
    assert!(matches!(
        error(folder.path()),
        FolderError::Manifest { source: ManifestError::Path(_), .. }
    ));
    assert!(matches!(error(&folder.path().join("missing")), FolderError::Read { .. }));
    assert!(matches!(error(&folder.path().join("with space")), FolderError::Read { .. }));
    let deep = tempfile::tempdir().unwrap();
    fs::create_dir_all(deep.path().join("d/".repeat(MAX_DEPTH + 1))).unwrap();
    assert!(matches!(error(deep.path()), FolderError::Depth(_)));
}
