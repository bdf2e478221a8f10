//! `potluck completions`: what shells need to complete arguments.

use std::io::Write as _;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Failure;

/// Print completions for a shell
///
/// Example: potluck completions bash > ~/.local/share/bash-completion/completions/potluck
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which shell
    shell: Shell,
}

/// Prints them.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "potluck", &mut script);
    std::io::stdout()
        .write_all(&script)
        .map_err(|error| Failure::system(format!("cannot write to standard output: {error}")))
}
