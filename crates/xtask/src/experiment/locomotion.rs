//! The study of locomotion: a body in MuJoCo, by `potluck-locomotion`; what is scored are the experts as they were
//! pulled from a federation.
//!
//! ```text
//! base ─▶ experts, MORL, longer ones ─▶ federation ─▶ pull ─▶ scores of the same episodes
//! another base, with the first's statistics of observations ─▶ control ─────▶
//! ```

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

/// Steps of all worlds for a base and for an expert; then those of a quick study.
const STEPS: [[u64; 2]; 2] = [[409_600, 409_600], [40_960, 20_480]];

/// The study.
pub(crate) struct Locomotion;

/// What a seed's trainings have in common.
struct Shop {
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
        "locomotion"
    }

    fn about(&self) -> About {
        About {
            title: "Locomotion",
            task: "A runner in the plane with six motors learns to run in MuJoCo (docs/locomotion.md). The base is rewarded with \
                   velocity and a tenth of the price of effort; experts with velocity alone, or with velocity less twice the sum \
                   of the squared actions: with the price of 1 that the paper has, the cautious runner was the faster one as \
                   well in two of three seeds, and nothing was traded. Both experts explore with the same noise. A score is the mean of a reward over an episode of 25 seconds; an episode in which the \
                   body lay on its back has collapsed. The control's base was trained from other weights, with the same \
                   statistics of observations; with its own, the federation refuses the expert. MORL has μ = 0, ¼, ½, ¾, 1 on \
                   velocity, its ends trained with other seeds than the experts.",
            scored: "episodes that no training has seen, without noise of exploration",
            averaging: "acts by the mean of their actions",
            rewards: ["risky: velocity, m/s", "cautious: velocity less twice the squared actions"],
            paper: "The paper trains a humanoid in Brax with velocity and velocity less the squared actions, from a base with Brax's default reward, with \
                    observation statistics frozen after pretraining.",
            figures: "38 of 38 interior points lie above the straight line, counted a reward at a time. As (risky, cautious), the \
                      experts are (6447, 1461) and (5664, 4062), the base (3599, −560), the soup of λ = ½ (6265, 3319). Its 11 \
                      MORL runs are better: one of them, (6917, 4221), dominates every soup, and the soups have 0.83 of \
                      their hypervolume from the base.",
            falls: Some("effort"),
            limits: "The body lives in the plane and learns for half a minute, the paper's in space and for a thousand times as \
                     many steps. How high soups lie depends on the base: from one of 819 200 steps, which is nearly as fast as \
                     experts become, two of four tuning seeds had soups below the chord; so the base is half as long, and \
                     experts have much in common to learn. D does not hold: MORL, whose trainings have seeds of their own, finds \
                     faster gaits than either expert, most of all from seed 3's slow base; nor does it in the paper's data.",
        }
    }

    fn budget(&self, quick: bool) -> Vec<(&'static str, f64)> {
        let share = if quick { 0.05 } else { 1.0 };
        let costs =
            [("two bases", 30.0), ("experts, MORL, control, long", 210.0), ("scores", 240.0)];
        costs.into_iter().map(|(name, cost)| (name, cost * share)).collect()
    }

    fn run(&self, bench: &Bench, seed: u64) -> Result<Seen> {
        let shop = Shop::open(bench, seed)?;
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
            name: "locomotion",
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
            facts: json!({"federation": told, "steps": STEPS[usize::from(shop.quick)]}),
        })
    }

    /// λ walks, in the first seed.
    fn pictures(&self, bench: &Bench, seeds: &[Seen], folder: &Path) -> Result<String> {
        let Some(seen) = seeds.first() else { return Ok(String::new()) };
        let shop = Shop::open(bench, seen.seed)?;
        let expert =
            |party: &str| Ok(format!("{party}={}", arg(&federated::pulled(&shop.dir, party))?));
        let experts = PARTIES.map(expert).into_iter().collect::<Result<Vec<_>>>()?;
        let (base, film) = (shop.dir.join("models/base/model"), folder.join("film.svg"));
        let mut args = vec!["film", "--base", arg(&base)?, "--out", arg(&film)?];
        args.extend(experts.iter().flat_map(|expert| ["--expert", expert]));
        shop.succeed("film", &args)?;
        Ok(format!(
            "\n## To see\n\nFive soups of seed {}'s two experts, each in its lane with the camera beside it; the bar is the effort of \
             the moment. A browser plays it.\n\n![λ walks from risky to cautious](film.svg)\n",
            seen.seed
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

impl Shop {
    /// Builds the program, and makes the folder of a seed.
    fn open(bench: &Bench, seed: u64) -> Result<Self> {
        let dir = bench.dir.join(format!("seed-{seed}"));
        let programs = Programs::new(bench.programs.clone(), dir.join("logs"))?;
        let program = mujoco::build_program(bench.toolchain, Toolchain::study_packages())?;
        Ok(Self { programs, program, dir, seed, quick: bench.quick })
    }

    /// A base from nothing; with `like`, with that base's statistics of observations.
    fn base(&self, name: &str, seed: u64, like: Option<&Made>) -> Result<Made> {
        let steps = STEPS[usize::from(self.quick)][0];
        let inputs = json!({"seed": seed, "steps": steps, "like": like.map(|it| &it.blake3)});
        self.made(name, &inputs, "model", |out| {
            let (steps, seed) = (steps.to_string(), seed.to_string());
            let mut args = vec!["base", "--out", arg(out)?, "--steps", &steps, "--seed", &seed];
            if let Some(like) = like {
                args.extend(["--statistics-of", arg(&like.model)?]);
            }
            self.succeed(name, &args)
        })
    }

    /// A fine-tuning of a base.
    fn tune(&self, job: &Job, base: &Made) -> Result<Made> {
        let steps = STEPS[usize::from(self.quick)][1] * job.times;
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
