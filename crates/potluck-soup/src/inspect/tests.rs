use super::*;
use crate::samples::{Sample, f32s, file, halves, open};

const WIDE: ChangeLimit = ChangeLimit { permille: 1000 };

fn judge(expert: &[u8], base: &[Sample], limit: ChangeLimit) -> Result<Inspected, Inspection> {
    let base = open(&file(base));
    let layout = inspect_base(&base).unwrap().layout().clone();
    inspect(&open(expert), &base, &layout, limit)
}

fn refusal(expert: &[Sample], base: &[Sample], limit: ChangeLimit) -> Inspection {
    judge(&file(expert), base, limit).unwrap_err()
}

#[test]
fn an_expert_like_its_base_passes_wherever_its_tensors_lie() {
    let (a, b) = (f32s("a", &[1.0, -2.0]), halves("b", Dtype::Bf16, &[0x3f80; 3]));
    let inspected = judge(&file(&[b.clone(), a.clone()]), &[a, b], WIDE).unwrap();
    assert_eq!((inspected.tensors(), inspected.weights()), (2, 5));
}

#[test]
fn the_first_difference_is_named() {
    let base = [f32s("b", &[1.0, 2.0]), f32s("d", &[1.0])];
    let differs = |expert: &[Sample]| match refusal(expert, &base, WIDE) {
        Inspection::TensorsDiffer { what, tensor } => (what, tensor),
        other => panic!("{other}"),
    };
    let [b, d] = base.clone();
    assert_eq!(differs(std::slice::from_ref(&b)), (Difference::Missing, "d".into()));
    assert_eq!(differs(std::slice::from_ref(&d)), (Difference::Missing, "b".into()));
    for name in ["a", "c", "e"] {
        let more = [b.clone(), d.clone(), f32s(name, &[1.0])];
        assert_eq!(differs(&more), (Difference::Unexpected, name.into()));
    }
    let column = Sample { shape: vec![2, 1], ..b.clone() };
    assert_eq!(differs(&[column, d.clone()]), (Difference::Shape, "b".into()));
    let half = halves("d", Dtype::F16, &[0x3c00]);
    let what = Difference::Dtype { found: Dtype::F16, base: Dtype::F32 };
    assert_eq!(differs(&[b, half]), (what, "d".into()));
}

#[test]
fn a_weight_that_is_not_finite_is_named() {
    let long = TILE_BYTES / 4 + 10;
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut values = vec![1.0; long];
        values[long - 3] = bad;
        let samples = [f32s("a", &[1.0]), f32s("b", &values)];
        let error = refusal(&samples, &[f32s("a", &[1.0]), f32s("b", &vec![1.0; long])], WIDE);
        let index = long as u64 - 3;
        assert!(
            matches!(error, Inspection::NotFinite { tensor, index: i } if tensor == "b" && i == index)
        );
        assert!(matches!(inspect_base(&open(&file(&samples))), Err(Inspection::NotFinite { .. })));
    }
    for (dtype, one, bad) in [(Dtype::Bf16, 0x3f80, 0xff81), (Dtype::F16, 0x3c00, 0x7c00)] {
        let error =
            refusal(&[halves("a", dtype, &[one, bad])], &[halves("a", dtype, &[one, one])], WIDE);
        assert!(matches!(error, Inspection::NotFinite { index: 1, .. }));
    }
}

#[test]
fn elements_that_cannot_be_trained_stay_as_they_are() {
    let long = TILE_BYTES + 10;
    let mask = |last: u8| {
        let mut bytes = vec![1; long];
        bytes[long - 1] = last;
        Sample { name: "mask", dtype: Dtype::Bool, shape: vec![long as u64], bytes }
    };
    assert!(judge(&file(&[mask(1)]), &[mask(1)], WIDE).is_ok());
    let what = Difference::Content(Dtype::Bool);
    let error = refusal(&[mask(0)], &[mask(1)], WIDE);
    assert_eq!(error.to_string(), format!("the tensor mask is not as in the base: {what}"));
    assert_eq!(what.to_string(), "its BOOL elements are others than the base's");
}

#[test]
fn the_change_is_measured_against_the_norm_of_the_base() {
    let base = [f32s("a", &[3.0, 4.0])];
    let moved = |by: f32, permille| {
        judge(&file(&[f32s("a", &[3.0, 4.0 + by])]), &base, ChangeLimit { permille })
    };
    assert!(moved(0.5, 100).is_ok());
    let Err(Inspection::NormExceeded { tensor, permille, limit }) = moved(0.625, 100) else {
        panic!()
    };
    assert_eq!((tensor.as_str(), permille, limit), ("a", 125, 100));
    assert!(moved(-5.0, 1000).is_ok());
    assert!(moved(-5.125, 1000).is_err());
    assert!(moved(1e38, u32::MAX).is_err());
}

#[test]
fn a_tensor_of_zeros_can_move_a_little() {
    let base = [f32s("a", &[0.0; 100])];
    let moved = |by: f32| judge(&file(&[f32s("a", &[by; 100])]), &base, WIDE);
    assert!(moved(0.0009).is_ok());
    let error = moved(0.0011).unwrap_err();
    assert!(matches!(error, Inspection::NormExceeded { permille: u64::MAX, .. }));
}

#[test]
fn the_largest_numbers_do_not_overflow_the_sums() {
    let (most, least) = ([f32s("a", &[f32::MAX; 64])], [f32s("a", &[f32::MIN; 64])]);
    assert!(judge(&file(&most), &least, ChangeLimit { permille: 2000 }).is_ok());
    assert!(judge(&file(&most), &least, ChangeLimit { permille: 1999 }).is_err());
}

#[test]
fn a_change_whose_square_overflows_is_too_much() {
    let of = |value: f64| {
        let bytes = value.to_le_bytes().to_vec();
        [Sample { name: "a", dtype: Dtype::F64, shape: vec![1], bytes }]
    };
    let wide = ChangeLimit { permille: u32::MAX };
    assert!(judge(&file(&of(1.5)), &of(1.0), WIDE).is_ok());
    assert!(judge(&file(&of(1e300)), &of(1e300), wide).is_ok());
    assert!(judge(&file(&of(1e300)), &of(1.0), wide).is_err());
    assert!(judge(&file(&of(1e300)), &of(-1e300), wide).is_err());
}

#[test]
fn a_bad_header_and_a_cut_file_are_the_authors() {
    let base = [f32s("a", &[1.0])];
    let good = file(&base);
    for length in 0..good.len() {
        let error = judge(&good[..length], &base, WIDE).unwrap_err();
        assert!(matches!(error, Inspection::HeaderInvalid { .. }), "{length}: {error}");
    }
    let longer = [&good[..], b"x"].concat();
    assert!(matches!(judge(&longer, &base, WIDE), Err(Inspection::HeaderInvalid { .. })));
}

#[test]
fn a_change_beyond_its_type_is_told_without_a_number() {
    let told = |permille| {
        Inspection::NormExceeded { tensor: "w".into(), permille, limit: 5000 }.to_string()
    };
    assert!(told(6000).contains("changed by 6000 thousandths"));
    assert!(told(u64::MAX).contains("changed by countless thousandths"));
}
