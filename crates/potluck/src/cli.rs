//! The command line: what can be asked, in the order of a federation's life.

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::command;
use crate::failure::{Failure, Kind};
use crate::output::Output;

/// Mix models that many parties trained, by weights that they agree on, so that anyone can check the result
#[derive(Debug, Parser)]
#[command(name = "potluck", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Print one JSON object as the last line of standard output
    #[arg(long, global = true, display_order = 900)]
    pub(crate) json: bool,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Charter(command::charter::Args),
    New(command::new::Args),
    Doctor(command::doctor::Args),
    Serve(command::serve::Args),
    Status(command::status::Args),
    Store(command::store::Args),
    Token(command::token::Args),
    Keygen(command::keygen::Args),
    Invite(command::invite::Args),
    Join(command::join::Args),
    Admit(command::admit::Args),
    Members(command::members::Args),
    Key(command::key::Args),
    Suspend(command::suspend::SuspendArgs),
    Reinstate(command::suspend::ReinstateArgs),
    Pull(command::pull::Args),
    Train(command::train::TrainArgs),
    Eval(command::train::EvalArgs),
    Push(command::push::Args),
    Withdraw(command::withdraw::Args),
    Round(command::round::Args),
    Publish(command::publish::Args),
    Ledger(command::ledger::Args),
    Agreement(command::agreement::Args),
    Audit(command::audit::Args),
    Verify(command::verify::Args),
    Mirror(command::mirror::Args),
    Witness(command::witness::Args),
    Evidence(command::evidence::Args),
    Bundle(command::bundle::Args),
    Reward(command::reward::Args),
    RewardBridge(command::reward_bridge::Args),
    Mix(command::mix::Args),
    Inspect(command::inspect::Args),
    Diff(command::diff::Args),
    Completions(command::completions::Args),
    Man(command::man::Args),
}

/// Prints help, a version, or what is wrong with the arguments, and gives the exit code.
pub(crate) fn explain(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().any(|arg| arg == OsStr::new("--json"));
    if wants_json && error.use_stderr() {
        let text = error.to_string();
        let message = text.split("\n\n").next().unwrap_or_default();
        let message = message.strip_prefix("error: ").unwrap_or(message);
        return Output::new(true).fail(&Failure::new(Kind::Usage, "usage", message));
    }
    // Nobody is left to be told where the output is closed.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { Kind::Usage as u8 } else { 0 })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
