//! `potluck round`: from its opening to its agreement.

mod close;
mod open;
mod propose;
mod reveal;
mod sealed;
mod status;

use crate::failure::Failure;
use crate::output::Output;

/// Negotiate λ: open a round, propose, show, close, see how it stands
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Open(open::Args),
    Propose(propose::Args),
    Reveal(reveal::Args),
    Close(close::Args),
    Status(status::Args),
}

/// Does one of them.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    match &args.action {
        Action::Open(args) => open::run(args, output).await,
        Action::Propose(args) => propose::run(args, output).await,
        Action::Reveal(args) => reveal::run(args, output).await,
        Action::Close(args) => close::run(args, output).await,
        Action::Status(args) => status::run(args, output).await,
    }
}
