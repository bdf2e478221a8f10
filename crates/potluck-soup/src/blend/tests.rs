use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use potluck_core::recipe::Arithmetic;
use potluck_core::{Blake3, Lambda, Recipe, Sha256};
use proptest::prelude::*;

use super::published::opened;
use super::*;
use crate::checkpoint::Checkpoint;
use crate::layout::{Dtype, LayoutError};
use crate::samples::{Sample, experts, f32s, file, halves, magnitudes, nearest};

const ONE: NonZeroUsize = NonZeroUsize::MIN;

/// A block of the usual length.
const BLOCK: usize = 64 << 10;

fn quiet(_: u64, _: u64) {}

fn recipe(lambda: &Lambda) -> Recipe {
    let manifest = |party: &PartyId| Some(Blake3::of(party.as_str().as_bytes()));
    Recipe::new(Arithmetic::Linear1, Blake3::of(b"base"), lambda, manifest).unwrap()
}

/// The specification, one element at a time: `values` and `ppm` are in ascending order of party.
fn reference(dtype: Dtype, values: &[f64], ppm: &[u32]) -> Vec<u8> {
    let mut sum = 0.0f64;
    for (value, ppm) in values.iter().zip(ppm) {
        if *ppm > 0 {
            sum += f64::from(*ppm) * value;
        }
    }
    let mean = sum / 1_000_000.0;
    match dtype {
        Dtype::F32 => (mean as f32).to_le_bytes().to_vec(),
        _ => nearest(&magnitudes(dtype), mean, 16).to_le_bytes().to_vec(),
    }
}

/// The plan of these experts' soup, which lie in `folder`.
fn plan(folder: &Path, samples: &[Vec<Sample>], lambda: &Lambda) -> Result<Soup, BlendError> {
    let given = opened(&experts(folder, samples))?;
    let share = |(party, ppm): (&PartyId, u32)| {
        let (party, it) = given.iter().find(|(it, _)| it == party).unwrap();
        (party.clone(), ppm, it)
    };
    let active: Vec<_> = lambda.active().map(share).collect();
    linear(
        &active,
        &Wanted { shape: Shape::One, dtype: None, recipe: Some(recipe(lambda).digest()) },
    )
}

/// The soup's file for these experts, made in blocks of so many bytes.
fn soup(
    samples: &[Vec<Sample>],
    lambda: &Lambda,
    threads: usize,
    block: usize,
) -> Result<Vec<u8>, BlendError> {
    let folder = tempfile::tempdir().unwrap();
    let soup = plan(folder.path(), samples, lambda)?;
    let output = fs::File::create(folder.path().join("soup")).unwrap();
    let threads = NonZeroUsize::new(threads).unwrap();
    // Blocks that are no subtrees have no BLAKE3.
    let making = Making { threads, blake3: block >= 1024, sha256: true };
    let sink = Some((&output, Path::new("soup")));
    let made = Work::in_blocks(&soup.files()[0], making, sink, block).run(&mut |_| {})?;
    let bytes = fs::read(folder.path().join("soup")).unwrap();
    assert_eq!((made.size, made.sha256), (bytes.len() as u64, Some(Sha256::of(&bytes))));
    assert_eq!(made.blake3, (block >= 1024).then(|| Blake3::of(&bytes)));
    Ok(bytes)
}

fn data<'a>(bytes: &'a [u8], tensor: &str) -> &'a [u8] {
    safetensors::SafeTensors::deserialize(bytes).unwrap().tensor(tensor).unwrap().data()
}

fn lambda(text: &str) -> Lambda {
    text.parse().unwrap()
}

#[test]
fn a_soup_opens_elsewhere_and_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let given =
        experts(folder.path(), &[vec![f32s("w", &[1.0, 2.0])], vec![f32s("w", &[3.0, -2.0])]]);
    let recipe = recipe(&lambda("a=0.25,b=0.75"));
    let output = folder.path().join("soup.safetensors");
    let mut heard = Vec::new();
    let made =
        blend(&recipe, &given, &output, ONE, &mut |done, total| heard.push((done, total))).unwrap();
    let bytes = fs::read(&output).unwrap();
    assert_eq!((made.size, made.blake3), (bytes.len() as u64, Blake3::of(&bytes)));
    assert_eq!(made.sha256, Sha256::of(&bytes));
    assert_eq!(recompute(&recipe, &given, ONE, &mut quiet).unwrap(), made);
    assert_eq!(data(&bytes, "w"), [2.5f32, -1.0].map(f32::to_le_bytes).concat());
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().as_ref().unwrap();
    assert_eq!(metadata["recipe"], recipe.digest().to_string());
    assert_eq!(metadata["format"], "pt");
    let length = bytes.len() as u64;
    assert_eq!(heard, [(0, length), (length, length), (length, length)]);
}

#[test]
fn everything_to_one_expert_copies_its_tensors() {
    // −0 and every subnormal survive, which they would not as a sum from +0.
    let bits: Vec<_> = (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00).collect();
    let samples = [
        vec![f32s("a", &[-0.0, 1.5]), halves("h", Dtype::F16, &bits)],
        vec![f32s("a", &[9.0, 9.0]), halves("h", Dtype::F16, &vec![0; bits.len()])],
    ];
    let bytes = soup(&samples, &lambda("a=1,b=0"), 2, 64).unwrap();
    assert_eq!(data(&bytes, "a"), samples[0][0].bytes);
    assert_eq!(data(&bytes, "h"), samples[0][1].bytes);
}

#[test]
fn zeros_and_least_numbers_are_as_specified() {
    let (negative, least) = (-0.0f32, f32::from_bits(1));
    let samples = [vec![f32s("w", &[negative, -least])], vec![f32s("w", &[negative, 0.0])]];
    let at = |text: &str| data(&soup(&samples, &lambda(text), 1, 64).unwrap(), "w").to_vec();
    // A sum from +0 of zeros is +0; half of the least number is a tie that goes to (negative) zero.
    assert_eq!(at("a=0.5,b=0.5"), [0.0f32, -0.0].map(f32::to_le_bytes).concat());
    assert_eq!(at("a=0.500001,b=0.499999"), [0.0f32, -least].map(f32::to_le_bytes).concat());
}

#[test]
fn what_would_not_be_finite_is_an_error_by_name() {
    let at = |a: f32, b: f32, text: &str| {
        let samples = [vec![f32s("w", &[1.0, a])], vec![f32s("w", &[1.0, b])]];
        soup(&samples, &lambda(text), 3, 8)
    };
    assert!(at(f32::MAX, f32::MAX, "a=0.5,b=0.5").is_ok());
    for (a, b, text) in [
        (f32::INFINITY, 1.0, "a=0.5,b=0.5"),
        (f32::INFINITY, f32::NEG_INFINITY, "a=0.5,b=0.5"),
        (1.0, f32::NAN, "a=0.999999,b=0.000001"),
        (f32::NAN, 1.0, "a=1"),
    ] {
        let error = at(a, b, text).unwrap_err();
        assert!(
            matches!(error, BlendError::NotFinite { tensor, index: 1 } if tensor == "w"),
            "{a} {b}"
        );
    }
    // An input that takes no part is not read.
    assert!(at(1.0, f32::NAN, "a=1").is_ok());
}

#[test]
fn elements_that_cannot_be_mixed_are_copied_where_they_are_equal() {
    let with = |counter: u8| {
        let counter =
            Sample { name: "n", dtype: Dtype::I64, shape: vec![1], bytes: vec![counter; 8] };
        vec![f32s("w", &[1.0]), counter]
    };
    let bytes = soup(&[with(7), with(7)], &lambda("a=0.5,b=0.5"), 1, 64).unwrap();
    assert_eq!(data(&bytes, "n"), [7; 8]);
    let error = soup(&[with(7), with(8)], &lambda("a=0.5,b=0.5"), 1, 64).unwrap_err();
    assert!(matches!(error, BlendError::NotEqual { tensor, index: 0, .. } if tensor == "n"));
}

#[test]
fn a_failed_blend_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let given = experts(folder.path(), &[vec![f32s("w", &[f32::NAN])]]);
    let output = folder.path().join("soup");
    assert!(blend(&recipe(&lambda("a=1")), &given, &output, ONE, &mut quiet).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let missing = folder.path().join("missing/soup");
    let error = blend(&recipe(&lambda("a=1")), &given, &missing, ONE, &mut quiet).unwrap_err();
    assert!(matches!(error, BlendError::Write { path, .. } if path == missing));
}

#[test]
fn exactly_the_experts_of_the_recipe_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let given = experts(folder.path(), &[vec![f32s("w", &[1.0])], vec![f32s("w", &[2.0])]]);
    let output = folder.path().join("soup");
    let error = |text: &str, given: &[_]| {
        blend(&recipe(&lambda(text)), given, &output, ONE, &mut quiet).unwrap_err()
    };
    assert!(
        matches!(error("a=0.5,b=0.5", &given[..1]), BlendError::Missing(party) if party.as_str() == "b")
    );
    assert!(matches!(error("a=1", &given), BlendError::Unneeded(party) if party.as_str() == "b"));
    let twice = [given[0].clone(), given[0].clone()];
    assert!(matches!(error("a=1", &twice), BlendError::Twice(_)));
    assert!(matches!(error("a=1", &[]), BlendError::NoExperts));
    let lost = [("a".parse().unwrap(), folder.path().join("lost"))];
    assert!(matches!(
        error("a=1", &lost),
        BlendError::Checkpoint { source: CheckpointError::Source(SourceError::Read { .. }), .. }
    ));
}

#[test]
fn experts_that_differ_or_are_none_are_named() {
    let base = vec![f32s("b", &[1.0]), f32s("d", &[1.0])];
    let differ = |other: Vec<Sample>| {
        soup(&[base.clone(), other], &lambda("a=0.5,b=0.5"), 1, 64).unwrap_err().to_string()
    };
    let lacks = "the expert of b has no tensor d, which that of a has";
    assert_eq!(differ(vec![f32s("b", &[1.0])]), lacks);
    assert_eq!(
        differ(vec![f32s("b", &[1.0]), f32s("c", &[1.0])]),
        "the expert of a has no tensor c, which that of b has"
    );
    assert_eq!(
        differ(vec![f32s("b", &[1.0, 2.0]), f32s("d", &[1.0])]),
        "the experts of a and b differ in the shape of tensor b"
    );
    assert_eq!(
        differ(vec![f32s("b", &[1.0]), halves("d", Dtype::F16, &[0])]),
        "tensor d is F32 in the expert of a and F16 in that of b"
    );

    let folder = tempfile::tempdir().unwrap();
    let given = experts(folder.path(), std::slice::from_ref(&base));
    let whole = file(&base);
    fs::write(&given[0].1, &whole[..whole.len() - 1]).unwrap();
    let error = Mixture::open(&given).unwrap_err();
    assert!(matches!(
        error,
        BlendError::Checkpoint {
            source: CheckpointError::Source(SourceError::Layout {
                source: LayoutError::Length { .. },
                ..
            }),
            ..
        }
    ));
}

#[test]
fn a_file_that_shrinks_while_it_is_mixed_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let given = experts(folder.path(), &[vec![f32s("w", &[1.0; 100])]]);
    let mixture = Mixture::open(&given).unwrap();
    fs::OpenOptions::new().write(true).open(&given[0].1).unwrap().set_len(100).unwrap();
    let mixed = mixture.tensors(&lambda("a=1")).unwrap().next().unwrap();
    assert!(matches!(mixed, Err(BlendError::Source(SourceError::Shrunk(_)))));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_thread_that_flushes_subnormals_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mixture = Mixture::open(&experts(folder.path(), &[vec![f32s("w", &[1.0])]])).unwrap();
    let mut tensors = mixture.tensors(&lambda("a=1")).unwrap();
    let (mut before, flush_to_zero) = (0u32, 1 << 15);
    // SAFETY: only this thread's MXCSR is changed, and it is restored at once.
    let mixed = unsafe {
        std::arch::asm!("stmxcsr [{}]", in(reg) &mut before);
        std::arch::asm!("ldmxcsr [{}]", in(reg) &(before | flush_to_zero));
        let mixed = tensors.next();
        std::arch::asm!("ldmxcsr [{}]", in(reg) &before);
        mixed
    };
    assert!(matches!(mixed, Some(Err(BlendError::FloatState(FloatState::Flushing)))));
}

/// Finite bits of every kind: any, subnormal, near the largest, zeros.
fn bits32() -> impl Strategy<Value = u32> {
    let sign = |magnitude: u32, negative: bool| magnitude | u32::from(negative) << 31;
    let magnitude =
        prop_oneof![0u32..0x7f80_0000, 0u32..0x80_0000, 0x7f70_0000u32..0x7f80_0000, Just(0u32)];
    (magnitude, any::<bool>()).prop_map(move |(magnitude, negative)| sign(magnitude, negative))
}

/// One party's tensors: 30 F32, 21 BF16 and 7 F16 elements, none of them infinite or NaN.
fn party() -> impl Strategy<Value = Vec<Sample>> {
    let finite16 =
        any::<u16>().prop_map(|bits| if bits & 0x7c00 == 0x7c00 { bits ^ 0x4000 } else { bits });
    let wide = proptest::collection::vec(bits32(), 30);
    let brain = proptest::collection::vec(bits32().prop_map(|bits| (bits >> 16) as u16), 21);
    let half = proptest::collection::vec(finite16, 7);
    (wide, brain, half).prop_map(|(wide, brain, half)| {
        let wide: Vec<_> = wide.into_iter().map(f32::from_bits).collect();
        vec![
            halves("half", Dtype::F16, &half),
            Sample { shape: vec![5, 1, 6], ..f32s("wide", &wide) },
            halves("brain", Dtype::Bf16, &brain),
        ]
    })
}

/// Three shares that sum to a million, some of them zero.
fn shares() -> impl Strategy<Value = [u32; 3]> {
    (prop_oneof![Just(0), 0u32..=1_000_000], prop_oneof![Just(0), 0u32..=1_000_000]).prop_map(
        |(x, y)| {
            let (low, high) = (x.min(y), x.max(y));
            [low, high - low, 1_000_000 - high]
        },
    )
}

fn values(sample: &Sample) -> Vec<f64> {
    match sample.dtype {
        Dtype::F32 => {
            sample.bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect()
        }
        Dtype::Bf16 => sample
            .bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| half::bf16::from_le_bytes(*b).to_f64())
            .collect(),
        Dtype::F16 => sample
            .bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| half::f16::from_le_bytes(*b).to_f64())
            .collect(),
        other => panic!("{other:?} is not sampled"),
    }
}

fn lambda_of(ppm: [u32; 3]) -> Lambda {
    let parties = ["a", "b", "c"].map(|party| party.parse().unwrap());
    Lambda::new(BTreeMap::from_iter(parties.into_iter().zip(ppm))).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_soup_is_the_reference_in_every_element(
        samples in proptest::collection::vec(party(), 3),
        ppm in shares(),
    ) {
        let bytes = soup(&samples, &lambda_of(ppm), 2, 64).unwrap();
        for tensor in 0..3 {
            let Sample { name, dtype, .. } = samples[0][tensor];
            let columns: Vec<_> = samples.iter().map(|party| values(&party[tensor])).collect();
            let expected: Vec<u8> = if let Some(only) = ppm.iter().position(|ppm| *ppm == 1_000_000) {
                samples[only][tensor].bytes.clone()
            } else {
                (0..columns[0].len())
                    .flat_map(|i| reference(dtype, &[columns[0][i], columns[1][i], columns[2][i]], &ppm))
                    .collect()
            };
            prop_assert_eq!(data(&bytes, name), expected, "{}", name);
        }
    }

    #[test]
    fn tiles_and_threads_and_the_order_of_arguments_change_nothing(
        samples in proptest::collection::vec(party(), 3),
        ppm in shares(),
    ) {
        let lambda = lambda_of(ppm);
        let expected = soup(&samples, &lambda, 1, BLOCK).unwrap();
        for (threads, tile) in [(2, 8), (5, 24), (3, 64), (2, 1024), (2, BLOCK)] {
            prop_assert_eq!(&soup(&samples, &lambda, threads, tile).unwrap(), &expected);
        }
        // Another order of arguments, and of the tensors in one expert's file.
        let folder = tempfile::tempdir().unwrap();
        let mut moved = samples.clone();
        moved[1].reverse();
        let mut given = experts(folder.path(), &moved);
        given.reverse();
        let mixture = Mixture::open(&given).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&expected).unwrap();
        let order: Vec<_> = header.offset_keys();
        let mixed: Vec<_> = mixture.tensors(&lambda).unwrap().map(Result::unwrap).collect();
        prop_assert_eq!(mixed.iter().map(|tensor| &tensor.name).collect::<Vec<_>>(), order.iter().collect::<Vec<_>>());
        for tensor in mixed {
            prop_assert_eq!(data(&expected, &tensor.name), tensor.bytes);
        }
    }
}

/// Large enough for many tiles of the usual size, and odd at the end.
#[test]
fn a_tensor_of_many_tiles_is_mixed_whole() {
    let count = 5 * BLOCK / 4 + 3;
    let ramp = |scale: f32| (0..count).map(|i| i as f32 * scale).collect::<Vec<_>>();
    let samples = [vec![f32s("w", &ramp(0.5))], vec![f32s("w", &ramp(-0.25))]];
    let bytes = soup(&samples, &lambda("a=0.5,b=0.5"), 2, BLOCK).unwrap();
    let expected: Vec<_> = (0..count)
        .flat_map(|i| reference(Dtype::F32, &[i as f64 * 0.5, i as f64 * -0.25], &[500_000; 2]))
        .collect();
    assert!(data(&bytes, "w") == expected);
}

/// Every half, finite and of either sign, survives the way to binary32 and back.
#[test]
fn one_expert_in_another_dtype_is_rounded_element_by_element() {
    let folder = tempfile::tempdir().unwrap();
    let bits: Vec<_> = (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00).collect();
    let given = experts(folder.path(), &[vec![halves("h", Dtype::F16, &bits)]]);
    let checkpoint = Checkpoint::open(&given[0].1).unwrap();
    let wanted = Wanted { shape: Shape::One, dtype: Some(Dtype::F32), recipe: None };
    let soup = linear(&[("a".parse().unwrap(), 1_000_000, &checkpoint)], &wanted).unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut soup.files()[0].reader(), &mut bytes).unwrap();
    let expected: Vec<_> =
        bits.iter().flat_map(|bits| half::f16::from_bits(*bits).to_f32().to_le_bytes()).collect();
    assert!(data(&bytes, "h") == expected);
}
