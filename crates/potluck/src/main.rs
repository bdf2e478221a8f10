//! The `potluck` command: for parties, operators, auditors, and anyone with files.
//!
//! It signs what its owner says, and believes nobody else: whatever comes from an aggregator is replayed and
//! verified against the log key that its owner pinned. It holds no server code and no trainer; `serve`, `train`
//! and `eval` run the programs that do ([`program`]).
//!
//! Modules stand in the order in which to read them: [`cli`] and [`command`], one file each; what they stand on,
//! [`place`] and [`folder`], [`ledger`], [`session`], [`recorded`], [`start`], [`interchange`]; and how they speak, [`output`], [`progress`], [`failure`].

mod cli;
mod clock;
mod duration;
mod command;

mod place;
mod folder;
mod invitation;

mod ledger;
mod session;
mod patience;
mod recorded;
mod start;
mod interchange;
mod http;

mod program;

mod failure;
mod output;
mod progress;

mod durable;

#[cfg(test)]
mod samples;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;
use crate::output::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::explain(&error),
    };
    let output = Output::new(cli.json);
    match command::run(cli.command, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output.fail(&failure),
    }
}
