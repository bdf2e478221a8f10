//! `potluck witness`: whose word it is that the log shows everybody the same history.

use std::time::Duration;

use serde_json::json;

use crate::failure::{Failure, Kind, warn};
use crate::folder::Folder;
use crate::output::Output;
use crate::place::Member;
use crate::session::{Cosigning, Session};

/// Vouch for the log: verify what is new and cosign its checkpoint (party)
///
/// Every command of a party that has a witness key does this by the way; this one does nothing else, and with --watch
/// does it again and again. A log that forks or takes something back is not cosigned, and ends it.
///
/// Example: potluck witness --dir mine --watch 60
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    member: Member,
    /// Go on, with so many seconds between
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    watch: Option<u64>,
}

/// Cosigns once, or for as long as it is let.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let folder = Folder::party(&args.member.dir)?;
    loop {
        let ended = once(args, &folder, output).await;
        let Some(seconds) = args.watch else { return ended };
        match ended {
            Ok(()) => {}
            // It may be back next time; whatever else is wrong will still be.
            Err(failure) if failure.kind() == Kind::Unreachable => warn(&failure),
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

async fn once(args: &Args, folder: &Folder, output: &Output) -> Result<(), Failure> {
    let session = Session::open(args.member.door(folder)?).await?;
    let (size, root) = (session.ledger.checkpoint().size(), session.ledger.checkpoint().root());
    let cosigning = session.cosigning().clone();
    session.close().await;
    let already = match cosigning {
        Cosigning::Done => false,
        Cosigning::Before => true,
        Cosigning::NoWitness => {
            let message = format!("{folder} has no witness key that the ledger knows");
            return Err(Failure::input(message).hint(
                "`potluck join` makes one; `potluck key rotate --role witness` sets or replaces it",
            ));
        }
        Cosigning::Failed(failure) => return Err(failure),
    };
    let verb = if already { "was cosigned already" } else { "is cosigned" };
    output.line(format!("The checkpoint of {size} entries {verb}: {root}"));
    output.result(&json!({"size": size, "root": root, "already": already}));
    Ok(())
}
