//! `cargo xtask bench train`: sampling, supervised steps and reinforcement, beside `transformers` and TRL.
//!
//! Models have random weights; both sides get the same folders, batches and settings, in turn. Our side is
//! `crates/potluck-train/benches/train.rs`, theirs `tests/bench/train/peer.py`, which says what is done.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Args;
use super::machine::Machine;
use super::peers::environment;
use super::report::{Ratio, Row, Target, median, object, ratios_table, rows_table};
use crate::toolchain::{Toolchain, output_of, root, run as run_command, target_dir};

/// What is measured: the work, the model, whether in BF16, and repeats a process.
const WORKS: [(&str, &str, bool, usize); 13] = [
    ("generate", "tiny", false, 5),
    ("generate", "small", false, 5),
    ("generate1", "tiny", false, 5),
    ("generate1", "small", false, 5),
    ("sft", "tiny", false, 5),
    ("sft", "small", false, 5),
    ("sft", "small", true, 5),
    ("rloo", "tiny", true, 5),
    ("rloo", "small", true, 5),
    ("rloo", "med", true, 3),
    ("grpo", "tiny", true, 5),
    ("grpo", "small", true, 5),
    ("rloo", "small", false, 3),
];

/// Steps, learning rate and seeds of the runs whose rewards are compared.
const LEARNING: (usize, &str, [u64; 3]) = (100, "1e-3", [1, 2, 3]);
const LAST: usize = 10;

const OURS: &str = "potluck-train";
const THEIRS: &str = "transformers and TRL";

/// Measures everything, writes `docs/results/training.md`, and prints it.
///
/// # Errors
/// When something cannot be built, installed or run.
pub(super) fn run(args: &Args) -> Result<()> {
    let toolchain = Toolchain::set_up()?;
    let sides = Sides::set_up(&toolchain, args.dir.clone())?;
    let machine = Machine::here();
    let rounds = args.runs.unwrap_or(if args.quick { 1 } else { 2 });

    let mut rows = Vec::new();
    let mut first_steps = Vec::new();
    for (work, model, is_bf16, repeats) in WORKS {
        if args.quick && (model == "med" || (model == "small" && work == "rloo" && !is_bf16)) {
            continue;
        }
        let name = name_of(work, model, is_bf16);
        eprintln!("{name}");
        let (mut ours, mut theirs) = (Side::default(), Side::default());
        for _ in 0..rounds {
            let job = Job { work, model, repeats, is_bf16, seed: 1, rate: "1e-6" };
            ours.add(&sides.ours(job)?)?;
            theirs.add(&sides.theirs(job)?)?;
        }
        for (side, first) in [(OURS, &ours.first), (THEIRS, &theirs.first)] {
            if !first.is_empty() {
                first_steps.push((name.clone(), side, median(first)));
            }
        }
        rows.push(ours.row(&name, OURS));
        rows.push(theirs.row(&name, THEIRS));
    }
    let rewards = if args.quick { Vec::new() } else { sides.rewards()? };

    let ratios = ratios(&rows, &first_steps, &rewards);
    let page = page(&machine, &sides.versions, &rows, &ratios, &first_steps, &rewards, args.quick);
    let path = root().join("docs/results/training.md");
    fs::write(&path, &page).with_context(|| format!("cannot write {}", path.display()))?;
    if args.json {
        println!("{}", object("train", &machine, &rows, &ratios));
    } else {
        println!("{page}\nThis page is {}.", path.display());
    }
    Ok(())
}

fn name_of(work: &str, model: &str, is_bf16: bool) -> String {
    format!("{work} {model} {}", if is_bf16 { "BF16" } else { "F32" })
}

/// What one process of either side does.
#[derive(Clone, Copy)]
struct Job<'a> {
    work: &'a str,
    model: &'a str,
    repeats: usize,
    is_bf16: bool,
    seed: u64,
    rate: &'a str,
}

/// The two programs and the models.
struct Sides {
    ours: PathBuf,
    python: PathBuf,
    dir: PathBuf,
    versions: String,
}

impl Sides {
    fn set_up(toolchain: &Toolchain, dir: Option<PathBuf>) -> Result<Self> {
        let dir = dir.unwrap_or_else(|| target_dir().join("bench/train"));
        fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        let scripts = scripts();
        let list = scripts.join("requirements.txt");
        let (venv, pinned) = environment("train-venv", &list, "torch and TRL (6 GB, once)")?;
        let python = venv.join("bin/python");
        run_command(
            Command::new(&python)
                .arg(scripts.join("make.py"))
                .arg(&dir)
                .args(["tiny", "small", "med"]),
        )?;
        let named = ["torch", "transformers", "trl"]
            .iter()
            .filter_map(|name| pinned.lines().find(|line| line.starts_with(&format!("{name}=="))));
        let versions = named.map(|line| line.replace("==", " ")).collect::<Vec<_>>().join(", ");
        let ours = toolchain.build_bench("potluck-train", "train")?;
        Ok(Self { ours, python, dir, versions })
    }

    fn ours(&self, Job { work, model, repeats, is_bf16, seed, rate }: Job) -> Result<Value> {
        let mut command = Command::new(&self.ours);
        command.arg(work).arg(self.dir.join(model)).arg(repeats.to_string());
        command.arg(if is_bf16 { "bf16" } else { "f32" });
        if work == "rloo" || work == "grpo" {
            command.arg(seed.to_string()).arg(rate);
        }
        said(&mut command)
    }

    fn theirs(&self, Job { work, model, repeats, is_bf16, seed, rate }: Job) -> Result<Value> {
        let mut command = Command::new(&self.python);
        command.env("HF_HUB_OFFLINE", "1").env("TRANSFORMERS_VERBOSITY", "error");
        command.arg(scripts().join("peer.py")).arg(work).arg(self.dir.join(model));
        command.arg(repeats.to_string()).args(["--seed", &seed.to_string(), "--rate", rate]);
        command.arg("--scratch").arg(self.dir.join("scratch"));
        if is_bf16 {
            command.arg("--bf16");
        }
        said(&mut command)
    }

    /// For each seed the mean reward of the last steps, ours and theirs.
    fn rewards(&self) -> Result<Vec<(u64, f64, f64)>> {
        let (steps, rate, seeds) = LEARNING;
        let last = |said: &Value| {
            let rewards: Vec<f64> = said["rewards"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_f64)
                .collect();
            rewards[rewards.len().saturating_sub(LAST)..].iter().sum::<f64>() / LAST as f64
        };
        let of = |seed| {
            eprintln!("{steps} steps, seed {seed}");
            let repeats = steps - 1;
            let job = Job { work: "rloo", model: "tiny", repeats, is_bf16: true, seed, rate };
            let (ours, theirs) = (self.ours(job)?, self.theirs(job)?);
            Ok((seed, last(&ours), last(&theirs)))
        };
        seeds.into_iter().map(of).collect()
    }
}

fn scripts() -> PathBuf {
    root().join("tests/bench/train")
}

fn said(command: &mut Command) -> Result<Value> {
    let said = output_of(command)?;
    let last = said.lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("no JSON: {last:?}"))
}

/// What one side said in all rounds.
#[derive(Default)]
struct Side {
    seconds: Vec<f64>,
    cpu: Vec<f64>,
    first: Vec<f64>,
    peak: u64,
}

impl Side {
    fn add(&mut self, said: &Value) -> Result<()> {
        let numbers = |name: &str| -> Result<Vec<f64>> {
            let values = said[name].as_array().with_context(|| format!("no {name} in {said}"))?;
            Ok(values.iter().filter_map(Value::as_f64).collect())
        };
        self.seconds.extend(numbers("seconds")?);
        self.cpu.extend(numbers("cpu_seconds")?);
        self.first.extend(said["first_step"].as_f64());
        self.peak = self.peak.max(said["peak_rss_bytes"].as_u64().unwrap_or(0));
        Ok(())
    }

    fn row(&self, work: &str, contender: &str) -> Row {
        Row::new(work, contender, &self.seconds, &self.cpu, self.peak)
    }
}

/// A step of a run: the work, who took it, and after how many seconds of the process.
type FirstStep = (String, &'static str, f64);

fn ratios(rows: &[Row], first: &[FirstStep], rewards: &[(u64, f64, f64)]) -> Vec<Ratio> {
    let row = |work: &str, contender: &str| {
        rows.iter().find(|row| row.work == work && row.contender == contender)
    };
    let over = |name, meaning, target, works: &[&str], of: fn(&Row) -> f64| {
        let value = |work: &&str| {
            let (ours, theirs) = (row(work, OURS)?, row(work, THEIRS)?);
            Some(((*work).to_owned(), of(theirs) / of(ours)))
        };
        Ratio { name, meaning, target, values: works.iter().filter_map(value).collect() }
    };
    let seconds = |row: &Row| row.seconds;
    let step = "the time of TRL's step, sampling included, over that of ours";
    let ours_first =
        first.iter().filter(|(_, side, _)| *side == OURS).map(|(work, _, s)| (work.clone(), *s));
    // Of the sums: what one side draws with a seed is not what the other draws with it.
    let sum = |of: fn(&(u64, f64, f64)) -> f64| rewards.iter().map(of).sum::<f64>();
    let reward = (format!("{} seeds", rewards.len()), sum(|it| it.1) / sum(|it| it.2));
    vec![
        over("rloo_vs_trl_tiny", step, Target::AtLeast(2.2), &["rloo tiny BF16"], seconds),
        over("rloo_vs_trl_small", step, Target::AtLeast(2.0), &["rloo small BF16"], seconds),
        over("rloo_vs_trl_med", step, Target::AtLeast(1.8), &["rloo med BF16"], seconds),
        over("grpo_vs_trl_small", step, Target::AtLeast(1.8), &["grpo small BF16"], seconds),
        over(
            "generate_vs_transformers",
            "the time of `generate()` for 64 rows of 56 new tokens, over that of ours",
            Target::AtLeast(3.0),
            &["generate tiny F32", "generate small F32"],
            seconds,
        ),
        over(
            "generate_vs_transformers_alone",
            "the same for one row",
            Target::AtLeast(2.0),
            &["generate1 tiny F32", "generate1 small F32"],
            seconds,
        ),
        over(
            "sft_step_vs_transformers",
            "the time of a supervised step of torch (fused AdamW), over that of ours",
            Target::AtLeast(0.95),
            &["sft tiny F32", "sft small F32", "sft small BF16"],
            seconds,
        ),
        over(
            "memory_vs_trl",
            "the most resident memory of TRL's process, over that of ours",
            Target::AtLeast(2.0),
            &["rloo tiny BF16", "rloo small BF16", "rloo med BF16", "grpo small BF16"],
            |row| row.peak_rss_bytes as f64,
        ),
        Ratio {
            name: "reward_vs_trl",
            meaning: "our mean reward over the last ten of 100 steps and all seeds, over TRL's",
            target: Target::AtLeast(0.9),
            values: if rewards.is_empty() { Vec::new() } else { vec![reward] },
        },
        Ratio {
            name: "first_step_seconds",
            meaning: "from the start of our process to the end of its first step",
            target: Target::AtMost(1.5),
            values: ours_first.filter(|(work, _)| work == "rloo small BF16").collect(),
        },
    ]
}

fn page(
    machine: &Machine,
    versions: &str,
    rows: &[Row],
    ratios: &[Ratio],
    first: &[FirstStep],
    rewards: &[(u64, f64, f64)],
    quick: bool,
) -> String {
    let Machine { cpu, cores, memory_gib, kernel, load } = machine;
    let quick = if quick { " --quick" } else { "" };
    let mut page = format!(
        "# Training, measured\n\n\
         Written by `cargo xtask bench train{quick}`. Beside it: {versions}, from PyPI, with the same libtorch.\n\n\
         Machine: {cpu}; {cores} cores, {memory_gib} GiB, Linux {kernel}, load {load:.1} when it began. No GPU.\n\n\
         Models have random weights: tiny is 0.87 M of them (4 layers of 128, 1024 tokens), small 3.4 M (4 of 256, 2048), \
         med 25 M (8 of 512, 4096).\nA step of reinforcement takes 16 prompts of 8 tokens with 4 completions each, up to 56 tokens \
         long, one update, KL 0.05; TRL has\n`gradient_checkpointing=False`, which is its fastest here. Sampling is 64 rows, or one, of 56 \
         new tokens after 8. A supervised step is 32 rows of\n64 tokens, forward, backward, clipping, AdamW. Sides take turns.\n\n## Ratios\n\n\
         Above 1 we are ahead.\n\n"
    );
    for ratio in ratios.iter().filter(|ratio| !ratio.values.is_empty()) {
        let works: Vec<String> = ratio.values.iter().map(|(work, _)| work.clone()).collect();
        page += &ratios_table(&[ratio], &works);
        page += "\n";
    }
    page += "## Times\n\n";
    let mut works: Vec<&str> = rows.iter().map(|row| row.work.as_str()).collect();
    works.dedup();
    for work in works {
        let own: Vec<&Row> = rows.iter().filter(|row| row.work == work).collect();
        page += &format!("{work}\n\n{}\n", rows_table(&own));
    }
    page += "## From the start of the process to the end of the first step\n\n";
    for (work, side, seconds) in first {
        page += &format!("- {work}, {side}: {seconds:.2} s\n");
    }
    if !rewards.is_empty() {
        let (steps, rate, _) = LEARNING;
        page += &format!(
            "\n## What is learned\n\nRLOO on tiny, {steps} steps at a learning rate of {rate}; the reward is the share of even \
             tokens, 0.5 at the start. Means of\nthe last {LAST} steps.\n\n| seed | ours | TRL |\n|---|--:|--:|\n"
        );
        for (seed, ours, theirs) in rewards {
            page += &format!("| {seed} | {ours:.3} | {theirs:.3} |\n");
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_theirs_over_ours() {
        let row =
            |side, seconds: f64| Row::new("rloo tiny BF16", side, &[seconds], &[1.0], 1 << 20);
        let ratios = ratios(&[row(OURS, 0.3), row(THEIRS, 0.75)], &[], &[(1, 0.9, 0.6)]);
        let of = |name: &str| ratios.iter().find(|it| it.name == name).and_then(Ratio::worst);
        assert!((of("rloo_vs_trl_tiny").unwrap_or_default() - 2.5).abs() < 1e-9);
        assert!((of("reward_vs_trl").unwrap_or_default() - 1.5).abs() < 1e-9);
        assert_eq!(of("rloo_vs_trl_med"), None);
    }

    #[test]
    fn scripts_stand_where_they_are_looked_for() {
        for name in ["make.py", "peer.py", "requirements.txt"] {
            assert!(scripts().join(name).is_file(), "{name}");
        }
    }
}
