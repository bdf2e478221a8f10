//! `potluck round`: from its opening to its agreement.

mod candidates;
mod close;
mod commit;
mod explore;
mod nominate;
mod open;
mod propose;
mod ratify;
mod reveal;
mod score;
mod sealed;
mod status;

use crate::failure::Failure;
use crate::output::Output;

/// Negotiate λ: propose, try candidates out, bargain, ratify; see how it stands
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Open(open::Args),
    #[command(visible_alias = "show")]
    Status(status::Args),
    Propose(propose::Args),
    Score(score::Args),
    Commit(commit::Args),
    Reveal(reveal::Args),
    Nominate(nominate::Args),
    Ratify(ratify::RatifyArgs),
    Object(ratify::ObjectArgs),
    Close(close::Args),
    Explore(explore::Args),
}

/// Does one of them.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    match &args.action {
        Action::Open(args) => open::run(args, output).await,
        Action::Status(args) => status::run(args, output).await,
        Action::Propose(args) => propose::run(args, output).await,
        Action::Score(args) => score::run(args, output).await,
        Action::Commit(args) => commit::run(args, output).await,
        Action::Reveal(args) => reveal::run(args, output).await,
        Action::Nominate(args) => nominate::run(args, output).await,
        Action::Ratify(args) => ratify::ratify(args, output).await,
        Action::Object(args) => ratify::object(args, output).await,
        Action::Close(args) => close::run(args, output).await,
        Action::Explore(args) => explore::run(args, output).await,
    }
}
