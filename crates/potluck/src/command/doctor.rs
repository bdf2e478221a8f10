//! `potluck doctor`: looks whether an aggregator could run here, which only `potluck-aggregator` knows.

use std::ffi::OsString;

use crate::failure::Failure;
use crate::output::Output;
use crate::program::Program;

/// Look whether an aggregator could run here, and say what to mend (operator; runs potluck-aggregator)
///
/// Takes potluck-aggregator doctor's arguments; `potluck doctor --help` shows them.
///
/// Example: potluck doctor --dir kitchen
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Arguments of potluck-aggregator doctor
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    args: Vec<OsString>,
}

/// Returns only where the program cannot be run.
pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let json = output.is_json().then(|| "--json".into());
    Err(Program::Aggregator.become_it(["doctor".into()].into_iter().chain(args.args).chain(json)))
}
