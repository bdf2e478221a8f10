//! `potluck serve`: becomes the aggregator.

use std::ffi::OsString;

use crate::failure::Failure;
use crate::output::Output;
use crate::program::Program;

/// Serve a federation (runs potluck-aggregator)
///
/// Takes potluck-aggregator's arguments; `potluck serve --help` shows them.
///
/// Example: potluck serve --dir kitchen --listen 0.0.0.0:4433
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Arguments of potluck-aggregator
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    args: Vec<OsString>,
}

/// Returns only where the program cannot be run.
pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let json = output.is_json().then(|| "--json".into());
    Err(Program::Aggregator.become_it(args.args.into_iter().chain(json)))
}
