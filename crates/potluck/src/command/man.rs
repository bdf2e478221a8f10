//! `potluck man`: manual pages, from the arguments themselves.

use std::fs;
use std::path::PathBuf;

use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::Output;

/// Write the manual pages into a folder, one for each command
///
/// `potluck-aggregator man` writes the aggregator's.
///
/// Example: potluck man --out ~/.local/share/man/man1
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder, made if it is not there; pages that are there are replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Writes them.
pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    fs::create_dir_all(&args.out)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), &args.out))
        .map_err(|error| {
            Failure::system(format!("cannot write to {}: {error}", args.out.display()))
        })?;
    output.line(format!("The manual pages stand in {}.", args.out.display()));
    output.result(&serde_json::json!({"folder": args.out}));
    Ok(())
}
