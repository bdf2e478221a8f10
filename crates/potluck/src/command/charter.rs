//! `potluck charter`: what a charter says before anybody signs it, and how it is changed after.

mod amend;
mod check;
mod difference;
mod show;

use std::path::PathBuf;

use serde_json::json;

use super::new::{check_names, read_charter};
use crate::failure::Failure;
use crate::output::Output;

/// Read a charter before it is signed; show, amend and endorse the one in force
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Check(CheckArgs),
    Show(show::Args),
    Amend(amend::AmendArgs),
    Endorse(amend::EndorseArgs),
}

/// Say in plain words what a charter means, and what in it you may regret
///
/// A charter is signed when the federation is founded, and changed only as it says itself. Exit codes: 0 it can be founded by; 3 it
/// cannot, and why.
///
/// Example: potluck charter check charter.toml
#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// The charter; configs/charter.toml is a commented example
    charter: PathBuf,
}

/// Does what is asked.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    match &args.what {
        What::Check(args) => check(args, output),
        What::Show(args) => show::run(args, output).await,
        What::Amend(args) => amend::amend(args, output).await,
        What::Endorse(args) => amend::endorse(args, output).await,
    }
}

fn check(args: &CheckArgs, output: &Output) -> Result<(), Failure> {
    let charter = read_charter(&args.charter)?;
    check_names(&charter, &args.charter)?;
    let (meaning, warnings) = (check::meaning(&charter), check::warnings(&charter));
    meaning.iter().for_each(|line| output.line(line));
    if warnings.is_empty() {
        output.line("Nothing in it to warn of.");
    }
    for warning in &warnings {
        output.line(format!("! {}", warning.text));
    }
    let warnings: Vec<_> =
        warnings.iter().map(|it| json!({"code": it.code, "text": it.text})).collect();
    output.result(&json!({
        "name": charter.name(), "rule": charter.rule().as_str(), "meaning": meaning,
        "warnings": warnings,
    }));
    Ok(())
}
