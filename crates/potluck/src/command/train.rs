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

/// Score models, adapters and soups by private rewards (runs potluck-train)
///
/// `potluck eval RECIPE.toml` scores by a recipe's rewards on its held-out prompts (`potluck train examine --help` has its
/// arguments). All else are those of potluck-train eval, for the news.
///
/// Example: potluck eval rloo.toml --expert readers=readers.safetensors --lambda readers=1
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct EvalArgs {
    /// Arguments of potluck-train eval
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    args: Vec<OsString>,
}

/// Returns only where the program cannot be run.
pub(crate) fn train(args: TrainArgs, output: &Output) -> Result<(), Failure> {
    let verb = is_recipe(args.args.first()).then_some("run");
    become_trainer(verb, args.args, output)
}

/// Returns only where the program cannot be run.
pub(crate) fn eval(args: EvalArgs, output: &Output) -> Result<(), Failure> {
    let verb = if is_recipe(args.args.first()) { "examine" } else { "eval" };
    become_trainer(Some(verb), args.args, output)
}

/// Whether an argument is a recipe: then it stands for what is to be done.
fn is_recipe(argument: Option<&OsString>) -> bool {
    argument.is_some_and(|it| Path::new(it).extension() == Some("toml".as_ref()))
}

fn become_trainer(verb: Option<&str>, args: Vec<OsString>, output: &Output) -> Result<(), Failure> {
    let json = output.is_json().then(|| "--json".into());
    Err(Program::Trainer.become_it(verb.map(OsString::from).into_iter().chain(args).chain(json)))
}
