//! Client and server in a simulated world: the real session machines and the real room of verified files, under one
//! seeded scheduler with virtual time, over a network and disks that fail.
//!
//! ```text
//! POTLUCK_SEEDS=n   how many seeds are tried (10 000)
//! POTLUCK_SEED=n    one seed alone, with its trace
//! ```
//!
//! What is real: `potluck_wire`'s frames, messages and sessions, and `potluck_net::blob` (partial files, hashed
//! reading, sending, importing), on both sides. What stands in for the rest: connections as QUIC gives them to the
//! sessions, and a ledger that is a file of digests. A program stops before each change on a disk and at each wait
//! for the network; there it can be killed, or the power of its machine be cut.

#![allow(missing_docs, reason = "a test binary has no public items")]
#![allow(clippy::unwrap_used, reason = "a run that cannot go on fails")]

mod content;
mod world;

mod program;

mod memory;

mod disk;
mod link;

mod party;
mod server;
mod transfer;

mod invariants;
mod faults;
mod run;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use faults::Faults;
use link::{LinkId, Way};
use party::Plan;
use run::Outcome;
use world::{SERVER, Tally};

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A run that turns a panic of the code under test into a broken invariant.
fn guarded(run: impl FnOnce() -> Outcome) -> Result<Outcome, String> {
    let outcome = catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        format!("a panic: {}", text.unwrap_or_default())
    })?;
    match outcome.broken {
        Some(broken) => Err(broken),
        None => Ok(outcome),
    }
}

fn run_seed(seed: u64, traced: bool) -> Result<Outcome, String> {
    let (plans, faults) = run::any(seed);
    guarded(|| run::run(seed, plans, faults, traced)).map_err(|broken| {
        let replay =
            format!("POTLUCK_SEED={seed} cargo test --release -p potluck-tests --test sim");
        format!("seed {seed}: {broken}\nreplay it: {replay} any_seed -- --nocapture")
    })
}

fn add(sum: &mut Tally, of: &Tally) {
    sum.kills += of.kills;
    sum.power_cuts += of.power_cuts;
    sum.cuts += of.cuts;
    sum.partitions += of.partitions;
    sum.full_disks += of.full_disks;
    sum.jumps += of.jumps;
    sum.replays += of.replays;
    sum.flips += of.flips;
    sum.corrupt += of.corrupt;
    sum.resumed += of.resumed;
    sum.compared += of.compared;
    sum.copied += of.copied;
    sum.damaged += of.damaged;
    sum.pieces += of.pieces;
    sum.uploads += of.uploads;
    sum.downloads += of.downloads;
    sum.steps += of.steps;
    sum.peak_memory = sum.peak_memory.max(of.peak_memory);
}

/// Tries seeds on all cores, until one fails.
fn try_seeds(seeds: u64) -> Tally {
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let (sum, failure) = (Mutex::new(Tally::default()), Mutex::new(None));
    let work = || {
        let mut of_thread = Tally::default();
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                break;
            }
            match run_seed(seed, false) {
                Ok(outcome) => add(&mut of_thread, &outcome.tally),
                Err(text) => {
                    failed.store(true, Ordering::Relaxed);
                    failure.lock().unwrap().get_or_insert(text);
                }
            }
        }
        add(&mut sum.lock().unwrap(), &of_thread);
    };
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    if let Some(failure) = failure.into_inner().unwrap() {
        panic!("{failure}");
    }
    sum.into_inner().unwrap()
}

#[test]
fn invariants_hold_under_any_seed() {
    if let Some(seed) = number("POTLUCK_SEED") {
        let outcome = run_seed(seed, true).unwrap_or_else(|failure| panic!("{failure}"));
        return println!("{outcome:#?}");
    }
    let seeds = number("POTLUCK_SEEDS").unwrap_or(10_000);
    let sum = try_seeds(seeds);
    println!("{seeds} seeds: {sum:#?}");
    if seeds >= 1000 {
        let happened = [
            sum.kills,
            sum.power_cuts,
            sum.cuts,
            sum.partitions,
            sum.full_disks,
            sum.jumps,
            sum.replays,
            sum.flips,
            sum.corrupt,
            sum.resumed,
            sum.compared,
            sum.copied,
            sum.pieces,
        ];
        assert!(
            happened.iter().all(|count| *count > seeds / 100),
            "too little went wrong: {sum:?}"
        );
    }
}

#[test]
fn one_seed_gives_one_trace() {
    let trace = |seed| run_seed(seed, false).unwrap().trace;
    let traces: Vec<u64> = (0..50).map(trace).collect();
    let again: Vec<u64> = (0..50).map(trace).collect();
    assert_eq!(traces, again);
    let mut distinct = traces.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), traces.len());
}

fn plan(file: usize, over: usize) -> Vec<Plan> {
    vec![Plan { machine: 1, pushes: vec![file], pulls: file, over }]
}

/// Kills either side, and cuts its power, at each step that there is.
fn die_at_every_step(file: usize, over: usize) -> Tally {
    let plan = || plan(file, over);
    let untroubled = run::run(1, plan(), Faults::Random(0), false);
    assert_eq!(untroubled.broken, None);
    for step in 1..untroubled.tally.steps {
        for machine in [SERVER, 1] {
            for power in [false, true] {
                let faults = Faults::Kill { machine, power, step };
                if let Err(broken) = guarded(|| run::run(1, plan(), faults, false)) {
                    panic!("{faults:?}: {broken}");
                }
            }
        }
    }
    untroubled.tally
}

#[test]
fn either_side_may_die_at_every_step() {
    die_at_every_step(content::LONG, 0);
}

#[test]
fn either_side_may_die_at_every_step_of_an_upload_in_pieces() {
    let untroubled = die_at_every_step(content::LONG, 2);
    assert!(untroubled.pieces > 1, "{untroubled:?}");
}

#[test]
fn either_side_may_die_at_every_step_of_a_new_version() {
    let untroubled = die_at_every_step(content::NEXT, 0);
    assert_eq!(
        (untroubled.compared, untroubled.copied),
        (1, 2),
        "of three groups, two stand in the base"
    );
}

/// Breaks a connection, counted from the first, after so many bytes. Says whether it lived so long.
fn cut(plan: &[Plan], link: LinkId, bytes: u64) -> bool {
    let cuts = [Way::Up, Way::Down].map(|way| {
        let faults = Faults::Cut(link, way, bytes);
        let outcome = guarded(|| run::run(bytes, plan.to_vec(), faults, false));
        outcome.unwrap_or_else(|broken| panic!("{faults:?}: {broken}")).tally.cuts
    });
    cuts.iter().sum::<u64>() > 0
}

#[test]
fn a_connection_may_break_at_every_byte() {
    // Request, offer, content, receipt: more than any of the two streams holds.
    let ends = (1..7000).fold(true, |_, bytes| cut(&plan(content::SMALL, 0), 0, bytes));
    assert!(!ends, "the last leaves it whole");
    // Request, hashes, and the beginning of the content.
    (1..1500).for_each(|bytes| _ = cut(&plan(content::NEXT, 0), 0, bytes));
}

#[test]
fn a_connection_of_an_upload_in_pieces_may_break_at_every_byte() {
    let plan = plan(content::SMALL, 2);
    // The envelope and the answer; then two that would bring the one piece, of which each may be the first.
    for (link, all) in [(0, 1500), (1, 6000), (2, 6000)] {
        let ends = (1..all).fold(true, |_, bytes| cut(&plan, link, bytes));
        assert!(!ends, "the last leaves connection {link} whole");
    }
}
