//! `cargo xtask experiment`: the paper's claims on made-up tasks, with baselines, controls and statistics.
//!
//! A study ([`study::Study`]) trains and scores; everything that judges, draws and writes is here and works from
//! [`study::Seen`] alone. Pieces are kept in the target folder, so that a run that was killed goes on.

mod study;
mod pieces;
mod federated;

mod text;
mod locomotion;
mod studies;

mod statistics;
mod hypervolume;
mod shapes;
mod fairness;
mod hacking;

mod plot;
mod page;
mod gathered;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use self::study::{Bench, Seen, Study};
use crate::toolchain::{Toolchain, root, target_dir};

/// Which studies, and how large.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The study, or all of them
    #[arg(value_parser = studies::NAMES)]
    pub(crate) name: String,
    /// How many seeds, from the first on
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub(crate) seeds: u64,
    /// The first seed; those that a study was tuned on lie from 101 on
    #[arg(long, default_value_t = 1)]
    pub(crate) first_seed: u64,
    /// Everything smaller: minutes, to see that all of it works; its figures mean nothing and go to the target folder
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print the results as one JSON object, in the last line on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Only say what would be trained and scored, and about how long it takes
    #[arg(long)]
    pub(crate) plan: bool,
    /// Write the pages into this folder instead of docs/results
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
}

impl Args {
    /// One seed of a small study, from labellers' pairs to the page: whether all of it works.
    pub(crate) fn quick(name: &str) -> Self {
        let name = name.to_owned();
        Self { name, seeds: 1, first_seed: 1, quick: true, json: false, plan: false, out: None }
    }
}

/// Runs studies and writes their pages. A shape that does not hold is written down and is no failure.
///
/// # Errors
/// When a program fails, or a page cannot be written.
pub(crate) fn run(args: &Args) -> Result<()> {
    let chosen: Vec<Box<dyn Study>> = studies::all()
        .into_iter()
        .filter(|study| args.name == "all" || study.name() == args.name)
        .collect();
    tell_budget(&chosen, args);
    if args.plan {
        return Ok(());
    }
    let toolchain = Toolchain::set_up()?;
    let programs = toolchain.build_studies()?;
    let out = match (&args.out, args.quick) {
        (Some(out), _) => out.clone(),
        (None, true) => target_dir().join("experiments/quick-results"),
        (None, false) => root().join("docs/results"),
    };
    let mut results = Vec::new();
    for study in &chosen {
        let scale = if args.quick { "quick" } else { "full" };
        let dir = target_dir().join("experiments").join(format!("{}-{scale}", study.name()));
        let bench =
            Bench { toolchain: &toolchain, programs: programs.clone(), dir, quick: args.quick };
        let seeds = args.first_seed..args.first_seed + args.seeds;
        let result = one(study.as_ref(), &bench, seeds, &out)?;
        results.push(result);
    }
    gathered::write(&out)?;
    println!("\npages in {}", out.display());
    if args.json {
        println!("{}", json!(results));
    }
    Ok(())
}

fn tell_budget(chosen: &[Box<dyn Study>], args: &Args) {
    let mut total = 0.0;
    for study in chosen {
        println!("{}", study.name());
        for (piece, seconds) in study.budget(args.quick) {
            total += seconds * args.seeds as f64;
            println!("  {piece:<40} {seconds:>5.0} s of one processor, a seed");
        }
    }
    let seeds = args.seeds;
    println!(
        "{seeds} seeds: about {:.0} minutes of one processor; two work at a time\n",
        total / 60.0
    );
}

/// One study: its seeds, its judgement, its page.
fn one(study: &dyn Study, bench: &Bench, seeds: std::ops::Range<u64>, out: &Path) -> Result<Value> {
    let mut all: Vec<Seen> = Vec::new();
    for seed in seeds {
        println!("{}, seed {seed}", study.name());
        let begun = Instant::now();
        let seen = study.run(bench, seed).with_context(|| {
            format!("{}, seed {seed}: run it again to go on from here", study.name())
        })?;
        println!("  {} candidates, {:.0} s", seen.candidates.len(), begun.elapsed().as_secs_f64());
        all.push(seen);
    }
    let result = page::result(study, &all, bench.quick);
    let folder = out.join(study.name());
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("result.json"), format!("{result:#}\n"))?;
    plot::draw(&folder, study, &all)?;
    let pictures = study.pictures(bench, &all, &folder)?;
    let hacking = hacking::told(&folder, &all, &result)?;
    fs::write(folder.join("README.md"), page::text(&result) + &hacking + &pictures)?;
    for (key, shape) in result["shapes"].as_object().into_iter().flatten() {
        println!("  {key:<10} {}", page::verdict(shape));
    }
    Ok(result)
}
