//! `potluck join`: a party's folder and keys; with an invitation, its seat.

mod by_hand;
mod newcomer;

use std::path::PathBuf;

use crate::failure::Failure;
use crate::invitation::PREFIX;
use crate::output::Output;

/// Become a party, by the operator's invitation; or make a folder and keys for the operator to admit
///
/// With the line that `potluck invite` printed, this is all: it makes the keys, shows that they are held, and is in. The
/// line pins the aggregator and its log. Give - for the line to read it from standard input, where no other user of this
/// machine sees it. Without an invitation, name a folder, the party, the address and the log key: that makes the keys and
/// prints what to send to the operator. Private keys stay in the folder's keys/: whoever holds party.pem speaks for the
/// party, and a copy is the only way back to it.
///
/// Example: potluck join potluck1.eyJhZGRy… mine
///
/// Example: potluck join mine --party readers --address kitchen.example:4433 --log-key potluck/news+…
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The invitation, or - to read it from standard input; without one, the folder to make
    #[arg(value_name = "LINE|DIR")]
    target: String,
    /// With an invitation, the folder to make [default: the party's name]
    dir: Option<PathBuf>,
    /// Without an invitation: the party's name, as the charter has it
    #[arg(long, value_name = "NAME", requires_all = ["address", "log_key"])]
    party: Option<String>,
    /// Without an invitation: where the aggregator is
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
    /// Without an invitation: the log's public key, as the operator gave it out (name+id+key)
    #[arg(long, value_name = "KEY", requires = "party")]
    log_key: Option<String>,
}

/// With an invitation or without.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    match (&args.party, &args.address, &args.log_key) {
        (Some(party), Some(address), Some(log_key)) => {
            let plan = by_hand::Plan { dir: args.target.as_ref(), party, address, log_key };
            by_hand::run(&plan, output)
        }
        _ if args.target == "-" || args.target.starts_with(PREFIX) => {
            let address = args.address.as_deref();
            newcomer::run(&args.target, args.dir.as_deref(), address, output).await
        }
        _ => Err(Failure::input(format!(
            "'{}' is no invitation, and without one a folder needs --party, --address and --log-key",
            args.target.chars().take(40).collect::<String>()
        ))
        .hint("the operator makes an invitation with: potluck invite --party NAME")),
    }
}
