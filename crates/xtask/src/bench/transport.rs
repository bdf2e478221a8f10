//! `cargo xtask bench transport`: transfers beside quinn, BLAKE3 and TLS over TCP; a resume after a kill; and the
//! aggregator's memory while sixteen parties upload at once.
//!
//! The bench program of `potluck-net` measures transfers, both ends in one process; what takes the product's own programs
//! is measured here ([`resume`], [`crowd`]).

mod crowd;
mod flower;
mod iroh;
mod resume;

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use self::resume::Resumed;
use super::Args;
use super::machine::Machine;
use super::measure::remove;
use super::report::{Ratio, Row, Target, median, object, rows_table};
use crate::toolchain::{Toolchain, output_of, root, target_dir};

/// What stands for all transfers of the bench program.
const WORK: &str = "1 GiB over loopback";

/// Measures everything, writes `docs/results/transport.md`, and prints it.
///
/// # Errors
/// When something cannot be built or run.
pub(super) fn run(args: &Args) -> Result<()> {
    let toolchain = Toolchain::set_up()?;
    let programs = toolchain.build_programs()?;
    let bench = toolchain.build_bench("potluck-net", "transport")?;
    let dir = args.dir.clone().unwrap_or_else(|| target_dir().join("bench/transport"));
    fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    let machine = Machine::here();
    let runs = args.runs.unwrap_or(5);

    let mut command = Command::new(bench);
    command.arg("--dir").arg(&dir).arg("--runs").arg(runs.to_string());
    let said = output_of(&mut command)?;
    let said: Value = serde_json::from_str(said.lines().last().unwrap_or_default())
        .context("the bench's last line is no JSON")?;
    let mut rows = rows_of(&said)?;
    if !args.quick {
        rows.extend(rows_of(&iroh::measure(&dir.join("iroh"), runs)?)?);
    }

    let flower = match args.flower {
        true => Some(flower::measure(&dir.join("flower"), WORK, runs.min(3))?),
        false => None,
    };
    rows.extend(flower.iter().map(|measured| measured.row.clone()));

    let resumed = resume::measure(&programs, &dir.join("resume"), runs)?;
    remove(&dir.join("resume"))?;
    let each_mib = if args.quick { 128 } else { crowd::MIB };
    let peak = crowd::measure(&programs, &dir.join("crowd"), each_mib)?;
    remove(&dir.join("crowd"))?;

    let ratios = ratios_of(&rows, &resumed, peak);
    let path = root().join("docs/results/transport.md");
    let page = page(&machine, &rows, &ratios, each_mib, args.quick)
        + &flower::section(flower.as_ref(), &fs::read_to_string(&path).unwrap_or_default());
    fs::write(&path, &page).with_context(|| format!("cannot write {}", path.display()))?;
    if args.json {
        println!("{}", object("transport", &machine, &rows, &ratios));
    } else {
        println!("{page}\nThis page is {}.", path.display());
    }
    Ok(())
}

fn rows_of(said: &Value) -> Result<Vec<Row>> {
    let rows = said["rows"].as_array().context("the bench told no rows")?;
    let row = |row: &Value| {
        let numbers = |name: &str| -> Result<Vec<f64>> {
            let values = row[name].as_array().with_context(|| format!("a row without {name}"))?;
            Ok(values.iter().filter_map(Value::as_f64).collect())
        };
        let contender = row["contender"].as_str().unwrap_or_default();
        Ok(Row::new(WORK, contender, &numbers("seconds")?, &numbers("cpu_seconds")?, 0))
    };
    rows.iter().map(row).collect()
}

fn ratios_of(rows: &[Row], resumed: &[Resumed], peak: u64) -> Vec<Ratio> {
    let row = |name: &str| rows.iter().find(|row| row.contender == name);
    let over = |name: &'static str, meaning, target, above: Option<f64>, below: Option<f64>| {
        let value = above.zip(below).map(|(above, below)| above / below);
        let values = value.map(|value| ("all".to_owned(), value)).into_iter().collect();
        Ratio { name, meaning, target, values }
    };
    let seconds = |name: &str| row(name).map(|row| row.seconds);
    let cpu = |name: &str| row(name).map(|row| row.cpu_seconds);
    let theirs_over_ours = |name, meaning, target, of: &dyn Fn(&str) -> Option<f64>| {
        let ratio = |ours: &str| Some((ours.to_owned(), of("iroh-blobs")? / of(ours)?));
        let values = ["upload", "download"].into_iter().filter_map(ratio).collect();
        Ratio { name, meaning, target, values }
    };
    let of =
        |take: fn(&Resumed) -> f64| Some(median(&resumed.iter().map(take).collect::<Vec<_>>()));
    vec![
        over(
            "throughput_share_of_quinn",
            "the time of raw quinn at our settings, memory to memory, over that of an upload from hashed file to synced file",
            Target::AtLeast(0.7),
            seconds("quinn"),
            seconds("upload"),
        ),
        over(
            "cpu_over_quinn_plus_blake3",
            "the processor time of that upload, both ends, over that of raw quinn whose receiver hashes",
            Target::AtMost(1.3),
            cpu("upload"),
            cpu("quinn and BLAKE3"),
        ),
        over(
            "quinn_cpu_over_tcp",
            "the processor time of raw quinn over that of tokio-rustls over TCP",
            Target::AtMost(1.25),
            cpu("quinn"),
            cpu("TLS over TCP"),
        ),
        over(
            "resend_share",
            "what a resume sends again, of what stood in the aggregator's quarantine when it was killed",
            Target::AtMost(0.01),
            of(|it| it.resent_share),
            Some(1.0),
        ),
        over(
            "resume_seconds",
            "from the start of `potluck push` to the first byte that arrives, for a file of 1 GiB of which half is there",
            Target::AtMost(1.0),
            of(|it| it.seconds),
            Some(1.0),
        ),
        over(
            "peak_rss_mib_16x1gb",
            "MiB that the aggregator held at most while 16 parties uploaded at once and a soup of the 16 was blended",
            Target::AtMost(256.0),
            Some(peak as f64),
            Some(f64::from(1 << 20)),
        ),
        over(
            "vs_flower",
            "the time in which Flower takes 1 GiB from one client into memory, over that of our upload",
            Target::AtLeast(5.0),
            seconds(flower::CONTENDER),
            seconds("upload"),
        ),
        theirs_over_ours(
            "vs_iroh_blobs",
            "the time of a fetch by iroh-blobs, from store to store and not synced, over that of our upload or download, \
             whichever is slower",
            Target::AtLeast(3.0),
            &seconds,
        ),
        theirs_over_ours(
            "cpu_vs_iroh_blobs",
            "the same of processor time",
            Target::AtLeast(3.0),
            &cpu,
        ),
    ]
}

fn page(machine: &Machine, rows: &[Row], ratios: &[Ratio], each_mib: u64, quick: bool) -> String {
    let Machine { cpu, cores, memory_gib, kernel, load } = machine;
    let quick = if quick { " --quick" } else { "" };
    let mut page = format!(
        "# Transfers: how fast\n\n\
         Written by `cargo xtask bench transport{quick}`. 1 GiB goes over loopback, where packets of 6500 bytes pass; both ends \
         of a contender stand in\none process, whose processor time counts. All contenders run in turn, over and over. An \
         upload is sent, verified, written and synced; what `push` hashes\nbefore it, for its manifest and for sending, is the \
         row `hashing` (SHA-256 and BLAKE3). A download is verified by both ends, written and synced.\nThe resume and the sixteen uploads ({each_mib} MiB each) are of the product's own programs.\n\n\
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
    let rows: Vec<&Row> = rows.iter().collect();
    page += &format!("\n## Runs\n\n### {WORK}\n\n{}", rows_table(&rows));
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_rows_that_they_name() {
        let row = |name: &str, seconds: f64, cpu: f64| Row::new(WORK, name, &[seconds], &[cpu], 0);
        let rows = [
            row("quinn", 0.8, 0.7),
            row("quinn and BLAKE3", 1.0, 1.0),
            row("TLS over TCP", 0.5, 0.5),
            row("upload", 1.6, 1.5),
        ];
        let resumed = [Resumed { resent_share: 0.0, seconds: 2.0 }];
        let ratios = ratios_of(&rows, &resumed, 64 << 20);
        let values: Vec<_> = ratios.iter().map(Ratio::worst).collect();
        assert_eq!(values[..6], [0.5, 1.5, 1.4, 0.0, 2.0, 64.0].map(Some));
        assert_eq!(values[6..], [None; 3], "Flower and iroh-blobs did not take part");
    }
}
