//! `potluck store`: looks after an aggregator's store, which only `potluck-aggregator` knows.

use std::ffi::OsString;

use crate::failure::Failure;
use crate::output::Output;
use crate::program::Program;

/// Re-hash a stopped aggregator's store, and mend it (operator; runs potluck-aggregator)
///
/// `potluck store check` takes potluck-aggregator check's arguments; `potluck store check --help` shows them.
///
/// Example: potluck store check --dir kitchen --repair-from copy
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Re-hash every file, name what is corrupt or missing, take it from elsewhere
    ///
    /// Example: potluck store check --dir kitchen --repair-from copy
    #[command(disable_help_flag = true)]
    Check {
        /// Arguments of potluck-aggregator check
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
        args: Vec<OsString>,
    },
}

/// Returns only where the program cannot be run.
pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let Task::Check { args } = args.task;
    let json = output.is_json().then(|| "--json".into());
    Err(Program::Aggregator.become_it(["check".into()].into_iter().chain(args).chain(json)))
}
