//! `potluck round`: opening a round, proposing λ, and how it stands.

mod open;
mod propose;
mod status;

use crate::failure::Failure;
use crate::output::Output;

/// Negotiate λ: open a round, propose, see how it stands
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Open(open::Args),
    Propose(propose::Args),
    Status(status::Args),
}

/// Does one of the three.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    match &args.action {
        Action::Open(args) => open::run(args, output).await,
        Action::Propose(args) => propose::run(args, output).await,
        Action::Status(args) => status::run(args, output).await,
    }
}
