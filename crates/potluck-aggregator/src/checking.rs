//! `potluck-aggregator check`: the command around [`potluck_aggregator::check`].
//!
//! Standard output has the report, standard error the progress. Exit code 5: something is damaged, and still is.

use std::fs;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use potluck_aggregator::check::{Damage, Elsewhere, Problem, Report, Role, check, repair};
use potluck_aggregator::config::CheckArguments;
use potluck_aggregator::{Aggregator, Settings};
use potluck_core::PrivateKey;

use crate::failure::Failure;

/// The exit code of a store that is damaged.
const DAMAGED: u8 = 5;

/// Opens the store, verifies it, repairs what it can, reports.
pub(crate) fn run(arguments: &CheckArguments) -> Result<ExitCode, Failure> {
    let settings = Settings::gather(&arguments.as_server())?;
    let ledger = settings.store.join("ledger.redb");
    if !ledger.is_file() {
        return Err(Failure::NoStore(settings.store));
    }
    let aggregator = Aggregator::open(&settings)?;
    let log = aggregator.log_keys().find(aggregator.standing().federation.log());
    let log = log.expect("an aggregator that is open holds its log's key in force");
    let begun = Instant::now();
    let mut report = check(&aggregator, settings.threads, &mut draw(begun))?;
    erase();
    let seconds = begun.elapsed().as_secs_f64();

    // The base stands in the federation's own folder.
    let base = Elsewhere::Folder(settings.dir.join("base"));
    let given = arguments.repair_from.iter().map(|text| Elsewhere::of(text));
    let own = arguments.key.as_deref().map(read_key).transpose()?;
    let identity = own.as_ref().unwrap_or(&log);
    let runtime = potluck_net::client_runtime()?;
    for from in given.chain([base]) {
        if report.is_sound() {
            break;
        }
        runtime.block_on(repair(&aggregator, &mut report, &from, (&log.public(), identity)))?;
    }
    print(&report, seconds, arguments.json)?;
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

fn read_key(path: &Path) -> Result<PrivateKey, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::Key {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let pem = fs::read_to_string(path).map_err(|error| wrong(&error))?;
    PrivateKey::from_pem(&pem).map_err(|error| wrong(&error))
}

/// Draws how far it is, where somebody watches.
fn draw(begun: Instant) -> impl FnMut(u64, u64) {
    let is_watched = std::io::stderr().is_terminal();
    move |done, total| {
        if is_watched && total > 0 {
            let percent = u128::from(done) * 100 / u128::from(total);
            let rate = mega(done) / begun.elapsed().as_secs_f64().max(0.001);
            // Nobody is left to be told where standard error is closed.
            let _ = write!(std::io::stderr(), "\r\x1b[Kchecking: {percent} % at {rate:.0} MB/s");
        }
    }
}

fn erase() {
    if std::io::stderr().is_terminal() {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
}

/// Megabytes, for people.
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn print(report: &Report, seconds: f64, json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        let mut object = serde_json::to_value(report).map_err(std::io::Error::other)?;
        object["sound"] = report.is_sound().into();
        object["seconds"] = seconds.into();
        return writeln!(out, "{object}");
    }
    for damage in &report.damage {
        writeln!(out, "{}", line(damage))?;
    }
    let rate = mega(report.bytes) / seconds.max(0.001);
    let Report { files, bytes, entries, .. } = report;
    writeln!(out, "{files} files, {bytes} bytes, under {entries} entries: {rate:.0} MB/s.")?;
    let left = report.damage.iter().filter(|damage| damage.repaired_from.is_none()).count();
    match (report.damage.len(), left) {
        (0, _) => writeln!(out, "All is as it should be."),
        (all, 0) => writeln!(out, "{all} were damaged, and are repaired."),
        (all, left) => {
            writeln!(
                out,
                "{all} were damaged, {left} still are: --repair-from a mirror's folder, or another aggregator"
            )
        }
    }
}

fn line(damage: &Damage) -> String {
    let role = match damage.role {
        Role::Base => "a file of the base",
        Role::Expert => "an expert",
        Role::Soup => "a soup",
        Role::Stray => "a file of no entry",
    };
    let problem = match &damage.problem {
        Problem::Missing => "is missing".to_owned(),
        Problem::Corrupt { offset } => format!("is corrupt at byte {offset}"),
        Problem::Hashes => "has wrong hashes beside it".to_owned(),
        Problem::Unreadable { reason } => format!("cannot be read: {reason}"),
    };
    let mut line = format!("{} ({role}, {} bytes) {problem}", damage.blake3, damage.size);
    if let Some(aside) = &damage.aside {
        line += &format!("; moved to {}", aside.display());
    }
    if let Some(from) = &damage.repaired_from {
        line += &format!("; repaired from {from}");
    }
    line
}
