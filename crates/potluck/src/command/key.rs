//! `potluck key`: the life of a member's keys, each step an entry of the ledger.

mod pin;
mod recover;
mod revoke;
mod rotate;

use crate::failure::Failure;
use crate::output::Output;

/// Replace, revoke or recover a member's keys
///
/// What a key signed before it is replaced or revoked stays valid: a signature counts by its place in the ledger.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Rotate(rotate::Args),
    Pin(pin::Args),
    Revoke(revoke::Args),
    Request(recover::RequestArgs),
    Recover(recover::Args),
}

/// Does what is asked.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    match &args.what {
        What::Rotate(args) => rotate::run(args, output).await,
        What::Pin(args) => pin::run(args, output).await,
        What::Revoke(args) => revoke::run(args, output).await,
        What::Request(args) => recover::request(args, output).await,
        What::Recover(args) => recover::run(args, output).await,
    }
}
