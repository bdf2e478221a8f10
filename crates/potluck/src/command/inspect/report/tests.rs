use std::num::NonZeroUsize;
use std::path::Path;

use potluck_soup::statistics::{Surveying, survey};

use super::*;
use crate::samples::weights;

fn report(path: &Path, sort: Sort, survey_too: bool, check: impl Fn(&Report<'_>)) {
    let checkpoint = Checkpoint::open(path).unwrap();
    let surveying =
        Surveying { threads: NonZeroUsize::MIN, statistics: survey_too, blake3: survey_too };
    let survey = survey(&checkpoint, surveying, &mut |_| {}).unwrap();
    let time = Duration::ZERO;
    check(&Report { checkpoint: &checkpoint, survey, has_list: true, sort, time });
}

#[test]
fn a_checkpoint_reads_like_this() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let recipe = "ab".repeat(32);
    let metadata = format!(r#"{{"format":"pt","note":"a\u001b[2J","recipe":"{recipe}"}}"#);
    let floats = [3f32, -4.0, 0.0, 0.0].map(f32::to_le_bytes).concat();
    let tensors: &[(&str, &str, &str, &[u8])] =
        &[("w", "F32", "2,2", &floats), ("ids", "U8", "2", &[1, 7])];
    std::fs::write(&path, weights(&metadata, tensors)).unwrap();
    report(&path, Sort::Name, true, |report| {
        let words = report.words();
        assert!(words[0].ends_with("w.safetensors"));
        let blake3 = report.survey.blake3[0];
        assert_eq!(
            words[1..],
            [
                "kind      file".to_owned(),
                "tensors   2 (1 F32, 1 U8)".into(),
                "elements  6".into(),
                format!("size      {} B", std::fs::metadata(&path).unwrap().len()),
                format!("recipe    {recipe}"),
                format!("file      w.safetensors  BLAKE3 {blake3}"),
                "metadata  format: pt".into(),
                "metadata  note: a\\u{1b}[2J".into(),
                "".into(),
                "tensor  dtype  shape    norm  max |x|      mean    zero  magnitudes".into(),
                "ids        U8      2       -        -         -       -      1 to 7".into(),
                "w         F32    2×2  5.0000   4.0000  -0.25000  50.0 %  2^1 ██ 2^3".into(),
            ]
        );
        let json = report.as_json();
        assert_eq!(json["recipe"], recipe);
        assert_eq!(json["dtypes"]["F32"], json!({"tensors": 1, "elements": 4, "bytes": 16}));
        assert_eq!(json["tensors"][1]["statistics"]["norm"], 5.0);
        assert_eq!(json["tensors"][0]["statistics"]["maximum"], "7");
        assert_eq!(json["is_finite"], true);
    });
}

#[test]
fn tensors_are_sorted_and_what_is_not_finite_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let of = |values: &[f32]| values.iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<_>>();
    let (a, b) = (of(&[1.0; 4]), of(&[5.0, f32::NAN]));
    let tensors: &[(&str, &str, &str, &[u8])] = &[("a", "F32", "4", &a), ("b", "F32", "2", &b)];
    std::fs::write(&path, weights("{}", tensors)).unwrap();
    for (sort, first) in
        [(Sort::Name, "a"), (Sort::Norm, "b"), (Sort::Max, "b"), (Sort::Bytes, "a")]
    {
        report(&path, sort, true, |report| {
            assert_eq!(report.as_json()["tensors"][0]["name"], first, "{sort:?}");
            let words = report.words();
            let told = "NOT FINITE: b holds 1 NaN and 0 infinite of 2 elements";
            assert_eq!(words[words.len() - 2], told);
            assert_eq!(report.as_json()["is_finite"], false);
        });
    }
    report(&path, Sort::Name, false, |report| {
        assert_eq!(report.words().last().unwrap(), "b         F32      2   8 B");
        assert!(report.as_json().get("is_finite").is_none());
    });
}
