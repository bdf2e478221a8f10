//! The shapes that the paper's claim comes to, each as one figure a seed, with an interval over all.
//!
//! In the plane of the first two rewards, each divided by the distance between the two experts in it, the
//! *chord* joins the experts; the *height* of a soup is how far it lies beyond that line, x + y − 1. A shape
//! holds where it holds in every seed.

use serde_json::{Value, json};

use super::hypervolume::hypervolume;
use super::statistics::{Means, bootstrap, mean, spearman};
use super::study::{Role, Seen};

/// How far below the chord a soup may lie, in shares of the range.
const TOLERANCE: f64 = 0.02;
/// The share of soups that must lie strictly above the chord.
const MOSTLY: f64 = 0.8;

/// What the claim asks of four parties alone: of fewer it is reported.
const OF_FOUR: [&str; 2] = ["uniform", "worst-off"];

/// The least hypervolume that is divided by, in ranges squared: trainings need not go beyond the base at all.
const LITTLE: f64 = 0.01;

/// What is shown, and when it holds.
struct Shape {
    key: &'static str,
    /// What its figure is.
    says: &'static str,
    /// Of one seed; nothing where the study has no such candidates.
    figure: fn(&Seen, &Means, Falls) -> Option<f64>,
    /// Nothing where it is only reported.
    holds: Option<fn(f64) -> bool>,
}

/// The measure that should fall with λ.
type Falls = Option<usize>;

const SHAPES: [Shape; 15] = [
    Shape {
        key: "A",
        says: "the least gain of an expert over the base on its own reward, in shares of the range; above 0",
        figure: |seen, means, _| {
            let plane = Plane::of(seen, means)?;
            Some(plane.base.iter().map(|base| 1.0 - base).fold(f64::INFINITY, f64::min))
        },
        holds: Some(|x| x > 0.0),
    },
    Shape {
        key: "B",
        says: "the lowest soup's height above the chord, in shares of the range; at least −0.02",
        figure: |seen, means, _| lowest(&Plane::of(seen, means)?.heights(seen, means, Role::Soup)),
        holds: Some(|x| x >= -TOLERANCE),
    },
    Shape {
        key: "B share",
        says: "the share of soups strictly above the chord; at least 0.8",
        figure: |seen, means, _| {
            let heights = Plane::of(seen, means)?.heights(seen, means, Role::Soup);
            let above = heights.iter().filter(|height| **height > 0.0).count();
            (!heights.is_empty()).then(|| above as f64 / heights.len() as f64)
        },
        holds: Some(|x| x >= MOSTLY),
    },
    Shape {
        key: "C",
        says: "hypervolume of the soups over that of experts and base, from the nadir; at least 1.2",
        figure: |seen, means, _| {
            let plane = Plane::of(seen, means)?;
            let soups = plane.points(seen, means, Role::Soup);
            Some(hypervolume(&soups, &plane.nadir()) / hypervolume(&plane.ends(), &plane.nadir()))
        },
        holds: Some(|x| x >= 1.2),
    },
    Shape {
        key: "D",
        says: "hypervolume of the soups (two trainings) over that of all MORL trainings, from the base; at least 0.85",
        figure: |seen, means, _| against_morl(seen, means, |_| true),
        holds: Some(|x| x >= 0.85),
    },
    Shape {
        key: "D equal",
        says: "the same over MORL with as many trainings as the soups have, two; above 1",
        figure: |seen, means, _| against_morl(seen, means, |first| first == 0.0 || first == 1.0),
        holds: Some(|x| x > 1.0),
    },
    Shape {
        key: "E",
        says: "the height of the lowest mixture with an expert of an independent base; at most −0.2",
        figure: |seen, means, _| lowest(&Plane::of(seen, means)?.control(seen, means)?),
        holds: Some(|x| x <= -0.2),
    },
    Shape {
        key: "F",
        says: "the worst slack of linear mode connectivity in one reward alone, in shares of the range; reported",
        figure: |seen, means, _| Plane::of(seen, means)?.slack(seen, means),
        holds: None,
    },
    Shape {
        key: "G",
        says: "the soups' highest rate of collapse over the experts' highest, as a difference; at most 0.01",
        figure: |seen, means, _| {
            let places: Vec<usize> = seen.of(Role::Soup).collect();
            let is_end = |place: usize| seen.candidates[place].lambda.contains(&1.0);
            let most = |ends: bool| {
                let own = places.iter().filter(|place| is_end(**place) == ends);
                own.map(|place| means.collapsed[*place]).fold(f64::NEG_INFINITY, f64::max)
            };
            (places.len() > 2).then(|| most(false) - most(true))
        },
        holds: Some(|x| x <= 0.01),
    },
    Shape {
        key: "falls",
        says: "Spearman's correlation of λ with the measure that should fall with it; at most −0.9",
        figure: |seen, means, falls| {
            let which = falls?;
            let places: Vec<usize> = seen.of(Role::Soup).collect();
            let second: Vec<f64> =
                places.iter().map(|place| seen.candidates[*place].lambda[1]).collect();
            let measured: Vec<f64> =
                places.iter().map(|place| means.measures[*place][which]).collect();
            Some(spearman(&second, &measured))
        },
        holds: Some(|x| x <= -0.9),
    },
    Shape {
        key: "uniform",
        says: "with all parties: the share of each expert's gain that the uniform soup keeps, on average; at least 0.85",
        figure: |seen, means, _| Some(mean(&uniform_gains(seen, means)?)),
        holds: Some(|x| x >= 0.85),
    },
    Shape {
        key: "worst-off",
        says: "with all parties: the uniform soup's gain for whoever gains least, less that of the best single expert; above 0",
        figure: |seen, means, _| {
            let of_uniform = lowest(&uniform_gains(seen, means)?)?;
            let best = (0..seen.parties.len())
                .filter_map(|party| lowest(&gains(seen, means, corner(seen, party)?)?))
                .fold(f64::NEG_INFINITY, f64::max);
            Some(of_uniform - best)
        },
        holds: Some(|x| x > 0.0),
    },
    Shape {
        key: "ensemble",
        says: "the mean height of prediction averaging less that of the soups; reported",
        figure: |seen, means, _| {
            let plane = Plane::of(seen, means)?;
            let others = plane.heights(seen, means, Role::Ensemble);
            let own: Vec<f64> = seen
                .of(Role::Ensemble)
                .filter_map(|place| seen.at(Role::Soup, &seen.candidates[place].lambda))
                .map(|place| plane.height(&means.scores[place]))
                .collect();
            (!others.is_empty()).then(|| mean(&others) - mean(&own))
        },
        holds: None,
    },
    Shape {
        key: "long",
        says: "the lowest height of soups of experts trained three times as long, against their own chord; reported",
        figure: |seen, means, _| {
            lowest(&Plane::between(seen, means, Role::Long)?.heights(seen, means, Role::Long))
        },
        holds: None,
    },
    Shape {
        key: "lora",
        says: "the mean height of exact LoRA soups less that of averaged factors, against the LoRA experts' chord; reported",
        figure: |seen, means, _| {
            let plane = Plane::between(seen, means, Role::LoraExact)?;
            let heights = |role| plane.heights(seen, means, role);
            let factors = heights(Role::LoraFactors);
            (!factors.is_empty()).then(|| mean(&heights(Role::LoraExact)) - mean(&factors))
        },
        holds: None,
    },
];

/// Every shape with figure, interval, the figure of each seed, and whether it holds.
pub(crate) fn shapes(seeds: &[Seen], falls: Option<&str>) -> Value {
    let falls =
        falls.and_then(|name| seeds.first()?.measures.iter().position(|measure| measure == name));
    let per_seed: Vec<Vec<Option<f64>>> = seeds
        .iter()
        .map(|seen| {
            let means = Means::of(seen);
            SHAPES.iter().map(|shape| (shape.figure)(seen, &means, falls)).collect()
        })
        .collect();
    let intervals = bootstrap(seeds, |sample| {
        let of = |shape: &Shape| {
            let figures: Vec<f64> = sample
                .iter()
                .map(|(seen, means)| (shape.figure)(seen, means, falls).unwrap_or(f64::NAN))
                .collect();
            mean(&figures)
        };
        SHAPES.iter().map(of).collect()
    });
    let has_four = seeds.first().is_some_and(|seen| seen.parties.len() > 3);
    let mut all = serde_json::Map::new();
    for (place, shape) in SHAPES.iter().enumerate() {
        let is_asked = has_four || !OF_FOUR.contains(&shape.key);
        let holds = shape.holds.filter(|_| is_asked);
        let figures: Vec<f64> = per_seed.iter().filter_map(|seed| seed[place]).collect();
        if figures.len() < seeds.len() {
            // A study need not have every candidate; but experts that do not trade are a failure.
            if shape.key.len() == 1 || !figures.is_empty() {
                let why =
                    "in some seed the two experts do not trade, or there are no such candidates";
                let found = json!({"says": shape.says, "figure": null, "interval": null,
                    "seeds": figures, "holds": holds.map(|_| false), "why": why});
                all.insert(shape.key.to_owned(), found);
            }
            continue;
        }
        let holding = holds.map(|holds| figures.iter().filter(|it| holds(**it)).count());
        all.insert(
            shape.key.to_owned(),
            json!({
                "says": shape.says,
                "figure": mean(&figures),
                "interval": intervals[place],
                "seeds": figures,
                "holding": holding,
                "holds": holding.map(|count| count == figures.len()),
            }),
        );
    }
    Value::Object(all)
}

/// The two experts that span the plane.
struct Plane {
    /// What is 0 and what is 1 on each axis.
    low: [f64; 2],
    range: [f64; 2],
    /// The base, in these units.
    base: [f64; 2],
}

impl Plane {
    fn of(seen: &Seen, means: &Means) -> Option<Self> {
        Self::between(seen, means, Role::Soup)
    }

    /// Between the two ends of a role; nothing where they do not trade: each must be the better one in its
    /// own reward.
    fn between(seen: &Seen, means: &Means, role: Role) -> Option<Self> {
        let first = &means.scores[seen.at(role, &[1.0, 0.0])?];
        let second = &means.scores[seen.at(role, &[0.0, 1.0])?];
        let (low, range) = ([second[0], first[1]], [first[0] - second[0], second[1] - first[1]]);
        let base = &means.scores[seen.of(Role::Base).next()?];
        let base = [0, 1].map(|axis| (base[axis] - low[axis]) / range[axis]);
        range.iter().all(|it| *it > 0.0).then_some(Self { low, range, base })
    }

    fn point(&self, scores: &[f64]) -> [f64; 2] {
        [0, 1].map(|axis| (scores[axis] - self.low[axis]) / self.range[axis])
    }

    fn height(&self, scores: &[f64]) -> f64 {
        self.point(scores).iter().sum::<f64>() - 1.0
    }

    /// The heights of what lies between the ends.
    fn heights(&self, seen: &Seen, means: &Means, role: Role) -> Vec<f64> {
        seen.of(role)
            .filter(|place| seen.candidates[*place].lambda[..2].iter().all(|it| *it > 0.0))
            .map(|place| self.height(&means.scores[place]))
            .collect()
    }

    fn points(&self, seen: &Seen, means: &Means, role: Role) -> Vec<Vec<f64>> {
        seen.of(role).map(|place| self.point(&means.scores[place]).to_vec()).collect()
    }

    /// The two experts and the base.
    fn ends(&self) -> Vec<Vec<f64>> {
        vec![vec![1.0, 0.0], vec![0.0, 1.0], self.base.to_vec()]
    }

    /// The worst of base and experts in each reward, and a hundredth less, so that an expert that is the worst
    /// in the other reward counts.
    fn nadir(&self) -> [f64; 2] {
        self.base.map(|base| base.min(0.0) - 0.01)
    }

    /// Heights of the mixtures with the other base's expert, against the chord between the two that are mixed.
    fn control(&self, seen: &Seen, means: &Means) -> Option<Vec<f64>> {
        let end = |lambda: &[f64]| Some(self.point(&means.scores[seen.at(Role::Control, lambda)?]));
        let (first, second) = (end(&[1.0, 0.0])?, end(&[0.0, 1.0])?);
        let below = |place: usize| {
            let share = seen.candidates[place].lambda[0];
            let point = self.point(&means.scores[place]);
            let chord = [0, 1].map(|axis| share * first[axis] + (1.0 - share) * second[axis]);
            point.iter().sum::<f64>() - chord.iter().sum::<f64>()
        };
        let is_inner = |place: &usize| {
            (0.0..1.0).contains(&seen.candidates[*place].lambda[0])
                && seen.candidates[*place].lambda[0] > 0.0
        };
        Some(seen.of(Role::Control).filter(is_inner).map(below).collect())
    }

    /// How far below its own straight line a soup falls in one reward alone, at the worst; at most 0.
    fn slack(&self, seen: &Seen, means: &Means) -> Option<f64> {
        let of = |place: usize| {
            let share = seen.candidates[place].lambda[0];
            let [x, y] = self.point(&means.scores[place]);
            (x - share).min(y - (1.0 - share))
        };
        seen.of(Role::Soup).map(of).reduce(f64::min)
    }
}

fn lowest(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::min)
}

/// The soups' hypervolume over that of MORL trainings whose weight of the first reward `counts`.
fn against_morl(seen: &Seen, means: &Means, counts: fn(f64) -> bool) -> Option<f64> {
    let plane = Plane::of(seen, means)?;
    let soups = plane.points(seen, means, Role::Soup);
    let trained: Vec<Vec<f64>> = seen
        .of(Role::Morl)
        .filter(|place| counts(seen.candidates[*place].lambda[0]))
        .map(|place| plane.point(&means.scores[place]).to_vec())
        .collect();
    let volume = hypervolume(&trained, &plane.base);
    (!trained.is_empty()).then(|| hypervolume(&soups, &plane.base) / volume.max(LITTLE))
}

/// Where a party's own expert stands.
fn corner(seen: &Seen, party: usize) -> Option<usize> {
    let count = seen.parties.len();
    let unit: Vec<f64> = (0..count).map(|it| if it == party { 1.0 } else { 0.0 }).collect();
    seen.at(Role::Soup, &unit).or_else(|| seen.at(Role::Simplex, &unit))
}

/// Every party's gain over the base by a candidate, as a share of what its own expert gains.
pub(crate) fn gains(seen: &Seen, means: &Means, place: usize) -> Option<Vec<f64>> {
    let base = &means.scores[seen.of(Role::Base).next()?];
    let gain = |party: usize| {
        let own = &means.scores[corner(seen, party)?];
        Some((means.scores[place][party] - base[party]) / (own[party] - base[party]))
    };
    (0..seen.parties.len()).map(gain).collect()
}

fn uniform_gains(seen: &Seen, means: &Means) -> Option<Vec<f64>> {
    let count = seen.parties.len();
    let equal = vec![1.0 / count as f64; count];
    let found = seen.of(Role::Simplex).find(|&place| {
        seen.candidates[place].lambda.iter().zip(&equal).all(|(a, b)| (a - b).abs() < 1e-3)
    });
    gains(seen, means, found?)
}

#[cfg(test)]
mod tests;
