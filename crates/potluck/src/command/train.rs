//! `potluck train` and `potluck eval`: become the trainer.

use std::ffi::OsString;
use std::path::Path;

use crate::failure::Failure;
use crate::output::Output;
use crate::program::Program;

/// Train: a recipe of your own, or base, rl, sample (runs potluck-train)
///
/// `potluck train RECIPE.toml` follows a recipe, and goes on where it was stopped. All else are the trainer's arguments; `potluck train --help` shows them. The trainer is a program of its own, because
/// private rewards and data live in it and it cannot speak with the network. Another trainer does as well: what
/// counts is the folder that is pushed.
///
/// Example: potluck train rloo.toml
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct TrainArgs {
    /// Arguments of potluck-train
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    args: Vec<OsString>,
}

/// Score models and soups by a private reward (runs potluck-train eval)
///
/// Takes the trainer's arguments; `potluck eval --help` shows them.
///
/// Example: potluck eval --help
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct EvalArgs {
    /// Arguments of potluck-train eval
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    args: Vec<OsString>,
}

/// Returns only where the program cannot be run.
pub(crate) fn train(args: TrainArgs, output: &Output) -> Result<(), Failure> {
    // A recipe by itself is what is to be done.
    let is_recipe =
        args.args.first().is_some_and(|first| Path::new(first).extension() == Some("toml".as_ref()));
    become_trainer(is_recipe.then_some("run"), args.args, output)
}

/// Returns only where the program cannot be run.
pub(crate) fn eval(args: EvalArgs, output: &Output) -> Result<(), Failure> {
    become_trainer(Some("eval"), args.args, output)
}

fn become_trainer(verb: Option<&str>, args: Vec<OsString>, output: &Output) -> Result<(), Failure> {
    let json = output.is_json().then(|| "--json".into());
    Err(Program::Trainer.become_it(verb.map(OsString::from).into_iter().chain(args).chain(json)))
}
