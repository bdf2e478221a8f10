use std::num::NonZeroUsize;
use std::path::Path;

use potluck_core::Blake3;
use proptest::prelude::*;

use super::tile::{self, statistics};
use super::*;
use crate::checkpoint::Checkpoint;
use crate::samples::{Sample, f32s, file, halves};

const FLOATS: [Dtype; 6] =
    [Dtype::F64, Dtype::F32, Dtype::Bf16, Dtype::F16, Dtype::F8E4M3, Dtype::F8E5M2];

/// A stream of numbers that depends on its seed alone (SplitMix64).
fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

/// Numbers as weights are, narrowed to `dtype`; `scale` 0 makes zeros.
fn weights(dtype: Dtype, count: usize, scale: f64, seed: u64) -> Vec<u8> {
    let mut next = random(seed);
    let mut normal =
        || (0..12).map(|_| (next() >> 11) as f64 / (1u64 << 53) as f64).sum::<f64>() - 6.0;
    let mut bytes = vec![0; count * dtype.size()];
    let values: Vec<f64> = (0..count).map(|_| normal() * scale).collect();
    crate::convert::narrow_all(dtype, values.into_iter(), &mut bytes);
    bytes
}

fn floats_of(dtype: Dtype, bytes: &[u8]) -> Floats {
    statistics(dtype, bytes).floats().unwrap().clone()
}

/// Every bit counts, that of a zero's sign too.
fn assert_same(a: &Floats, b: &Floats) {
    let bits = |it: &Floats| {
        let ends = [it.minimum, it.maximum].map(|it| it.map(f64::to_bits));
        (it.sum.to_bits(), it.squares.to_bits(), ends)
    };
    assert_eq!(bits(a), bits(b));
    assert_eq!(a, b);
}

#[test]
fn vectors_give_what_single_elements_give() {
    for dtype in [Dtype::F64, Dtype::F32, Dtype::Bf16, Dtype::F16] {
        let most = TILE_BYTES / dtype.size();
        for count in [1, 2, 31, 32, 33, 511, 512, 513, 2047, 2048, 2100, most - 1, most] {
            for (scale, seed) in [(0.02, 1), (0.0, 2), (300.0, 3), (1e-6, 4), (1e-44, 5)] {
                let bytes = weights(dtype, count, scale, seed + count as u64);
                let slow = tile::floats(dtype, &bytes);
                assert_same(&floats_of(dtype, &bytes), &slow);
                assert!(finite::floats(dtype, &bytes).is_some());
            }
        }
    }
}

proptest! {
    #[test]
    fn vectors_give_what_single_elements_give_for_any_bits(
        dtype in prop::sample::select(vec![Dtype::F64, Dtype::F32, Dtype::Bf16, Dtype::F16]),
        mut bytes in prop::collection::vec(any::<u8>(), 0..5000),
        is_finite in any::<bool>(),
    ) {
        let whole = bytes.len() / dtype.size() * dtype.size();
        bytes.truncate(whole);
        if is_finite {
            // Without the exponent's highest bit nothing is infinite.
            bytes.chunks_mut(dtype.size()).for_each(|it| it[dtype.size() - 1] &= 0xbf);
        }
        if whole > 0 {
            assert_same(&floats_of(dtype, &bytes), &tile::floats(dtype, &bytes));
        }
    }
}

#[test]
fn every_pattern_of_sixteen_bits_is_classed() {
    for (dtype, nans, subnormals) in [(Dtype::Bf16, 2 * 127, 2 * 127), (Dtype::F16, 2046, 2046)] {
        let mut all = Floats::default();
        let patterns: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        for bytes in patterns.chunks(TILE_BYTES) {
            all.add(&floats_of(dtype, bytes));
        }
        assert_eq!((all.elements, all.nans, all.infinities, all.zeros), (1 << 16, nans, 2, 2));
        assert_eq!(all.subnormals, subnormals);
        // One in eight, of which some are not normal numbers.
        let normal: u64 = all.magnitudes.0.iter().sum();
        assert!((7168..=8192).contains(&normal), "{normal}");
        assert_eq!(all.minimum, all.maximum.map(|it| -it));
    }
}

#[test]
fn eights_are_classed_and_summed() {
    let patterns: Vec<u8> = (0..=u8::MAX).collect();
    let narrow = floats_of(Dtype::F8E4M3, &patterns);
    assert_eq!((narrow.nans, narrow.infinities, narrow.zeros, narrow.subnormals), (2, 0, 2, 14));
    assert_eq!((narrow.minimum, narrow.maximum, narrow.sum), (Some(-448.0), Some(448.0), 0.0));
    let wide = floats_of(Dtype::F8E5M2, &patterns);
    assert_eq!((wide.nans, wide.infinities, wide.zeros, wide.subnormals), (6, 2, 2, 6));
    assert_eq!(wide.largest(), Some(57344.0));
    assert_eq!(wide.magnitudes.counted().0, -14);
}

#[test]
fn the_numbers_are_right() {
    let values = [3.0, -4.0, 0.0, -0.0, 1e-40, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    let bytes: Vec<u8> = values.iter().flat_map(|it| it.to_le_bytes()).collect();
    let found = floats_of(Dtype::F32, &bytes);
    assert_eq!((found.elements, found.finite()), (8, 5));
    assert_eq!((found.nans, found.infinities, found.zeros, found.subnormals), (1, 2, 2, 1));
    assert_eq!((found.norm(), found.largest()), (5.0, Some(4.0)));
    assert_eq!((found.minimum, found.maximum), (Some(-4.0), Some(3.0)));
    assert_eq!(found.magnitudes.counted(), (1, &[1, 1][..]));
    let none = floats_of(Dtype::F32, &f32::NAN.to_le_bytes());
    assert_eq!((none.minimum, none.mean(), none.norm()), (None, None, 0.0));
}

#[test]
fn sums_in_binary32_are_as_near_as_they_say() {
    for dtype in [Dtype::Bf16, Dtype::F16] {
        let bytes = weights(dtype, TILE_BYTES / 2, 0.02, 9);
        let found = floats_of(dtype, &bytes);
        let (mut squares, mut sum, mut magnitude) = (0.0, 0.0, 0.0);
        let mut values = vec![0.0; TILE_BYTES / 2];
        crate::kernel::widen(dtype, &bytes, &mut values);
        for value in values {
            squares += value * value;
            sum += value;
            magnitude += value.abs();
        }
        assert!((found.norm() / f64::sqrt(squares) - 1.0).abs() < 2e-6);
        assert!((found.sum - sum).abs() < 4e-6 * magnitude);
    }
}

#[test]
fn integers_have_a_range() {
    let bytes: Vec<u8> = [-7i64, 3, i64::MAX].iter().flat_map(|it| it.to_le_bytes()).collect();
    let range = |low, high| {
        let (minimum, maximum) = (Some(low), Some(high));
        Statistics::Integers(Integers { elements: 3, minimum, maximum })
    };
    assert_eq!(statistics(Dtype::I64, &bytes), range(-7, i128::from(i64::MAX)));
    assert_eq!(statistics(Dtype::Bool, &[0, 1, 1]), range(0, 1));
    assert_eq!(statistics(Dtype::I8, &[255, 1, 0]), range(-1, 1));
}

fn survey_of(path: &Path, threads: usize) -> Survey {
    let threads = NonZeroUsize::new(threads).unwrap();
    let surveying = Surveying { threads, statistics: true, blake3: true };
    survey(&Checkpoint::open(path).unwrap(), surveying, &mut |_| {}).unwrap()
}

fn sample(name: &'static str, dtype: Dtype, count: usize, seed: u64) -> Sample {
    let bytes = weights(dtype, count, 0.05, seed);
    Sample { name, dtype, shape: vec![count as u64], bytes }
}

/// Tensors that begin and end anywhere in blocks and tiles.
fn samples() -> Vec<Sample> {
    let of = |name, dtype, kilobytes: usize, odd: usize, seed| {
        sample(name, dtype, (kilobytes << 10) / dtype.size() + odd, seed)
    };
    vec![
        of("z", Dtype::Bf16, 700, 3, 1),
        of("a", Dtype::F16, 255, 1, 2),
        of("m", Dtype::F32, 64, 1, 3),
        f32s("empty", &[]),
        of("n", Dtype::F64, 300, 0, 4),
        of("e", Dtype::F8E4M3, 100, 5, 5),
        f32s("one", &[2.0]),
    ]
}

#[test]
fn threads_and_places_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let samples = samples();
    std::fs::write(&path, file(&samples)).unwrap();
    let found = survey_of(&path, 1);
    assert_eq!(found.blake3, [Blake3::of(&std::fs::read(&path).unwrap())]);
    for threads in [2, 3, 8] {
        assert_eq!(survey_of(&path, threads), found);
    }
    let checkpoint = Checkpoint::open(&path).unwrap();
    for (tensor, statistics) in checkpoint.tensors().zip(&found.statistics) {
        let sample = samples.iter().find(|it| it.name == tensor.name).unwrap();
        let mut wanted = Statistics::none(sample.dtype);
        sample
            .bytes
            .chunks(TILE_BYTES)
            .for_each(|it| wanted.add(&tile::statistics(sample.dtype, it)));
        assert_eq!(*statistics, wanted, "{}", tensor.name);
        // The same tensor in a file of its own.
        let alone = folder.path().join("alone.safetensors");
        std::fs::write(&alone, file(std::slice::from_ref(sample))).unwrap();
        assert_eq!(survey_of(&alone, 2).statistics, [wanted]);
    }
}

#[test]
fn only_what_is_wanted_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    std::fs::write(&path, file(&samples())).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    let threads = NonZeroUsize::new(2).unwrap();
    let run = |statistics, blake3| {
        survey(&checkpoint, Surveying { threads, statistics, blake3 }, &mut |_| {}).unwrap()
    };
    let both = run(true, true);
    assert_eq!(run(true, false), Survey { blake3: vec![], ..both.clone() });
    assert_eq!(run(false, true), Survey { statistics: vec![], ..both });
    assert_eq!(run(false, false), Survey { statistics: vec![], blake3: vec![] });
}

#[test]
fn a_file_that_shrinks_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    std::fs::write(&path, file(&[halves("w", Dtype::Bf16, &[1; 1 << 20])])).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 20).unwrap();
    let threads = NonZeroUsize::new(2).unwrap();
    let surveying = Surveying { threads, statistics: true, blake3: false };
    let failure = survey(&checkpoint, surveying, &mut |_| {}).unwrap_err();
    let shrunk = crate::source::SourceError::Shrunk(path);
    assert_eq!(failure.to_string(), shrunk.to_string());
}

#[test]
fn every_dtype_has_statistics_of_its_kind() {
    for dtype in Dtype::ALL {
        let found = statistics(dtype, &[0; 16]);
        assert_eq!(found.floats().is_some(), FLOATS.contains(&dtype), "{dtype:?}");
        assert_eq!(Statistics::none(dtype).floats().is_some(), dtype.is_float());
    }
}
