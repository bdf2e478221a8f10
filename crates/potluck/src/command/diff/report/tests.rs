use std::num::NonZeroUsize;
use std::path::Path;

use potluck_soup::Checkpoint;
use potluck_soup::difference::difference;

use super::*;
use crate::samples::weights;

fn checkpoint(folder: &Path, name: &str, tensors: &[(&str, &[f32])], mask: u8) -> Checkpoint {
    let path = folder.join(name);
    let bytes = |values: &[f32]| values.iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<_>>();
    let held: Vec<_> = tensors
        .iter()
        .map(|(name, values)| (*name, values.len().to_string(), bytes(values)))
        .collect();
    let mask = [mask];
    let mut all: Vec<(&str, &str, &str, &[u8])> =
        held.iter().map(|(name, shape, bytes)| (*name, "F32", shape.as_str(), &**bytes)).collect();
    all.push(("mask", "BOOL", "1", &mask));
    std::fs::write(&path, weights("{}", &all)).unwrap();
    Checkpoint::open(&path).unwrap()
}

fn report(has_base: bool, sort: Sort, top: Option<usize>) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let of =
        |name, tensors: &[(&str, &[f32])], mask| checkpoint(folder.path(), name, tensors, mask);
    let a = of("a", &[("p", &[4.0, 1.0]), ("q", &[2.0]), ("only", &[1.0])], 0);
    let b = of("b", &[("p", &[1.0, 5.0]), ("q", &[0.0])], 1);
    let base = of("base", &[("p", &[1.0, 1.0]), ("q", &[1.0]), ("only", &[1.0])], 0);
    let base = has_base.then_some(&base);
    let compared = difference(&a, &b, base, NonZeroUsize::MIN, &mut |_, _| {}).unwrap();
    let (are_adapters, read, time) = (false, 10, Duration::ZERO);
    Report { compared, has_base, are_adapters, sort, top, read, time }
}

#[test]
fn changes_from_a_base_read_like_this() {
    assert_eq!(
        report(true, Sort::Change, None).words(),
        [
            "tensor       |A-base|/|base|  |B-base|/|base|   cosine  max change",
            "p                     2.1213           2.8284   0.0000      4.0000",
            "q                     1.0000           1.0000  -1.0000      1.0000",
            "all of them           1.8257           2.3805  -0.0767      4.0000",
            "mask: 1 of 1 BOOL elements differ",
            "only: not in B, not compared",
        ]
    );
    let json = report(true, Sort::Cosine, None).as_json();
    assert_eq!(json["tensors"][0]["name"], "q");
    assert_eq!(json["tensors"][1]["b_change"], 4.0);
    assert_eq!(json["others"][1], json!({"name": "only", "dtype": "F32", "lacking_in": ["b"]}));
}

#[test]
fn two_without_a_base_read_like_this() {
    assert_eq!(
        report(false, Sort::Change, Some(1)).words(),
        [
            "tensor       |A-B|/|A|   |A-B|  cosine  max change",
            "p               1.2127  5.0000  0.4281      4.0000",
            "all of them     1.1751  5.3852  0.3852      4.0000",
            "1 more are not listed",
            "mask: 1 of 1 BOOL elements differ",
            "only: not in B, not compared",
        ]
    );
    let json = report(false, Sort::Name, Some(1)).as_json();
    assert_eq!(json["tensors"].as_array().unwrap().len(), 1);
    assert_eq!(json["total"]["apart"], 29f64.sqrt());
}
