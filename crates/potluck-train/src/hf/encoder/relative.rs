//! DeBERTa's places of relative positions (He et al. 2021, section 3; log buckets as in v2 and v3).
//!
//! Near distances have a place each; beyond half of the buckets, places follow the logarithm. It
//! is computed in F32 by libtorch, operation by operation as `transformers` does: where a quotient
//! of logarithms is a whole number, its last bit decides on which side `ceil` lands.

use tch::{Device, Kind, Tensor};

use super::shape::Relative;

/// The place of every key as seen from every query, `[queries, keys]`: below 0 before, above after.
pub(super) fn places(relative: &Relative, length: i64) -> Tensor {
    let numbers = Tensor::arange(length, (Kind::Int64, Device::Cpu));
    let distance = numbers.unsqueeze(1) - numbers.unsqueeze(0);
    match relative.buckets {
        None => distance,
        Some(buckets) => in_buckets(&distance, buckets, relative.farthest),
    }
}

fn in_buckets(distance: &Tensor, buckets: i64, farthest: i64) -> Tensor {
    let middle = buckets / 2;
    let is_near = distance.lt(middle).logical_and(&distance.gt(-middle));
    let size = distance.abs().masked_fill(&is_near, middle - 1);
    let most = Tensor::from((farthest - 1) as f64 / middle as f64).to_kind(Kind::Float).log();
    let ratio = (&size / middle).to_kind(Kind::Float).log() / most;
    let far: Tensor = (ratio * (middle - 1)).ceil() + middle;
    let plain = distance.to_kind(Kind::Float);
    plain.where_self(&size.le(middle), &(far * distance.sign())).to_kind(Kind::Int64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(buckets: Option<i64>, farthest: i64, length: i64) -> Vec<i64> {
        let relative = Relative {
            is_on: true,
            to_position: true,
            from_position: true,
            shares_maps: true,
            is_normed: true,
            buckets,
            farthest,
        };
        Vec::try_from(places(&relative, length).select(1, 0)).unwrap()
    }

    #[test]
    fn near_distances_are_themselves_and_far_ones_share() {
        assert_eq!(row(None, 8, 5), [0, 1, 2, 3, 4]);
        let places = row(Some(8), 32, 32);
        assert_eq!(places[..5], [0, 1, 2, 3, 4]);
        assert_eq!(places[31], 7, "{places:?}");
    }

    #[test]
    fn places_equal_those_of_transformers() {
        let cases = include_str!("../../../../../tests/vectors/hf-scorers/buckets.json");
        let cases: Vec<serde_json::Value> = serde_json::from_str(cases).unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            let farthest = case["farthest"].as_i64().unwrap();
            let places = row(case["buckets"].as_i64(), farthest, farthest);
            assert_eq!(serde_json::json!(places), case["places"], "{case}");
        }
    }

    proptest! {
        #[test]
        fn places_grow_and_stay_in_the_table(half in 1i64..40, more in 1i64..200) {
            let farthest = half + 1 + more;
            let places = row(Some(2 * half), farthest, farthest);
            prop_assert!(places.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", places);
            prop_assert!(places.iter().all(|it| (0..=2 * half).contains(it)), "{:?}", places);
        }
    }
}
