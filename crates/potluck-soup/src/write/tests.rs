use super::*;
use crate::layout::{Dtype, HeaderLimit};
use crate::samples::{f32s, file, halves, open};

fn layout(tensors: &[crate::samples::Sample]) -> Layout {
    Layout::of(&open(&file(tensors)), HeaderLimit::BASE).unwrap()
}

#[test]
fn the_header_is_the_documented_text() {
    let layout =
        layout(&[halves("a", Dtype::Bf16, &[0; 3]), f32s("b.w", &[0.0; 2]), f32s("b", &[])]);
    let recipe = Blake3::of(b"recipe");
    let text = format!(
        r#"{{"__metadata__":{{"format":"pt","recipe":"{recipe}"}},"b":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}},"b.w":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}},"a":{{"dtype":"BF16","shape":[3],"data_offsets":[8,14]}}}}"#
    );
    let header = header(&layout, recipe);
    assert_eq!(header.len() % 8, 0);
    assert_eq!(u64::from_le_bytes(header[..8].try_into().unwrap()), header.len() as u64 - 8);
    let written = std::str::from_utf8(&header[8..]).unwrap();
    assert_eq!(written.trim_end_matches(' '), text);
    assert!(written.len() - text.len() < 8);
}

#[test]
fn a_file_appears_complete_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("soup.safetensors");
    let entries = || std::fs::read_dir(folder.path()).unwrap().count();
    let layout = layout(&[f32s("a", &[1.0])]);
    let recipe = Blake3::of(b"");

    let mut output = Output::create(&target, &layout, recipe).unwrap();
    output.write(&1f32.to_le_bytes()).unwrap();
    assert!(!target.exists());
    drop(output);
    assert_eq!(entries(), 0);

    let mut output = Output::create(&target, &layout, recipe).unwrap();
    output.write(&1f32.to_le_bytes()).unwrap();
    let blended = output.finish().unwrap();
    assert_eq!(entries(), 1);
    let bytes = std::fs::read(&target).unwrap();
    assert_eq!(blended.size, bytes.len() as u64);
    assert_eq!((blended.blake3, blended.sha256), (Blake3::of(&bytes), Sha256::of(&bytes)));
}

#[test]
fn what_a_kill_left_is_removed_and_what_grows_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (target, layout) = (folder.path().join("soup"), layout(&[f32s("a", &[1.0])]));
    let names =
        [".soup.1-7.part", ".soup.1-x.part", ".soup.part", ".other.1-7.part", "soup.1-7.part"];
    for name in names {
        std::fs::write(folder.path().join(name), b"half").unwrap();
    }
    let first = Output::create(&target, &layout, Blake3::of(b"")).unwrap();
    let mut second = Output::create(&target, &layout, Blake3::of(b"")).unwrap();
    let there = names.map(|name| folder.path().join(name).exists());
    assert_eq!(there, [false, true, true, true, true]);
    assert!(first.part.as_ref().unwrap().exists());
    second.write(&1f32.to_le_bytes()).unwrap();
    second.finish().unwrap();
    drop(first);
    assert!(target.exists());
}

#[test]
fn a_target_that_cannot_be_is_refused_and_nothing_stays() {
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(&[f32s("a", &[1.0])]);
    let create = |path: &Path| Output::create(path, &layout, Blake3::of(b""));
    assert!(create(&folder.path().join("missing/soup")).is_err());
    assert!(create(Path::new("..")).is_err());
    // A folder stands where the soup should: the rename fails.
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    assert!(create(&taken).unwrap().finish().is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
