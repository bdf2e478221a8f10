mod naive;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::blend::{Bench, Making, Shape, Soup, Wanted};
use crate::checkpoint::Checkpoint;
use crate::samples::{Sample, experts, f32s, file, halves};

const PARTIES: [char; 3] = ['a', 'b', 'c'];

fn weights(text: &str) -> Weights {
    Weights::parse(text, Extrapolation::Allowed).unwrap()
}

fn ties(density: &str) -> Method {
    let density = density.parse().unwrap();
    Method::Ties { density, consensus: Consensus::Mean, strength: Strength::ONE }
}

fn layerwise(groups: &[(&str, &str)]) -> Method {
    let group = |(tensors, lambda): &(&str, &str)| Group {
        tensors: tensors.parse().unwrap(),
        lambda: lambda.parse().unwrap(),
    };
    Method::Layerwise { groups: groups.iter().map(group).collect() }
}

/// A folder with the experts a, b, … and the base.
struct Kitchen {
    _folder: tempfile::TempDir,
    experts: Vec<(PartyId, PathBuf)>,
    base: PathBuf,
}

impl Kitchen {
    fn new(samples: &[Vec<Sample>], base: &[Sample]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let experts = experts(folder.path(), samples);
        let path = folder.path().join("base.safetensors");
        std::fs::write(&path, file(base)).unwrap();
        Self { _folder: folder, experts, base: path }
    }

    fn plan(&self, method: &Method, weights: &Weights) -> Result<Soup, BlendError> {
        let open = |path: &Path| Checkpoint::open(path).unwrap();
        let opened: Vec<_> =
            self.experts.iter().map(|(party, path)| (party.clone(), open(path))).collect();
        let experts: Vec<_> = opened.iter().map(|(party, it)| (party.clone(), it)).collect();
        let manifest = |party: &PartyId| Some(Blake3::of(party.as_str().as_bytes()));
        let formula = method.formula(Blake3::of(b"base"), manifest, weights, None)?;
        let wanted = Wanted { shape: Shape::One, dtype: None, recipe: Some(formula.digest()) };
        method.plan(&experts, Some(&open(&self.base)), weights, &wanted)
    }

    /// The soup's file.
    fn soup(&self, method: &Method, weights: &Weights) -> Result<Vec<u8>, BlendError> {
        let soup = self.plan(method, weights)?;
        let file = &soup.files()[0];
        let mut bytes = vec![0; usize::try_from(file.length()).unwrap()];
        file.read_at(&mut Bench::default(), 0, &mut bytes)?;
        Ok(bytes)
    }

    fn refusal(&self, method: &Method, weights: &Weights) -> String {
        self.soup(method, weights).unwrap_err().to_string()
    }
}

fn data<'a>(bytes: &'a [u8], tensor: &str) -> &'a [u8] {
    safetensors::SafeTensors::deserialize(bytes).unwrap().tensor(tensor).unwrap().data()
}

/// What the slow way makes of these experts.
fn expected(
    method: &Method,
    weights: &Weights,
    samples: &[Vec<Sample>],
    base: &[Sample],
    tensor: usize,
) -> Vec<u8> {
    let Sample { name, dtype, .. } = base[tensor];
    let mut ppm = weights.ppm().clone();
    if let Method::Layerwise { groups } = method
        && let Some(group) = groups.iter().find(|group| group.tensors.matches(name))
    {
        ppm = Weights::from(&group.lambda).ppm().clone();
    }
    let expert = |(party, tensors): (&char, &Vec<Sample>)| {
        let ppm = ppm.get(&party.to_string().parse().unwrap()).copied().filter(|ppm| *ppm != 0)?;
        Some((*party, ppm, naive::values(&tensors[tensor])))
    };
    let active: Vec<_> = PARTIES.iter().zip(samples).filter_map(expert).collect();
    let made = naive::made(method, name, &active, &naive::values(&base[tensor]));
    naive::bytes(dtype, &made)
}

/// Elements of moderate size in every format, and zeros of both signs; the experts near the base or not.
fn tensors() -> impl Strategy<Value = Vec<Sample>> {
    let value =
        prop_oneof![4 => -2.0f32..2.0, 1 => Just(0.0f32), 1 => Just(-0.0f32), 2 => Just(0.5f32)];
    proptest::collection::vec(value, 61).prop_map(|values| {
        let brain: Vec<_> =
            values[20..45].iter().map(|it| half::bf16::from_f32(*it).to_bits()).collect();
        let half: Vec<_> =
            values[45..].iter().map(|it| half::f16::from_f32(*it).to_bits()).collect();
        vec![
            f32s("wide.0", &values[..20]),
            halves("brain.0", Dtype::Bf16, &brain),
            halves("half.1", Dtype::F16, &half),
        ]
    })
}

fn share() -> impl Strategy<Value = u32> {
    prop_oneof![Just(1_000_000u32), 1u32..=1_000_000]
}

fn consensus() -> impl Strategy<Value = Consensus> {
    prop_oneof![Just(Consensus::Mean), Just(Consensus::Sum)]
}

/// Weights of a, b, … in parts per million.
fn parts(ppm: &[i64]) -> Weights {
    let parties = PARTIES.iter().map(|party| party.to_string().parse().unwrap());
    Weights::new(parties.zip(ppm.iter().copied()).collect(), Extrapolation::Allowed).unwrap()
}

/// A method with weights that it takes.
fn method() -> impl Strategy<Value = (Method, Weights)> {
    let two = || (0i64..=1_000_000).prop_map(|a| parts(&[a, 1_000_000 - a]));
    let free = proptest::array::uniform3(-2_000_000i64..=2_000_000).prop_map(|ppm| parts(&ppm));
    let positive = proptest::array::uniform3(prop_oneof![1 => Just(0), 4 => 1i64..=1_000_000])
        .prop_map(|ppm| parts(&ppm));
    let density = || share().prop_map(|ppm| Density::new(ppm.into()).unwrap());
    let strength = || share().prop_map(|ppm| Strength::new(ppm.into()).unwrap());
    let ties = (density(), consensus(), strength())
        .prop_map(|(density, consensus, strength)| Method::Ties { density, consensus, strength });
    let dare = (density(), any::<u32>(), consensus(), strength()).prop_map(
        |(density, seed, consensus, strength)| Method::DareTies {
            density,
            seed,
            consensus,
            strength,
        },
    );
    let layers = Just(layerwise(&[("*.0", "a=0.25,b=0.75"), ("h*", "b=1")]));
    prop_oneof![
        (Just(Method::TaskArithmetic), free),
        (Just(Method::Slerp), two()),
        (prop_oneof![ties, dare], positive),
        Just((Method::ModelStock, parts(&[1, 1, 1]))),
        (layers, two()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_soup_of_any_method_is_the_slow_one_in_every_byte(
        samples in proptest::collection::vec(tensors(), 3),
        base in tensors(),
        (method, weights) in method(),
        piece in 1usize..200,
    ) {
        let named = weights.ppm().len().min(3);
        let kitchen = Kitchen::new(&samples[..named], &base);
        let soup = kitchen.plan(&method, &weights).unwrap();
        let file = &soup.files()[0];
        let mut bytes = vec![0; usize::try_from(file.length()).unwrap()];
        // From the end, in pieces that begin and end anywhere.
        for (index, piece_of) in bytes.chunks_mut(piece).enumerate().rev() {
            file.read_at(&mut Bench::default(), (index * piece) as u64, piece_of).unwrap();
        }
        for tensor in 0..3 {
            let expected = expected(&method, &weights, &samples[..named], &base, tensor);
            prop_assert_eq!(data(&bytes, base[tensor].name), expected, "{:?} {}", method, base[tensor].name);
        }
    }
}

/// Many tiles and blocks, odd at the end: whatever the number of threads, the slow way's bytes.
#[test]
fn large_tensors_are_made_in_blocks_by_several_threads() {
    let count = 200_003;
    let noise = |seed: u32| {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        }
    };
    let tensor = |seed: u32, scale: f32| {
        let (mut own, mut common) = (noise(seed), noise(99));
        let values: Vec<_> = (0..count).map(|_| common() + scale * own()).collect();
        let brain: Vec<_> = values.iter().map(|it| half::bf16::from_f32(*it).to_bits()).collect();
        vec![f32s("wide.0", &values), halves("brain.0", Dtype::Bf16, &brain)]
    };
    let samples = [tensor(1, 0.1), tensor(2, 0.2), tensor(3, 0.05)];
    let base = tensor(4, 0.0);
    let density = "0.3".parse().unwrap();
    let (consensus, strength) = (Consensus::Sum, Strength::new(700_000).unwrap());
    let dare = Method::DareTies { density, seed: 7, consensus, strength };
    let stock = (Method::ModelStock, "a=1,b=1,c=1");
    for (method, text) in [
        (Method::TaskArithmetic, "a=0.7,b=-0.4,c=0.9"),
        (ties("0.2"), "a=0.7,b=0.4,c=0.9"),
        (dare, "a=0.7,b=0.4,c=0.9"),
        stock,
        (Method::Slerp, "a=0.3,b=0.7"),
    ] {
        let weights = weights(text);
        let kitchen = Kitchen::new(&samples[..weights.ppm().len()], &base);
        let mut digests = Vec::new();
        for threads in [1, 2, 5] {
            let threads = NonZeroUsize::new(threads).unwrap();
            let making = Making { threads, blake3: true, sha256: false };
            let soup = kitchen.plan(&method, &weights).unwrap();
            digests.push(soup.files()[0].digest(making, &mut |_| {}).unwrap().blake3.unwrap());
        }
        let bytes = kitchen.soup(&method, &weights).unwrap();
        assert_eq!(digests, [Blake3::of(&bytes); 3]);
        for tensor in 0..2 {
            let expected =
                expected(&method, &weights, &samples[..weights.ppm().len()], &base, tensor);
            assert!(data(&bytes, base[tensor].name) == expected, "{method:?}");
        }
    }
}

#[test]
fn task_vectors_that_sum_to_one_are_a_linear_soup() {
    let samples = [vec![f32s("w", &[1.5, -0.0])], vec![f32s("w", &[7.25, -0.0])]];
    // An infinity in the base does not matter where the base takes no part.
    let kitchen = Kitchen::new(&samples, &[f32s("w", &[f32::INFINITY, 1.0])]);
    let made = |method, text| data(&kitchen.soup(&method, &weights(text)).unwrap(), "w").to_vec();
    assert_eq!(made(Method::TaskArithmetic, "a=0.3,b=0.7"), made(Method::Linear, "a=0.3,b=0.7"));
    assert_eq!(made(Method::TaskArithmetic, "a=0,b=1"), samples[1][0].bytes);
    let error = kitchen.refusal(&Method::TaskArithmetic, &weights("a=0.3,b=0.6"));
    assert_eq!(
        error,
        "element 0 of tensor w would not be finite: an input is not, or the sum overflows"
    );
}

#[test]
fn everything_to_one_expert_returns_it_where_that_has_a_meaning() {
    let bits: Vec<_> = (0..=u16::MAX).filter(|bits| bits & 0x7c00 != 0x7c00).collect();
    let other: Vec<_> = bits.iter().rev().copied().collect();
    let samples = [vec![halves("h", Dtype::F16, &bits)], vec![halves("h", Dtype::F16, &other)]];
    let kitchen = Kitchen::new(&samples, &[halves("h", Dtype::F16, &vec![0x3c00; bits.len()])]);
    let seed = 1;
    let (density, consensus, strength) = (Density::ONE, Consensus::Mean, Strength::ONE);
    for method in [
        Method::Linear,
        Method::TaskArithmetic,
        Method::Slerp,
        ties("1"),
        Method::DareTies { density, seed, consensus, strength },
        layerwise(&[("h", "b=1")]),
    ] {
        let bytes = kitchen.soup(&method, &weights("a=0,b=1")).unwrap();
        assert!(data(&bytes, "h") == samples[1][0].bytes, "{method:?}");
    }
    for method in [Method::TaskArithmetic, ties("0.1")] {
        let bytes = kitchen.soup(&method, &weights("a=0,b=0")).unwrap();
        assert!(data(&bytes, "h") == [0x00, 0x3c].repeat(bits.len()), "{method:?}");
    }
    // Who agrees wholly is followed wholly.
    let kitchen = Kitchen::new(&[samples[0].clone(), samples[0].clone()], &samples[1]);
    let bytes = kitchen.soup(&Method::ModelStock, &weights("a=1,b=1")).unwrap();
    let positive_zero = |bytes: &[u8]| {
        bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| u16::from_le_bytes(*b))
            .map(|b| if b == 0x8000 { 0 } else { b })
            .collect::<Vec<_>>()
    };
    assert!(positive_zero(data(&bytes, "h")) == positive_zero(&samples[0][0].bytes));
}

#[test]
fn opposite_changes_of_equal_weight_leave_the_base() {
    let kitchen = Kitchen::new(
        &[vec![f32s("w", &[2.0, 1.5])], vec![f32s("w", &[0.0, 0.75])]],
        &[f32s("w", &[1.0, 1.0])],
    );
    let bytes = kitchen.soup(&ties("1"), &weights("a=0.5,b=0.5")).unwrap();
    assert_eq!(data(&bytes, "w"), [1.0f32, 1.5].map(f32::to_le_bytes).concat());
}

#[test]
fn constants_have_to_be_the_base_s_too() {
    let with = |counter: u8| {
        let shape = vec![1];
        let counter = Sample { name: "n", dtype: Dtype::I64, shape, bytes: vec![counter; 8] };
        vec![f32s("w", &[1.0]), counter]
    };
    let weights = weights("a=0.5,b=0.3");
    let kitchen = Kitchen::new(&[with(7), with(7)], &with(7));
    assert_eq!(data(&kitchen.soup(&ties("0.5"), &weights).unwrap(), "n"), [7; 8]);
    let error = Kitchen::new(&[with(7), with(7)], &with(8)).soup(&ties("0.5"), &weights);
    assert!(matches!(error, Err(BlendError::NotEqual { tensor, .. }) if tensor == "n"));
}

#[test]
fn what_is_not_finite_is_refused_even_where_it_would_be_dropped() {
    for bad in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        let good = vec![f32s("w", &[9.0, 9.0, 1.0])];
        let kitchen = Kitchen::new(
            &[good.clone(), vec![f32s("w", &[1.0, 1.0, bad])]],
            &[f32s("w", &[0.0, 0.0, 0.0])],
        );
        let dare = |seed| {
            let density = Density::new(1).unwrap();
            let (consensus, strength) = (Consensus::Mean, Strength::ONE);
            Method::DareTies { density, seed, consensus, strength }
        };
        for method in [ties("0.5"), ties("1"), dare(3), Method::ModelStock] {
            let error = kitchen.soup(&method, &weights("a=1,b=1")).unwrap_err();
            assert!(matches!(error, BlendError::NotFinite { index: 2, .. }), "{method:?} {bad}");
        }
        let error = kitchen.soup(&Method::Slerp, &weights("a=0.5,b=0.5")).unwrap_err();
        assert!(matches!(error, BlendError::NotFinite { index: 2, .. }), "{bad}");
    }
}

#[test]
fn refusals_name_what_is_wrong() {
    let one = |value: f32| vec![f32s("w", &[value])];
    let kitchen = Kitchen::new(&[one(1.0), one(2.0), one(3.0)], &one(0.0));
    let refused = |method: &Method, text: &str| kitchen.refusal(method, &weights(text));
    assert_eq!(
        refused(&Method::Slerp, "a=0.5,b=0.3,c=0.2"),
        "slerp/1 takes one or two experts; 3 with a weight other than zero were given"
    );
    assert_eq!(refused(&Method::Slerp, "a=0.5,b=0.6,c=0"), "slerp/1 needs weights that are a λ");
    assert_eq!(
        refused(&Method::Linear, "a=1.5,b=-0.5,c=0"),
        "linear/1 has no meaning for the weight of b, which is below zero"
    );
    assert_eq!(
        refused(&ties("0.5"), "a=1,b=-1,c=0"),
        "ties/1 has no meaning for the weight of b, which is below zero"
    );
    assert_eq!(
        refused(&Method::ModelStock, "a=1,b=0.5,c=1"),
        "model_stock/1 gives all experts the same weight: give none, or equal ones"
    );
    assert_eq!(
        refused(&Method::ModelStock, "a=1,b=0,c=0"),
        "model_stock/1 takes two or more experts; 1 with a weight other than zero were given"
    );
    assert_eq!(
        refused(&layerwise(&[("v*", "a=1")]), "a=0,b=0,c=0"),
        "no group of tensors has w, and no weights are given for the rest"
    );
    assert_eq!(
        refused(&layerwise(&[("*", "a=1"), ("w", "b=1")]), "a=1,b=0,c=0"),
        "no tensor is in the group w: no name fits, or those before it have all that do"
    );
    assert_eq!(
        refused(&layerwise(&[("*", "d=1")]), "a=1,b=0,c=0"),
        "the recipe needs the expert of d, which was not given"
    );
    assert_eq!(
        refused(&ties("0.5"), "a=1,b=1"),
        "the expert of c was given, but the recipe does not name it"
    );
    let without = Method::TaskArithmetic.plan(
        &[],
        None,
        &weights("a=0"),
        &Wanted { shape: Shape::One, dtype: None, recipe: None },
    );
    assert_eq!(
        without.unwrap_err().to_string(),
        "task_arithmetic/1 needs the base that the experts were trained from"
    );
}

#[test]
fn a_base_that_does_not_fit_is_named_as_the_base() {
    let expert = vec![f32s("b", &[1.0]), f32s("d", &[1.0])];
    let refused = |base: Vec<Sample>| {
        let kitchen = Kitchen::new(&[expert.clone(), expert.clone()], &base);
        kitchen.refusal(&Method::TaskArithmetic, &weights("a=0.1,b=0.2"))
    };
    let (b, d) = (f32s("b", &[1.0]), f32s("d", &[1.0]));
    for extra in ["a", "c", "e"] {
        assert_eq!(
            refused(vec![b.clone(), f32s(extra, &[1.0]), d.clone()]),
            format!("the expert of a has no tensor {extra}, which the base has")
        );
    }
    assert_eq!(refused(vec![b.clone()]), "the base has no tensor d, which the expert of a has");
    assert_eq!(refused(vec![d.clone()]), "the base has no tensor b, which the expert of a has");
    assert_eq!(
        refused(vec![b.clone(), f32s("d", &[1.0, 2.0])]),
        "the base and the expert of a differ in the shape of tensor d"
    );
    assert_eq!(
        refused(vec![b, halves("d", Dtype::F16, &[0])]),
        "tensor d is F16 in the base and F32 in the expert of a"
    );
}

#[test]
fn formulas_are_the_documented_texts() {
    let base = Blake3::of(b"base");
    let manifest = |party: &PartyId| Some(Blake3::of(party.as_str().as_bytes()));
    let text = |method: &Method, lambda: &str, dtype| {
        let formula = method.formula(base, manifest, &weights(lambda), dtype).unwrap();
        String::from_utf8(formula.canonical()).unwrap()
    };
    let expert = |party: &str, ppm: i64| {
        format!(
            r#"{{"party":"{party}","manifest":"{}","ppm":{ppm}}}"#,
            Blake3::of(party.as_bytes())
        )
    };
    let (a, b) = (expert("a", 500_000), expert("b", -250_000));
    assert_eq!(
        text(&Method::TaskArithmetic, "b=-0.25,a=0.5,c=0", Some(Dtype::Bf16)),
        format!(
            r#"{{"arithmetic":"task_arithmetic/1","base":"{base}","experts":[{a},{b}],"parameters":{{"dtype":"BF16"}}}}"#
        )
    );
    let (density, seed) = ("0.3".parse().unwrap(), 7);
    let (consensus, strength) = (Consensus::Sum, Strength::new(700_000).unwrap());
    let dare = Method::DareTies { density, seed, consensus, strength };
    assert_eq!(
        text(&dare, "a=0.5", None),
        format!(
            r#"{{"arithmetic":"dare_ties/1","base":"{base}","experts":[{a}],"parameters":{{"consensus":"sum","density":300000,"seed":7,"strength":700000}}}}"#
        )
    );
    assert_eq!(
        text(&layerwise(&[("x.*", "a=0.5,b=0.5,c=0"), ("y", "b=1")]), "a=1", None),
        format!(
            r#"{{"arithmetic":"layerwise/1","base":"{base}","experts":[{},{}],"parameters":{{"groups":[{{"ppm":{{"a":500000,"b":500000}},"tensors":"x.*"}},{{"ppm":{{"b":1000000}},"tensors":"y"}}]}}}}"#,
            expert("a", 1_000_000),
            expert("b", 0)
        )
    );
    assert_eq!(
        text(&Method::ModelStock, "a=0.5,b=0.5", None),
        format!(
            r#"{{"arithmetic":"model_stock/1","base":"{base}","experts":[{},{}]}}"#,
            expert("a", 1_000_000),
            expert("b", 1_000_000)
        )
    );
}
