//! `potluck-aggregator man` and `completions`: what shells and readers are given, from the arguments themselves.

use std::fs;
use std::io::Write as _;
use std::process::ExitCode;

use clap::CommandFactory as _;
use potluck_aggregator::Arguments;
use potluck_aggregator::config::{CompletionsArguments, ManArguments};

use crate::failure::Failure;

/// Writes one page for each command.
pub(crate) fn write(arguments: &ManArguments) -> Result<ExitCode, Failure> {
    fs::create_dir_all(&arguments.out)?;
    clap_mangen::generate_to(Arguments::command(), &arguments.out)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a shell's script.
pub(crate) fn complete(arguments: &CompletionsArguments) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    let name = "potluck-aggregator";
    clap_complete::generate(arguments.shell, &mut Arguments::command(), name, &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
