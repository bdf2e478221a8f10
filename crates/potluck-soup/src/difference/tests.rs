use std::path::Path;

use super::*;
use crate::samples::{Sample, f32s, file, halves};

fn checkpoint(folder: &Path, name: &str, tensors: &[Sample]) -> Checkpoint {
    let path = folder.join(name);
    std::fs::write(&path, file(tensors)).unwrap();
    Checkpoint::open(&path).unwrap()
}

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn moved(compared: &Compared) -> Moved {
    match compared.outcome {
        Outcome::Moved(moved) => moved,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn changes_are_measured_from_the_base() {
    let folder = tempfile::tempdir().unwrap();
    let a = checkpoint(folder.path(), "a", &[f32s("w", &[4.0, 1.0, 2.0])]);
    let b = checkpoint(folder.path(), "b", &[f32s("w", &[1.0, 5.0, 2.0])]);
    let base = checkpoint(folder.path(), "base", &[f32s("w", &[1.0, 1.0, 2.0])]);
    let found = difference(&a, &b, Some(&base), threads(2), &mut |_, _| {}).unwrap();
    let it = moved(&found[0]);
    assert_eq!((it.a(), it.b(), it.apart(), it.base()), (3.0, 4.0, 5.0, Some(6f64.sqrt())));
    assert_eq!((it.cosine(), it.largest()), (Some(0.0), 4.0));
    let found = difference(&a, &b, None, threads(2), &mut |_, _| {}).unwrap();
    let it = moved(&found[0]);
    assert_eq!((it.a(), it.b(), it.apart(), it.base()), (21f64.sqrt(), 30f64.sqrt(), 5.0, None));
    assert_eq!((it.cosine(), it.largest()), (Some(13.0 / (21f64.sqrt() * 30f64.sqrt())), 4.0));
    let same = difference(&a, &a, Some(&base), threads(1), &mut |_, _| {}).unwrap();
    assert_eq!((moved(&same[0]).cosine(), moved(&same[0]).apart()), (Some(1.0), 0.0));
    let none = difference(&a, &base, Some(&base), threads(1), &mut |_, _| {}).unwrap();
    assert_eq!(moved(&none[0]).cosine(), None);
}

#[test]
fn nothing_is_left_out_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let constant = |bytes: &[u8]| {
        let (bytes, shape) = (bytes.to_vec(), vec![bytes.len() as u64]);
        Sample { name: "c", dtype: Dtype::U8, shape, bytes }
    };
    let one = |name| f32s(name, &[1.0]);
    let two = |name| f32s(name, &[1.0, 2.0]);
    let a = checkpoint(folder.path(), "a", &[one("only_a"), one("s"), constant(&[1, 2, 3])]);
    let b = checkpoint(folder.path(), "b", &[two("s"), constant(&[1, 9, 9]), one("z")]);
    let found = difference(&a, &b, None, threads(2), &mut |_, _| {}).unwrap();
    let outcomes: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.outcome.clone())).collect();
    let wanted = [
        ("c", Outcome::Constants { different: 2 }),
        ("only_a", Outcome::Lacking(vec![Side::B])),
        ("s", Outcome::Shapes),
        ("z", Outcome::Lacking(vec![Side::A])),
    ];
    assert_eq!(outcomes, wanted);
    let base = checkpoint(folder.path(), "base", &[one("y")]);
    let found = difference(&a, &b, Some(&base), threads(2), &mut |_, _| {}).unwrap();
    let y = found.iter().find(|it| it.name == "y").unwrap();
    assert_eq!(y.outcome, Outcome::Lacking(vec![Side::A, Side::B]));
    let other = checkpoint(folder.path(), "o", &[f32s("c", &[1.0, 2.0, 3.0])]);
    let found = difference(&a, &other, None, threads(2), &mut |_, _| {}).unwrap();
    assert_eq!(found[0].outcome, Outcome::Dtypes);
}

#[test]
fn what_is_not_finite_is_counted_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let a = checkpoint(folder.path(), "a", &[f32s("w", &[1.0, f32::NAN, 3.0])]);
    let b = checkpoint(folder.path(), "b", &[f32s("w", &[1.0, 1.0, f32::INFINITY])]);
    let found = difference(&a, &b, None, threads(2), &mut |_, _| {}).unwrap();
    let it = moved(&found[0]);
    assert_eq!((it.not_finite, it.a(), it.b(), it.apart()), (2, 1.0, 1.0, 0.0));
}

#[test]
fn formats_may_differ_and_threads_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let bits: Vec<u16> = (0..100_001u32).map(|it| (it * 7919 % 0x7f00) as u16).collect();
    let widened: Vec<f32> = bits.iter().map(|it| f32::from_bits(u32::from(*it) << 16)).collect();
    let moved_on: Vec<f32> = widened.iter().map(|it| it * 1.25).collect();
    let a = checkpoint(folder.path(), "a", &[halves("w", Dtype::Bf16, &bits)]);
    let b = checkpoint(folder.path(), "b", &[f32s("w", &moved_on)]);
    let base = checkpoint(folder.path(), "base", &[f32s("w", &widened)]);
    let (mut last, mut total) = (0, 0);
    let mut progress = |done, of| (last, total) = (done, of);
    let found = difference(&a, &b, Some(&base), threads(1), &mut progress).unwrap();
    assert_eq!((last, total), (100_001 * 10, 100_001 * 10));
    assert_eq!((moved(&found[0]).a(), moved(&found[0]).cosine()), (0.0, None));
    for count in [2, 5] {
        let again = difference(&a, &b, Some(&base), threads(count), &mut |_, _| {}).unwrap();
        assert_eq!(again, found);
    }
    // The definition, one element at a time.
    let mut lanes = [0.0; 16];
    let mut sum = 0.0;
    for tile in 0..widened.len().div_ceil(TILE as usize) {
        lanes.fill(0.0);
        let range = tile * TILE as usize..((tile + 1) * TILE as usize).min(widened.len());
        for (n, at) in range.enumerate() {
            let change = f64::from(moved_on[at]) - f64::from(widened[at]);
            lanes[n % 16] += change * change;
        }
        sum += lanes.iter().fold(0.0, |sum, lane| sum + lane);
    }
    assert_eq!(moved(&found[0]).b(), f64::sqrt(sum));
}

#[test]
fn an_adapter_is_no_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = checkpoint(folder.path(), "m", &[f32s("w", &[1.0])]);
    let adapter = folder.path().join("adapter");
    std::fs::create_dir(&adapter).unwrap();
    std::fs::write(adapter.join("adapter_config.json"), "{}").unwrap();
    std::fs::write(adapter.join("adapter_model.safetensors"), file(&[f32s("w", &[1.0])])).unwrap();
    let adapter = Checkpoint::open(&adapter).unwrap();
    let refused = difference(&adapter, &model, None, threads(1), &mut |_, _| {});
    assert!(matches!(refused, Err(DifferenceError::Kinds)));
    let refused = difference(&adapter, &adapter, Some(&model), threads(1), &mut |_, _| {});
    assert!(matches!(refused, Err(DifferenceError::Kinds)));
    difference(&adapter, &adapter, None, threads(1), &mut |_, _| {}).unwrap();
}
