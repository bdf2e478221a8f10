use std::path::Path;

use super::*;
use crate::blend::{Wanted, linear};
use crate::samples::{Sample, f32s, file, halves};

/// A file that is copied, in the shape that is wanted.
fn planned(folder: &Path, tensors: &[Sample], shape: Shape<'_>) -> Soup {
    let path = folder.join("a.safetensors");
    std::fs::write(&path, file(tensors)).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    let wanted = Wanted { shape, dtype: None, recipe: Some(Blake3::of(b"recipe")) };
    linear(&[("a".parse().unwrap(), 1_000_000, &checkpoint)], &wanted).unwrap()
}

#[test]
fn the_header_is_the_documented_text() {
    let folder = tempfile::tempdir().unwrap();
    let tensors = [halves("a", Dtype::Bf16, &[0; 3]), f32s("b.w", &[0.0; 2]), f32s("b", &[])];
    let soup = planned(folder.path(), &tensors, Shape::One);
    let recipe = Blake3::of(b"recipe");
    let text = format!(
        r#"{{"__metadata__":{{"format":"pt","recipe":"{recipe}"}},"b":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}},"b.w":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}},"a":{{"dtype":"BF16","shape":[3],"data_offsets":[8,14]}}}}"#
    );
    let header = soup.files()[0].header();
    assert_eq!(header.len() % 8, 0);
    assert_eq!(u64::from_le_bytes(header[..8].try_into().unwrap()), header.len() as u64 - 8);
    let written = std::str::from_utf8(&header[8..]).unwrap();
    assert_eq!(written.trim_end_matches(' '), text);
    assert!(written.len() - text.len() < 8);
    assert_eq!((soup.bytes(), soup.data_bytes()), (header.len() as u64 + 14, 14));
}

#[test]
fn a_soup_of_no_recipe_names_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    std::fs::write(&path, file(&[f32s("w", &[0.0])])).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    let wanted = Wanted { shape: Shape::One, dtype: None, recipe: None };
    let soup = linear(&[("a".parse().unwrap(), 1_000_000, &checkpoint)], &wanted).unwrap();
    let header = std::str::from_utf8(&soup.files()[0].header()[8..]).unwrap();
    let text =
        r#"{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    assert_eq!(header.trim_end_matches(' '), text);
}

#[test]
fn shards_are_filled_in_order_of_names_and_named_after_their_number() {
    let folder = tempfile::tempdir().unwrap();
    let tensors =
        [f32s("d", &[0.0; 9]), f32s("a", &[0.0]), f32s("b", &[0.0; 3]), f32s("c", &[0.0])];
    let files = |limit| {
        let soup = planned(folder.path(), &tensors, Shape::AtMost(limit));
        let names = |file: &SoupFile| file.tensor_names().collect::<Vec<_>>().join("");
        soup.files().iter().map(|file| (file.name().to_owned(), names(file))).collect::<Vec<_>>()
    };
    let one = |number: u32, names: &str| {
        (format!("model-0000{number}-of-00003.safetensors"), names.to_owned())
    };
    assert_eq!(files(1000), [("model.safetensors".to_owned(), "abcd".to_owned())]);
    assert_eq!(files(16), [one(1, "ab"), one(2, "c"), one(3, "d")]);
    assert_eq!(files(0).len(), 4);
}
