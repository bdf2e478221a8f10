//! `film`: λ walks from one expert to another, for people to see.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::json;

use super::{Given, Told};
use crate::evaluate::Mover;
use crate::film::{Take, record, svg};
use crate::folder;
use crate::soup::{Kitchen, Shares};

/// Film soups from the first expert to the second, one lane each, as an animated SVG
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    given: Given,
    /// The film; a browser plays it
    #[arg(long, value_name = "FILE.svg")]
    out: PathBuf,
    /// How many soups, from all of the first expert to all of the second
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=11))]
    lanes: u32,
    /// Seconds that are filmed, after two of run-up
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Of the episode's beginning
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What stands above the lanes
    #[arg(
        long,
        default_value = "One body, one walk of λ: each lane is a soup of the same two experts"
    )]
    title: String,
}

/// Seconds before the film begins.
const RUN_UP: f64 = 2.0;

pub(super) fn run(options: &Options) -> Result<Told> {
    let Given { base, experts } = &options.given;
    let make = folder::body_of(base)?.maker()?;
    let [(first, _), (second, _)] = experts.as_slice() else {
        anyhow::bail!(
            "{} experts are given; a film has two: --expert NAME=PATH twice",
            experts.len()
        );
    };
    ensure!(first != second, "--expert {first} is given twice; name each expert once");
    let kitchen = Kitchen::open(base, experts)?;
    let mut takes = Vec::new();
    for lane in 0..options.lanes {
        let ppm = u64::from(lane) * 1_000_000 / u64::from(options.lanes - 1);
        let text = format!("{first}={},{second}={}", share(1_000_000 - ppm), share(ppm));
        let soup = kitchen.soup(&Shares::parse(&text, false)?)?;
        let world = make();
        let steps =
            |seconds: f64| (seconds / crate::world::Drawn::seconds(&world)).round() as usize;
        let moments = (options.seed, steps(RUN_UP), steps(options.seconds.into()));
        takes.push(record(world, &Mover::Model(&soup), &format!("λ: {text}"), moments));
    }
    fs::write(&options.out, svg(&options.title, &takes))
        .with_context(|| format!("cannot write {}", options.out.display()))?;
    let row = |take: &Take| json!({"title": take.title, "scores": take.scores});
    let lanes: Vec<_> = takes.iter().map(row).collect();
    Ok(Told {
        lines: vec![format!("The film is {}; a browser plays it.", options.out.display())],
        json: json!({"verb": "film", "out": options.out, "lanes": lanes}),
    })
}

/// Parts per million as a decimal.
fn share(ppm: u64) -> String {
    let text = format!("{}.{:06}", ppm / 1_000_000, ppm % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
