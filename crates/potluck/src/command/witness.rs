//! `potluck witness`: whose word it is that the log shows everybody the same history.

mod serve;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use potluck_log::VerifierKey;
use serde_json::json;

use crate::failure::{Failure, Kind, warn};
use crate::folder::{Folder, Passphrases, read_key, verifier_key};
use crate::output::Output;
use crate::place::Member;
use crate::session::{Cosigning, Session};

/// Vouch for the log: verify what is new and cosign its checkpoint (party)
///
/// Every command of a party that has a witness key does this by the way; this one does nothing else, and with --watch
/// does it again and again. A log that forks or takes something back is not cosigned, and ends it.
///
/// With --serve it is a witness for others (C2SP tlog-witness): logs ask it over HTTP, and it needs no folder, only a
/// key of its own. The charter names it by the public key that it prints.
///
/// Example: potluck witness --dir mine --watch 60
///
/// Example: potluck witness --serve 127.0.0.1:8080 --key witness.pem --name witness.example/one --log potluck/news+…
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    member: Member,
    /// Go on, with so many seconds between
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    watch: Option<u64>,
    /// Be a witness for others, over HTTP at this address
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "watch", requires_all = ["key", "name", "log"])]
    serve: Option<SocketAddr>,
    /// With --serve: the witness's key; `potluck keygen --role witness` makes one
    #[arg(long, value_name = "FILE", requires = "serve")]
    key: Option<PathBuf>,
    /// With --serve: the name by which its cosignatures go
    #[arg(long, requires = "serve")]
    name: Option<String>,
    /// With --serve: the key of a log to watch (name+id+key); may be given again
    #[arg(long, value_name = "KEY", requires = "serve")]
    log: Vec<String>,
    /// With --serve: where it remembers what it signed; whoever loses that must begin under a new key
    #[arg(long, value_name = "DIR", default_value = "witness", requires = "serve")]
    state: PathBuf,
}

/// Cosigns once, or for as long as it is let.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    if let (Some(address), Some(key), Some(name)) = (args.serve, &args.key, &args.name) {
        let logs = args.log.iter().map(|text| verifier_key(text));
        let logs: Result<Vec<VerifierKey>, _> = logs.collect();
        let plan = serve::Plan {
            address,
            key: read_key(key, &Passphrases::of_environment())?,
            name: name.parse().map_err(|error| Failure::input(format!("--name: {error}")))?,
            logs: logs.map_err(|error| Failure::input(format!("--log: {error}")))?,
            state: &args.state,
        };
        return serve::run(plan, output).await;
    }
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
