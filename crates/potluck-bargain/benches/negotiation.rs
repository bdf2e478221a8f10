//! Synthetic federations that bargain: how near they come to the best, and what lies, absence and collusion win.
//!
//! ```text
//! cargo bench -p potluck-bargain --bench negotiation [-- --worlds N]
//! ```
//!
//! No clock is read: the same numbers come out everywhere. The last line is one JSON object; `cargo xtask bench
//! negotiation` writes the page.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

#[path = "negotiation/random.rs"]
mod random;
#[path = "negotiation/round.rs"]
mod round;
#[path = "negotiation/world.rs"]
mod world;

use clap::Parser;
use potluck_bargain::design::budget;
use random::Random;
use round::Round;
use world::World;

/// What a party's score of a soup may be off by: the standard deviation, as a part of what its own expert gains.
const NOISES: [f64; 3] = [0.02, 0.05, 0.15];

#[derive(Parser)]
struct Args {
    /// Federations of each kind
    #[arg(long, default_value_t = 200)]
    worlds: usize,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let worlds = Args::parse().worlds;
    let (mut rows, mut ratios) = (Vec::new(), Vec::new());
    for parties in 2..=8 {
        for noise in NOISES {
            let mut values = efficiencies(parties, noise, worlds);
            values.sort_by(f64::total_cmp);
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let low = values[values.len() / 10];
            if noise == 0.05 && parties <= 6 {
                ratios.push(format!(r#""efficiency_n{parties}":{mean}"#));
            }
            let uniform = uniform(parties, worlds);
            rows.push(format!(
                r#"{{"parties":{parties},"soups":{},"noise":{noise},"uniform":{uniform},"efficiency":{mean},"low":{low}}}"#,
                budget(parties)
            ));
        }
    }
    let mut worst = f64::INFINITY;
    let mut lies = Vec::new();
    for parties in 2..=5 {
        let told = manipulation(parties, worlds);
        worst = worst.min(told.truthful_worst);
        if parties <= 3 {
            ratios.push(format!(r#""best_lie_gain_n{parties}":{}"#, told.lie - told.honest));
        }
        lies.push(format!(
            r#"{{"parties":{parties},"honest":{},"lie":{},"stays_away":{},"two_collude":{},"truthful_worst":{}}}"#,
            told.honest, told.lie, told.stays_away, told.two_collude, told.truthful_worst
        ));
    }
    ratios.push(format!(r#""truthful_worst_gain":{worst}"#));
    println!(
        r#"{{"worlds":{worlds},"rows":[{}],"lies":[{}],"ratios":{{{}}}}}"#,
        rows.join(","),
        lies.join(","),
        ratios.join(",")
    );
}

/// The geometric mean of the parties' gains, as a part of the best that any λ gives; 0 where they found no deal.
fn efficiencies(parties: usize, noise: f64, worlds: usize) -> Vec<f64> {
    let value = |seed: usize| {
        let mut random = Random::new(seed as u64);
        let world = World::new(parties, &mut random);
        let round = Round::held(&world, noise, &mut random);
        round.decided().map_or(0.0, |lambda| world.value(&lambda) / world.best())
    };
    (0..worlds).map(value).collect()
}

fn uniform(parties: usize, worlds: usize) -> f64 {
    let value = |seed: usize| {
        let world = World::new(parties, &mut Random::new(seed as u64));
        world.value(&vec![1.0 / parties as f64; parties]) / world.best()
    };
    (0..worlds).map(value).sum::<f64>() / worlds as f64
}

/// What the first party ends with, on average, as a part of what its own expert would give it.
struct Told {
    honest: f64,
    /// It knows everything, and tells what serves it best.
    lie: f64,
    /// It says nothing, and the others decide without it.
    stays_away: f64,
    /// It and the second know everything, and tell what serves both together best.
    two_collude: f64,
    /// The least that a truthful party ended with, in all of these worlds.
    truthful_worst: f64,
}

fn manipulation(parties: usize, worlds: usize) -> Told {
    let mut told = Told {
        honest: 0.0,
        lie: 0.0,
        stays_away: 0.0,
        two_collude: 0.0,
        truthful_worst: f64::INFINITY,
    };
    for seed in 0..worlds {
        let mut random = Random::new(seed as u64);
        let world = World::new(parties, &mut random);
        // Without noise: what is measured is the lie.
        let round = Round::held(&world, 0.0, &mut random);
        let ends = |outcome: Option<usize>, party: usize| {
            outcome.map_or(0.0, |candidate| round.gain(candidate, party))
        };
        let (honest, lie) = (round.chosen(), round.best_lie(&[0]));
        let (away, pact) = (round.without(0), round.best_lie(&[0, 1]));
        told.honest += ends(honest, 0);
        told.lie += ends(lie, 0);
        told.stays_away += ends(away, 0);
        told.two_collude += ends(pact, 0);
        let truthful = [(honest, 0), (lie, 1), (pact, 2), (away, 1)];
        let truthful = truthful
            .into_iter()
            .flat_map(|(end, from)| (from..parties).map(move |party| (end, party)));
        let least = truthful.map(|(end, party)| ends(end, party)).fold(f64::INFINITY, f64::min);
        told.truthful_worst = told.truthful_worst.min(least);
    }
    let count = worlds as f64;
    told.honest /= count;
    told.lie /= count;
    told.stays_away /= count;
    told.two_collude /= count;
    told
}
