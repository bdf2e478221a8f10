//! `cargo xtask tidy`: the walls of the architecture, checked by a machine.
//!
//! Reads what cargo and git say about the repository, and changes nothing. Each file below knows
//! one kind of rule and answers with one line per breach; `docs/architecture.md` names them as
//! the guards of its invariants.

use anyhow::{Result, bail};

mod metadata;
mod arrows;
mod walls;
mod licences;
mod places;
mod sources;
mod scan;
mod report;

/// What to print.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Also print the style's measures: lengths, documented share, unwraps, tests to code
    #[arg(long)]
    report: bool,
}

/// Checks every rule, prints every breach, and fails if there is one.
///
/// # Errors
/// When a rule is broken, or cargo or git cannot be asked.
pub(crate) fn run(args: Args) -> Result<()> {
    let graph = metadata::load()?;
    let sources = sources::load()?;

    let mut breaches = arrows::breaches(&graph)?;
    breaches.extend(walls::breaches(&graph));
    breaches.extend(licences::breaches(&graph)?);
    breaches.extend(places::breaches()?);
    breaches.extend(sources::breaches(&sources));

    if args.report {
        report::print(&sources);
    }
    for breach in &breaches {
        eprintln!("tidy: {breach}");
    }
    if !breaches.is_empty() {
        bail!("{} broken rule(s), see above", breaches.len());
    }
    println!("tidy: {} packages, {} source files, no breach", graph.members.len(), sources.len());
    Ok(())
}
