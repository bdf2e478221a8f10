//! `cargo xtask bench soup`: mixing 2, 4 and 8 checkpoints of 0.99 GB, against mergekit, torch and a copy loop.
//!
//! The checkpoints are made up but Llama-shaped. λ is of 64ths, for which the product's bytes and mergekit's are
//! equal but for rare double roundings: each is a check of the other. Steps stand in [`run`]; who takes part, in
//! [`contenders`]; what is made of the seconds, in [`ratios`] and [`page`].

mod place;
mod contenders;
mod ratios;
mod page;

use std::fs;

use anyhow::{Context, Result};

use self::contenders::{adapters, inspection, many, rivals, rounds};
use self::place::Place;
use super::Args;
use super::machine::Machine;
use super::measure::in_turn;
use super::peers::Peers;
use super::report::object;
use crate::toolchain::{Toolchain, root};

/// How many checkpoints are mixed; the quick run has the ends, where the worst ratios are.
const SIZES: [usize; 3] = [2, 4, 8];
const QUICK_SIZES: [usize; 2] = [2, 8];

/// Measures everything, writes `docs/results/soup.md`, and prints it.
///
/// # Errors
/// When something cannot be built, installed or run, or mergekit disagrees.
pub(super) fn run(args: &Args) -> Result<()> {
    let toolchain = Toolchain::set_up()?;
    let place = Place::set_up(&toolchain, args.dir.clone())?;
    let peers = Peers::install()?;
    let sizes = if args.quick { &QUICK_SIZES[..] } else { &SIZES };
    let runs = args.runs.unwrap_or(5);
    let machine = Machine::here();

    let mut rows = Vec::new();
    let mut agreements = Vec::new();
    for &size in sizes {
        let mut contenders = rounds(&place, size);
        contenders.extend(rivals(&place, &peers, size, args.quick)?);
        rows.extend(in_turn(&mut contenders, runs)?);
        agreements.push(compare(&place, &peers, size)?);
        place.clear()?;
    }
    for mut contenders in [many(&place), adapters(&place), inspection(&place)] {
        rows.extend(in_turn(&mut contenders, runs)?);
    }
    place.clear()?;

    let ratios = ratios::of(&rows, sizes);
    let page = page::write(&page::Results {
        machine: &machine,
        versions: peers.versions(&["mergekit", "torch", "safetensors"])?,
        rows: &rows,
        ratios: &ratios,
        agreements: &agreements,
        sizes,
        quick: args.quick,
    });
    let path = root().join("docs/results/soup.md");
    fs::write(&path, &page).with_context(|| format!("cannot write {}", path.display()))?;
    if args.json {
        println!("{}", object("soup", &machine, &rows, &ratios));
    } else {
        println!("{page}\nThis page is {}.", path.display());
    }
    Ok(())
}

/// How many elements of a soup mergekit rounds differently.
struct Agreement {
    work: String,
    elements: u64,
    differing: u64,
}

/// Of a million elements, how many may differ: mergekit sums in binary32 and rounds that to BF16, and the first
/// rounding may move a sum onto the middle between two BF16. Anything but double rounding differs far more often.
const TOLERANCE_PPM: u64 = 100;

/// Holds the last soup of ours against mergekit's.
fn compare(place: &Place, peers: &Peers, size: usize) -> Result<Agreement> {
    let files =
        [place.output("ours.safetensors"), place.output("mergekit").join("model.safetensors")];
    let said = peers.ask("soup_compare.py", &[&files[0], &files[1]])?;
    let number = |name: &str| said[name].as_u64().with_context(|| format!("no {name} in {said}"));
    let (elements, differing) = (number("elements")?, number("differing")?);
    anyhow::ensure!(
        differing * 1_000_000 <= elements * TOLERANCE_PPM,
        "{differing} of {elements} elements differ from mergekit's"
    );
    Ok(Agreement { work: work(size), elements, differing })
}

/// The name of a piece of work.
fn work(size: usize) -> String {
    format!("K={size}")
}
