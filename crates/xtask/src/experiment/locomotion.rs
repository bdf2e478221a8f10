//! The studies of locomotion, a body each: in MuJoCo, by `potluck-locomotion`; what is scored are the experts as they were
//! pulled from a federation. What sets one study apart from the other stands in [`bodies`].
//!
//! ```text
//! base ─▶ experts, MORL, longer ones ─▶ federation ─▶ pull ─▶ scores of the same episodes
//! another base, with the first's statistics of observations ─▶ control ─────▶
//! ```

pub(super) mod bodies;
mod scoring;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::federated::{self, Story};
use super::pieces::piece;
use super::study::{About, Bench, Seen, Study};
use crate::mujoco;
use crate::process::{Programs, arg, beside};
use crate::toolchain::Toolchain;

/// The parties, which are named after their rewards.
const PARTIES: [&str; 2] = ["risky", "cautious"];

/// What must not share a seed with the study lies this far off.
const FOREIGN: u64 = 1000;

/// The weights of *risky* in the five MORL trainings. The two ends are trainings of their own, with other seeds than the
/// experts, so that no figure compares an expert with itself.
const MORL: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// A study of a body.
pub(crate) struct Locomotion {
    /// Its name, and its folder's.
    name: &'static str,
    /// What `potluck-locomotion` calls the body.
    body: &'static str,
    about: About,
    /// What the file with the film says under it.
    seen: &'static str,
    /// Steps of all worlds for a base and for an expert.
    steps: [u64; 2],
    /// Steps of an episode that is scored.
    horizon: u64,
    /// Processor seconds of two bases, of every other training, and of scores, a seed.
    costs: [f64; 3],
}

/// The share of steps that a quick study has, of a base and of an expert.
const QUICK: [u64; 2] = [10, 20];

/// What a seed's trainings have in common.
struct Shop<'a> {
    study: &'a Locomotion,
    programs: Programs,
    /// `potluck-locomotion`, with its engine.
    program: PathBuf,
    dir: PathBuf,
    seed: u64,
    quick: bool,
}

/// A model that was trained.
struct Made {
    /// Its folder.
    model: PathBuf,
    /// Its digest.
    blake3: Value,
    seconds: f64,
}

/// A fine-tuning.
struct Job {
    name: String,
    /// Which of the two bases.
    base: usize,
    /// The weights of the rewards.
    weights: [f64; 2],
    seed: u64,
    /// How many times as long as the study's.
    times: u64,
}

impl Study for Locomotion {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> About {
        self.about.clone()
    }

    fn budget(&self, quick: bool) -> Vec<(&'static str, f64)> {
        let share = if quick { 0.05 } else { 1.0 };
        let names = ["two bases", "experts, MORL, control, long", "scores"];
        names.into_iter().zip(self.costs).map(|(name, cost)| (name, cost * share)).collect()
    }

    fn run(&self, bench: &Bench, seed: u64) -> Result<Seen> {
        let shop = Shop::open(self, bench, seed)?;
        // The second looks at the world as the first does, and so comes after it.
        let first = shop.base("base", seed, None)?;
        let second = shop.base("other-base", seed + FOREIGN, Some(&first))?;
        let bases = [first, second];
        let jobs = jobs(seed);
        let made = beside(&jobs, |job| shop.tune(job, &bases[job.base]))?;
        let names = jobs.iter().map(|job| job.name.clone());
        let made: BTreeMap<String, Made> = names.zip(made).collect();
        let expert = |party: &'static str| {
            let it = &made[&format!("expert-{party}")];
            (party, it.model.as_path(), &it.blake3)
        };
        let told = federated::told(&Story {
            programs: &shop.programs,
            dir: &shop.dir,
            name: self.name,
            base: (&bases[0].model, &bases[0].blake3),
            parties: PARTIES.map(expert).into(),
        })?;
        let (candidates, took) = scoring::scored(&shop, &bases[0], &made)?;
        let mut seconds: BTreeMap<String, f64> =
            made.iter().map(|(name, it)| (name.clone(), it.seconds)).collect();
        seconds.extend(took);
        seconds.insert("base".into(), bases[0].seconds);
        seconds.insert("other base".into(), bases[1].seconds);
        Ok(Seen {
            seed,
            parties: PARTIES.map(String::from).into(),
            measures: vec!["effort".into()],
            candidates,
            seconds,
            facts: json!({"federation": told, "steps": shop.steps()}),
        })
    }

    /// λ walks, in the first seed.
    fn pictures(&self, bench: &Bench, seeds: &[Seen], folder: &Path) -> Result<String> {
        let Some(seen) = seeds.first() else { return Ok(String::new()) };
        let shop = Shop::open(self, bench, seen.seed)?;
        let expert =
            |party: &str| Ok(format!("{party}={}", arg(&federated::pulled(&shop.dir, party))?));
        let experts = PARTIES.map(expert).into_iter().collect::<Result<Vec<_>>>()?;
        let (base, film) = (shop.dir.join("models/base/model"), folder.join("film.svg"));
        let mut args = vec!["film", "--base", arg(&base)?, "--out", arg(&film)?];
        args.extend(experts.iter().flat_map(|expert| ["--expert", expert]));
        shop.succeed("film", &args)?;
        Ok(format!(
            "\n## To see\n\nFive soups of seed {}'s two experts, each in its lane with the camera beside it; the bar is the effort of \
             the moment.{} A browser plays it.\n\n![λ walks from risky to cautious](film.svg)\n",
            seen.seed, self.seen
        ))
    }
}

/// Every training after the bases.
fn jobs(seed: u64) -> Vec<Job> {
    let job =
        |name: String, weights: [f64; 2], seed: u64| Job { name, base: 0, weights, seed, times: 1 };
    let alone = [[1.0, 0.0], [0.0, 1.0]];
    let mut jobs = Vec::new();
    // The longest first, so that two at a time end together.
    for (party, weights) in PARTIES.into_iter().zip(alone) {
        jobs.push(Job { times: 3, ..job(format!("long-{party}"), weights, seed + FOREIGN * 4) });
    }
    // Both explore with the same noise, so that what they have in common to learn they learn alike.
    for (party, weights) in PARTIES.into_iter().zip(alone) {
        jobs.push(job(format!("expert-{party}"), weights, seed + FOREIGN * 5));
    }
    for (place, mu) in (0u64..).zip(MORL) {
        let seed = seed + FOREIGN * 2 + 10 * place;
        jobs.push(job(format!("morl-{mu}"), [mu, 1.0 - mu], seed));
    }
    jobs.push(Job { base: 1, ..job("control".into(), alone[1], seed + FOREIGN * 3) });
    jobs
}

impl<'a> Shop<'a> {
    /// Builds the program, and makes the folder of a seed.
    fn open(study: &'a Locomotion, bench: &Bench, seed: u64) -> Result<Self> {
        let dir = bench.dir.join(format!("seed-{seed}"));
        let programs = Programs::new(bench.programs.clone(), dir.join("logs"))?;
        let program = mujoco::build_program(bench.toolchain, Toolchain::study_packages())?;
        Ok(Self { study, programs, program, dir, seed, quick: bench.quick })
    }

    /// Steps of a base and of an expert.
    fn steps(&self) -> [u64; 2] {
        let [base, expert] = self.study.steps;
        match self.quick {
            true => [base / QUICK[0], expert / QUICK[1]],
            false => [base, expert],
        }
    }

    /// A base from nothing; with `like`, with that base's statistics of observations.
    fn base(&self, name: &str, seed: u64, like: Option<&Made>) -> Result<Made> {
        let [steps, _] = self.steps();
        let inputs = json!({"seed": seed, "steps": steps, "like": like.map(|it| &it.blake3)});
        self.made(name, &inputs, "model", |out| {
            let (steps, seed) = (steps.to_string(), seed.to_string());
            let mut args = vec!["base", "--body", self.study.body, "--out", arg(out)?];
            args.extend(["--steps", &steps, "--seed", &seed]);
            if let Some(like) = like {
                args.extend(["--statistics-of", arg(&like.model)?]);
            }
            self.succeed(name, &args)
        })
    }

    /// A fine-tuning of a base.
    fn tune(&self, job: &Job, base: &Made) -> Result<Made> {
        let [_, steps] = self.steps();
        let steps = steps * job.times;
        let reward = format!("risky={},cautious={}", job.weights[0], job.weights[1]);
        let inputs =
            json!({"base": base.blake3, "reward": reward, "seed": job.seed, "steps": steps});
        self.made(&job.name, &inputs, "model/outbox", |out| {
            let (steps, seed) = (steps.to_string(), job.seed.to_string());
            let run = out.parent().context("an outbox lies in the run's folder")?;
            let mut args = vec!["expert", "--base", arg(&base.model)?, "--out", arg(run)?];
            args.extend(["--reward", &reward, "--steps", &steps, "--seed", &seed]);
            self.succeed(&job.name, &args)
        })
    }

    /// A training as a piece that is kept; `model` is where its model comes to lie.
    fn made(
        &self,
        name: &str,
        inputs: &Value,
        model: &str,
        train: impl FnOnce(&Path) -> Result<Value>,
    ) -> Result<Made> {
        let dir = self.dir.join("models").join(name);
        let model = dir.join(model);
        let said = piece(&dir, inputs, |dir| {
            // What was begun does not go on: a training takes half a minute.
            let begun = dir.join("model");
            if begun.exists() {
                std::fs::remove_dir_all(&begun)?;
            }
            let begin = Instant::now();
            let mut said = train(&model)?;
            said["seconds"] = json!(begin.elapsed().as_secs_f64());
            Ok(said)
        })?;
        let seconds = said["seconds"].as_f64().context("a training without its seconds")?;
        Ok(Made { model, blake3: said["blake3"].clone(), seconds })
    }

    /// Runs `potluck-locomotion`, where anything but success is an error.
    fn succeed(&self, title: &str, args: &[&str]) -> Result<Value> {
        let mut command = Command::new(&self.program);
        command.args(args).arg("--json");
        let ended = self.programs.run(title, command)?;
        ensure!(
            ended.code == Some(0),
            "{title}: potluck-locomotion {} failed: {}",
            args.join(" "),
            ended.last_words.trim()
        );
        Ok(ended.json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_trainings_share_a_seed_but_those_of_both_parties() {
        let jobs = jobs(1);
        assert_eq!(jobs.len(), 10);
        for (place, job) in jobs.iter().enumerate() {
            let same = jobs[..place].iter().filter(|it| it.seed == job.seed);
            let same: Vec<_> = same.map(|it| &it.name).collect();
            let of_both = job.name.starts_with("long-") || job.name.starts_with("expert-");
            assert!(same.is_empty() || of_both, "{} and {same:?}", job.name);
        }
        assert_eq!(jobs.iter().filter(|job| job.base == 1).count(), 1);
    }
}
