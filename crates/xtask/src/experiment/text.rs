//! A study of texts: from the fresh folder of `potluck-study` to candidates that the parties' own evaluators
//! have scored, all through the product's programs and a real federation.
//!
//! ```text
//! make ─▶ base (pretrain, fine-tune, gate) ─▶ reward models ─▶ experts ─▶ federation ─▶ pull ─▶ scores
//!         another base, with another seed                     MORL, control, long, LoRA ─────────▶
//! ```

mod recipes;
mod training;
mod federated;
mod scoring;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use self::recipes::{Recipes, Way};
use self::scoring::Order;
use self::training::Job;
use super::study::{About, Bench, Role, Seen, Study};
use crate::process::{Programs, arg, beside};

/// The independent base, and what else must not share a seed with the study, lie this far off.
const FOREIGN: u64 = 1000;

/// The weights of the five MORL trainings. The two ends are trainings of their own, with other seeds than the
/// experts, so that no figure compares an expert with itself.
const MORL: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// What a nat of divergence costs while a reward model is optimised, from a short leash to none.
const LEASHES: [f64; 6] = [0.4, 0.1, 0.03, 0.01, 0.003, 0.0];

/// A study of texts.
pub(crate) struct Text {
    /// The task's name in `potluck-study`.
    pub(crate) name: &'static str,
    /// The words of its page.
    pub(crate) about: About,
    /// Held-out prompts that everything is scored on: the more, the closer the two experts are.
    pub(crate) prompts: u32,
    /// Whether all experts explore with the same noise, so that what they have in common to learn they learn alike.
    pub(crate) shares_noise: bool,
    /// Processor seconds of one seed, roughly: bases, trainings, scores.
    pub(crate) costs: [f64; 3],
}

/// What a seed's trainings have in common.
struct Shop<'a> {
    programs: Programs,
    study: &'a Text,
    bench: &'a Bench<'a>,
    dir: PathBuf,
    seed: u64,
}

impl Study for Text {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> About {
        self.about.clone()
    }

    fn budget(&self, quick: bool) -> Vec<(&'static str, f64)> {
        let share = if quick { 0.12 } else { 1.0 };
        let names = ["two bases", "experts, MORL, control, long, LoRA", "scores"];
        names.into_iter().zip(self.costs).map(|(name, cost)| (name, cost * share)).collect()
    }

    fn run(&self, bench: &Bench, seed: u64) -> Result<Seen> {
        let dir = bench.dir.join(format!("seed-{seed}"));
        let programs = Programs::new(bench.programs.clone(), dir.join("logs"))?;
        let shop = Shop { programs, study: self, bench, dir, seed };
        let own = shop.make("task", seed)?;
        let other = shop.make("other-task", seed + FOREIGN)?;
        let bases = beside(&[(&own, "base"), (&other, "other-base")], |(recipes, name)| {
            training::base(&shop, recipes, name)
        })?;
        training::reward_models(&shop, &own, &bases[0])?;
        let made = training::all(&shop, &own, &shop.jobs(&own, &bases))?;
        let told = federated::told(&shop, &own, &bases[0], &made)?;
        let order = Order::of(&shop, &own, &bases[0], &made)?;
        let (candidates, answering) = scoring::scored(&shop, &own, &order)?;
        let mut seconds: BTreeMap<String, f64> =
            made.iter().map(|(name, made)| (name.clone(), made.seconds)).collect();
        seconds.extend(
            bases
                .iter()
                .zip(["base", "other base"])
                .map(|(it, name)| (name.to_owned(), it.seconds)),
        );
        seconds.extend(answering);
        Ok(Seen {
            seed,
            parties: own.parties(),
            measures: own.measures(),
            candidates,
            seconds,
            facts: json!({
                "parameters": own.study["parameters"], "agreement": own.study["agreement"],
                "gate": bases[0].gate, "federation": told, "pooled": own.pooled(),
            }),
        })
    }
}

impl Shop<'_> {
    /// Writes the task's folder; it is cheap, and always of this program's version.
    fn make(&self, name: &str, seed: u64) -> Result<Recipes> {
        let out = self.dir.join(name);
        let program = self.programs.path("potluck-study");
        let mut command = Command::new(&program);
        command.args(["make", self.study.name, "--seed", &seed.to_string(), "--out", arg(&out)?]);
        if self.bench.quick {
            command.arg("--quick");
        }
        let ended = self.programs.run(&format!("make {name}"), command)?;
        ensure!(ended.code == Some(0), "potluck-study: {}", ended.last_words.trim());
        let text = std::fs::read_to_string(out.join("study.json"))?;
        let study: Value = serde_json::from_str(&text).context("study.json is malformed")?;
        let models = self.dir.join("models");
        Ok(Recipes { study, folder: out, models, program, seed, quick: self.bench.quick })
    }

    /// Every training after the bases.
    fn jobs(&self, own: &Recipes, bases: &[training::Made]) -> Vec<Job> {
        let other = &bases[1];
        let job = |name: String, weights: Vec<(String, f64)>, seed: u64| Job {
            name,
            base: bases[0].model.clone(),
            from: bases[0].said["blake3"].clone(),
            weights,
            seed,
            way: Way::PLAIN,
        };
        let parties = own.parties();
        let only = |party: &str| vec![(party.to_owned(), 1.0)];
        let mut jobs: Vec<Job> = Vec::new();
        for (place, party) in (0u64..).zip(&parties) {
            let own = if self.study.shares_noise { 0 } else { 10 * place };
            jobs.push(job(format!("expert-{party}"), only(party), self.seed + own));
        }
        for (place, mu) in (0u64..).zip(MORL) {
            let weights = vec![(parties[0].clone(), mu), (parties[1].clone(), 1.0 - mu)];
            jobs.push(job(format!("morl-{mu}"), weights, self.seed + FOREIGN * 2 + 10 * place));
        }
        let control = job("control".to_owned(), only(&parties[1]), self.seed + FOREIGN * 3);
        jobs.push(Job { base: other.model.clone(), from: other.said["blake3"].clone(), ..control });
        for party in &parties[..2] {
            let long = job(format!("long-{party}"), only(party), self.seed + FOREIGN * 4);
            jobs.push(Job { way: Way { times: 3.0, ..Way::PLAIN }, ..long });
            let lora = job(format!("lora-{party}"), only(party), self.seed + FOREIGN * 5);
            jobs.push(Job { way: Way { lora: true, ..Way::PLAIN }, ..lora });
        }
        for model in own.pooled() {
            jobs.push(job(model.clone(), only(&model), self.seed + FOREIGN * 6));
        }
        if !own.models().is_empty() {
            for cost in LEASHES {
                let job = job(format!("leash-{cost}"), only(&parties[0]), self.seed + FOREIGN * 7);
                jobs.push(Job { way: Way { leash: Some(cost), ..Way::PLAIN }, ..job });
            }
        }
        jobs
    }
}

/// The steps of the grid on the plane's edge.
pub(super) fn shares(quick: bool) -> Vec<f64> {
    let steps = if quick { 4u32 } else { 10 };
    (0..=steps).map(|step| f64::from(step) / f64::from(steps)).collect()
}

/// λ of so many parties that has weight on the first two alone.
pub(super) fn on_edge(share: f64, parties: usize) -> Vec<f64> {
    let mut lambda = vec![0.0; parties];
    (lambda[0], lambda[1]) = (1.0 - share, share);
    lambda
}

/// λ on the simplex of more than two parties: corners that the edge lacks, steps of a third, the centre.
fn simplex(parties: usize) -> Vec<Vec<f64>> {
    if parties < 3 {
        return Vec::new();
    }
    let mut all = Vec::new();
    for first in 0..parties {
        let mut unit = vec![0.0; parties];
        unit[first] = 1.0;
        all.push(unit);
        for second in first + 1..parties {
            let mut pair = vec![0.0; parties];
            (pair[first], pair[second]) = (0.5, 0.5);
            all.push(pair);
            for third in second + 1..parties {
                let mut three = vec![0.0; parties];
                (three[first], three[second], three[third]) = (0.333_334, 0.333_333, 0.333_333);
                all.push(three);
            }
        }
        let mut most = vec![0.4 / (parties as f64 - 1.0); parties];
        most[first] = 0.6;
        all.push(rounded(most));
    }
    if parties > 3 {
        all.push(rounded(vec![1.0 / parties as f64; parties]));
    }
    all
}

/// To parts per million that sum to one.
pub(super) fn rounded(mut lambda: Vec<f64>) -> Vec<f64> {
    lambda.iter_mut().for_each(|it| *it = (*it * 1e6).round() / 1e6);
    let rest: f64 = lambda[1..].iter().sum();
    lambda[0] = ((1.0 - rest) * 1e6).round() / 1e6;
    lambda
}

/// What a candidate's weights are called on the command line.
pub(super) fn text_of(parties: &[String], lambda: &[f64]) -> String {
    let ppm: Vec<u64> = lambda.iter().map(|it| (it * 1e6).round() as u64).collect();
    let named = parties.iter().zip(ppm).filter(|(_, ppm)| *ppm > 0);
    named
        .map(|(party, ppm)| {
            let decimal = format!("{}.{:06}", ppm / 1_000_000, ppm % 1_000_000);
            format!("{party}={}", decimal.trim_end_matches('0').trim_end_matches('.'))
        })
        .collect::<Vec<_>>()
        .join(",")
}

/// A candidate that is asked for: what it is, and its weights.
type Wanted = (Role, Vec<f64>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lambda_of_the_simplex_sums_to_one_and_prints() {
        for parties in 3..=4 {
            let names: Vec<String> = (0..parties).map(|it| format!("p{it}")).collect();
            for lambda in simplex(parties) {
                assert!((lambda.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{lambda:?}");
                assert!(!text_of(&names, &lambda).is_empty());
            }
        }
        assert!(simplex(2).is_empty());
        let names = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        assert_eq!(text_of(&names, &on_edge(0.3, 3)), "a=0.7,b=0.3");
        assert_eq!(text_of(&names, &on_edge(1.0, 3)), "b=1");
        assert_eq!(shares(false).len(), 11);
    }
}
