use super::*;
use crate::experiment::hypervolume::hypervolume;
use crate::experiment::study::{Candidate, Role};
use serde_json::Value;

/// What numpy, scipy and moocore say; `tests/vectors/statistics/make.py` makes it anew.
fn vectors(key: &str) -> Vec<Value> {
    let path = crate::toolchain::root().join("tests/vectors/statistics/vectors.json");
    let all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    all[key].as_array().unwrap().clone()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

#[test]
fn percentiles_are_numpys() {
    for case in vectors("percentiles") {
        let mut values = floats(&case["values"]);
        values.sort_by(f64::total_cmp);
        for (per_cent, is) in floats(&case["per_cent"]).iter().zip(floats(&case["are"])) {
            assert!(near(percentile(&values, *per_cent), is), "{case}");
        }
    }
}

#[test]
fn rank_correlations_and_errors_are_scipys() {
    for case in vectors("spearman") {
        let own = spearman(&floats(&case["a"]), &floats(&case["b"]));
        assert!(near(own, case["is"].as_f64().unwrap()), "{own} {case}");
    }
    for case in vectors("errors") {
        assert!(near(standard_error(&floats(&case["values"])), case["is"].as_f64().unwrap()));
    }
}

#[test]
fn hypervolumes_are_those_of_moocore() {
    for case in vectors("hypervolumes") {
        let points: Vec<Vec<f64>> = case["points"].as_array().unwrap().iter().map(floats).collect();
        let own = hypervolume(&points, &floats(&case["reference"]));
        assert!(near(own, case["is"].as_f64().unwrap()), "{own} {case}");
    }
}

#[test]
fn an_interval_holds_the_spread_of_seeds_as_well_as_of_prompts() {
    let seen = |seed: u64, centre: f64| Seen {
        seed,
        parties: vec!["a".to_owned()],
        measures: Vec::new(),
        candidates: vec![Candidate {
            role: Role::Base,
            lambda: vec![0.0],
            scores: vec![(0..100).map(|it| centre + f64::from(it % 10) - 4.5).collect()],
            measures: Vec::new(),
            collapsed: vec![0.0; 100],
        }],
        seconds: Default::default(),
        facts: Value::Null,
    };
    let figure = |sample: &[(&Seen, Means)]| {
        vec![mean(&sample.iter().map(|(_, means)| means.scores[0][0]).collect::<Vec<_>>())]
    };
    // One seed: 1.96 standard errors of its prompts, 2.887 / 10.
    let [[low, high]] = bootstrap(&[seen(1, 0.0)], figure)[..] else { panic!() };
    assert!((low + 0.56).abs() < 0.06 && (high - 0.56).abs() < 0.06, "{low} {high}");
    // Two that lie apart: as often as not, both draws are of one of them.
    let [[low, high]] = bootstrap(&[seen(1, -10.0), seen(2, 10.0)], figure)[..] else { panic!() };
    assert!(low < -9.0 && high > 9.0, "{low} {high}");
}
