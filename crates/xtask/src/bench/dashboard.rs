//! `cargo xtask bench dashboard`: the pages of a federation as large as they may meet, in Debian's Chromium.
//!
//! A bench program makes the federation, the browser's tests open its pages and tell how long they waited.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Args;
use super::machine::Machine;
use super::report::{Ratio, Target, object};
use crate::test::browser;
use crate::toolchain::{Toolchain, output_of, root, target_dir};

/// An input is felt as answered at once within so many milliseconds.
const AT_ONCE: f64 = 100.0;

/// Measures, writes `docs/results/dashboard.md`, and prints it.
///
/// # Errors
/// When something cannot be built or run, or there is no Chromium.
pub(super) fn run(args: &Args) -> Result<()> {
    let toolchain = Toolchain::set_up()?;
    let programs = toolchain.build_programs()?;
    let bench = toolchain.build_bench("potluck-aggregator", "crowd")?;
    let dir = args.dir.clone().unwrap_or_else(|| target_dir().join("bench/dashboard"));
    let machine = Machine::here();
    let mut make = Command::new(bench);
    make.arg("--dir").arg(&dir);
    if args.quick {
        make.args(["--entries", "5000"]);
    }
    let made = output_of(&mut make)?;
    let made: Value = serde_json::from_str(made.lines().last().unwrap_or_default())
        .context("the bench's last line is no JSON")?;

    let mut test = browser(&toolchain, &programs);
    test.args(["crowd::", "--", "--nocapture", "--test-threads=1"]).env("POTLUCK_CROWD", &dir);
    let said = output_of(&mut test)?;
    let told = said.lines().filter_map(|line| line.split_once("DASHBOARD "));
    let told: Vec<Value> = told.filter_map(|(_, json)| serde_json::from_str(json).ok()).collect();
    ensure!(!told.is_empty(), "there is no Chromium with its driver, so nothing was measured");

    let longest = told.iter().filter_map(|it| it["waits"]["longest"].as_f64()).fold(0.0, f64::max);
    let ratios = [Ratio {
        name: "interaction_ms",
        meaning: "milliseconds from an input to the next frame that shows it, the longest of all",
        target: Target::AtMost(AT_ONCE),
        values: vec![("all".to_owned(), longest)],
    }];
    let page = page(&machine, &made, &told, &ratios[0], args.quick);
    let path = root().join("docs/results/dashboard.md");
    fs::write(&path, &page).with_context(|| format!("cannot write {}", path.display()))?;
    if args.json {
        println!("{}", object("dashboard", &machine, &[], &ratios));
    } else {
        println!("{page}\nThis page is {}.", path.display());
    }
    Ok(())
}

fn page(machine: &Machine, made: &Value, told: &[Value], ratio: &Ratio, quick: bool) -> String {
    let Machine { cpu, cores, memory_gib, kernel, load } = machine;
    let quick = if quick { " --quick" } else { "" };
    let verdict = match ratio.holds() {
        Some(false) => "**does not hold**",
        _ => "holds",
    };
    let mut page = format!(
        "# The dashboard: how fast\n\n\
         Written by `cargo xtask bench dashboard{quick}`. A federation of eight parties with a ledger of {} entries and {} scored\n\
         mixtures in eight rounds, served by `potluck-aggregator` and read in Debian's Chromium, headless, without a GPU. A round of\n\
         eight parties has 70 of them here, so its front is filled up to 500 by {} runs of another method; and the front's own\n\
         modules draw 500 evaluated points on a page of the tests.\n\n\
         Machine: {cpu}; {cores} cores, {memory_gib} GiB, Linux {kernel}; load before the first run {load:.1}.\n\n\
         - `{}`: {:.0}, {}; target {}: {verdict}\n\n\
         An input's wait is from its own time until after the frame that shows what it changed. Event timing is the browser's own\n\
         figure for keys and clicks, in steps of 8 ms; 0 where none took 16 ms.\n\n\
         | what | inputs | median, ms | longest, ms | event timing, ms |\n|---|--:|--:|--:|--:|\n",
        made["entries"],
        made["points"],
        made["runs"],
        ratio.name,
        ratio.worst().unwrap_or(0.0),
        ratio.meaning,
        ratio.target,
    );
    let number = |it: &Value| it.as_f64().map_or("–".to_owned(), |it| format!("{it:.0}"));
    for it in told.iter().filter(|it| it["waits"]["inputs"].is_u64()) {
        let waits = &it["waits"];
        page += &format!(
            "| {} | {} | {} | {} | {} |\n",
            it["what"].as_str().unwrap_or_default(),
            number(&waits["inputs"]),
            number(&waits["median"]),
            number(&waits["longest"]),
            number(&waits["event_timing"]),
        );
    }
    page += "\n| what | milliseconds |\n|---|--:|\n";
    for it in told {
        let waits = &it["waits"];
        let Some(took) = waits["loaded"].as_f64().or(waits["milliseconds"].as_f64()) else {
            continue;
        };
        page += &format!("| {} | {took:.0} |\n", it["what"].as_str().unwrap_or_default());
    }
    page
}
