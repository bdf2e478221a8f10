//! `cargo xtask bench ledger`: replay, appends, proofs and audits, each beside what bounds it.
//!
//! The bench program of `potluck-aggregator` measures what happens within one process; whole audits of the mirrors
//! that it leaves are measured here, as processes.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Args;
use super::machine::Machine;
use super::measure::{Contender, Output, in_turn};
use super::report::{Ratio, Row, Target, object, rows_table};
use crate::toolchain::{Toolchain, output_of, root, target_dir};

/// Each figure: its name, what it says, and where it should be.
const FIGURES: [(&str, &str, Target); 5] = [
    (
        "replay_share_of_strict_verify",
        "the time of the signatures' strict verification alone, over that of a replay, on one core",
        Target::AtLeast(0.8),
    ),
    (
        "append_over_fsync",
        "one append, from an authentic statement to its receipt, over the bare writes and the fsync that it needs",
        Target::AtMost(1.5),
    ),
    (
        "fsyncs_per_1000_appends",
        "commits, each with one fsync, of a thousand appends at once",
        Target::AtMost(50.0),
    ),
    (
        "proof_ms_10m",
        "milliseconds of an inclusion proof from tiles on disk, among ten million entries",
        Target::AtMost(1.0),
    ),
    ("proof_bytes", "the most bytes that one such proof read", Target::AtMost(1_000_000.0)),
];

/// Measures everything, writes `docs/results/ledger.md`, and prints it.
///
/// # Errors
/// When something cannot be built or run.
pub(super) fn run(args: &Args) -> Result<()> {
    let toolchain = Toolchain::set_up()?;
    let programs = toolchain.build_programs()?;
    let bench = toolchain.build_bench("potluck-aggregator", "ledger")?;
    let dir = args.dir.clone().unwrap_or_else(|| target_dir().join("bench/ledger"));
    let machine = Machine::here();
    let runs = args.runs.unwrap_or(5);

    let mut command = Command::new(bench);
    command.arg("--dir").arg(&dir).arg("--runs").arg(runs.to_string());
    if args.quick {
        command.args(["--entries", "20000"]);
    }
    let said = output_of(&mut command)?;
    let said: Value = serde_json::from_str(said.lines().last().unwrap_or_default())
        .context("the bench's last line is no JSON")?;

    let mut rows = rows_of(&said)?;
    rows.extend(audits(&programs, &said, runs)?);
    let ratios = ratios_of(&said, &rows);
    let page = page(&machine, &rows, &ratios, args.quick);
    let path = root().join("docs/results/ledger.md");
    fs::write(&path, &page).with_context(|| format!("cannot write {}", path.display()))?;
    if args.json {
        println!("{}", object("ledger", &machine, &rows, &ratios));
    } else {
        println!("{page}\nThis page is {}.", path.display());
    }
    Ok(())
}

fn rows_of(said: &Value) -> Result<Vec<Row>> {
    let rows = said["rows"].as_array().context("the bench told no rows")?;
    let row = |row: &Value| {
        let number =
            |name: &str| row[name].as_f64().with_context(|| format!("a row without {name}"));
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        Ok(Row {
            work: text("work"),
            contender: text("contender"),
            seconds: number("seconds")?,
            lowest: number("lowest")?,
            highest: number("highest")?,
            cpu_seconds: 0.0,
            peak_rss_bytes: 0,
            n: row["n"].as_u64().unwrap_or(0) as usize,
        })
    };
    rows.iter().map(row).collect()
}

/// An audit of each mirror, as a process of its own.
fn audits(programs: &Path, said: &Value, runs: usize) -> Result<Vec<Row>> {
    let mirrors = said["mirrors"].as_array().context("the bench told no mirrors")?;
    let contender = |mirror: &Value| {
        let mut command = Command::new(programs.join("potluck"));
        command
            .arg("audit")
            .arg(mirror["dir"].as_str().unwrap_or_default())
            .arg("--log-key")
            .arg(mirror["log_key"].as_str().unwrap_or_default())
            .args(["--offline", "--recompute", "none", "--json"]);
        Contender {
            work: "audit".to_owned(),
            name: format!("of {} entries", mirror["entries"]),
            command,
            inputs: Vec::new(),
            output: Output::None,
            inner: None,
        }
    };
    let mut contenders: Vec<Contender> = mirrors.iter().map(contender).collect();
    in_turn(&mut contenders, runs)
}

fn ratios_of(said: &Value, rows: &[Row]) -> Vec<Ratio> {
    let figure = |(name, meaning, target): (&'static str, &'static str, Target)| {
        let value = said["ratios"][name].as_f64();
        let values = value.map(|value| ("all".to_owned(), value)).into_iter().collect();
        Ratio { name, meaning, target, values }
    };
    let mut ratios: Vec<Ratio> = FIGURES.into_iter().map(figure).collect();
    let audits: Vec<&Row> = rows.iter().filter(|row| row.work == "audit").collect();
    let mebibytes = |row: &Row| row.peak_rss_bytes as f64 / f64::from(1 << 20);
    if let [few, many] = audits[..] {
        let ratio = |name, meaning, target, value| Ratio {
            name,
            meaning,
            target,
            values: vec![("all".to_owned(), value)],
        };
        let meaning = "MiB that an audit of the longer ledger held at most";
        ratios.push(ratio("audit_rss_mib", meaning, Target::None, mebibytes(many)));
        let meaning = "the same over an audit of a ledger of a tenth";
        let growth = mebibytes(many) / mebibytes(few);
        ratios.push(ratio("audit_rss_growth", meaning, Target::AtMost(1.5), growth));
    }
    ratios
}

fn page(machine: &Machine, rows: &[Row], ratios: &[Ratio], quick: bool) -> String {
    let Machine { cpu, cores, memory_gib, kernel, load } = machine;
    let quick = if quick { " --quick" } else { "" };
    let mut page = format!(
        "# The ledger: how fast\n\n\
         Written by `cargo xtask bench ledger{quick}`. Three of eight entries of the ledger are submissions (bundles of\n\
         some 2.5 kB), the others suspensions and their ends, the shortest entries that there are.\n\n\
         Machine: {cpu}; {cores} cores, {memory_gib} GiB, Linux {kernel}; load before the first run {load:.1}.\n\n\
         ## Figures\n\n"
    );
    for ratio in ratios {
        let Some(worst) = ratio.worst() else { continue };
        let verdict = match ratio.holds() {
            Some(true) => format!("; target {}: holds", ratio.target),
            Some(false) => format!("; target {}: **does not hold**", ratio.target),
            None => String::new(),
        };
        page += &format!("- `{}`: {worst:.2}, {}{verdict}\n", ratio.name, ratio.meaning);
    }
    page += "\n## Runs\n";
    let mut works: Vec<&str> = Vec::new();
    for row in rows {
        if !works.contains(&row.work.as_str()) {
            works.push(&row.work);
        }
    }
    for work in works {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.work == work).collect();
        page += &format!("\n### {work}\n\n{}", rows_table(&rows));
    }
    page
}
