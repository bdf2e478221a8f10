//! `potluck key pin`: a member's settings follow the log to the key that it has now.
//!
//! The ledger itself says which key took the place of which, so a member who reads on under the old one needs
//! nobody's word. Where the aggregator no longer holds the old one (it was stolen, say), the member is told the new
//! one by the operator; then the ledger must show that it succeeded the pinned one, and must be the history that was
//! seen before.

use potluck_core::federation::LogKey;
use potluck_log::{Frontier, Hash, VerifierKey};
use serde_json::json;

use crate::failure::Failure;
use crate::folder::{Folder, verifier_key};
use crate::ledger::{Ledger, Line, log_key, unseen};
use crate::output::Output;
use crate::place::Member;

/// Pin the log key that is in force now, if it succeeded the one that is pinned
///
/// The new key is read from the ledger, where the old one handed over to it. If the aggregator no longer answers to the
/// old key, ask the operator for the new one over another channel, and give it with --log-key: the ledger must then
/// show that it succeeded the one that is pinned, and begin with what this folder has seen.
///
/// Example: potluck key pin --dir mine
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    member: Member,
    /// The log's key, as the operator told it
    #[arg(long, value_name = "KEY")]
    log_key: Option<String>,
}

/// The root at the size that was seen before, recomputed on the way.
struct Before {
    size: u64,
    root: Hash,
    frontier: Frontier,
    is_met: bool,
}

pub(super) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let folder = Folder::open(&args.member.dir)?;
    let mut door = args.member.door(&folder)?;
    let pinned = folder.log_key().clone();
    let told = args.log_key.as_deref().map(verifier_key).transpose();
    let told = told.map_err(|error| Failure::input(format!("--log-key: {error}")))?;
    let ledger = match &told {
        None => {
            let client = door.connect().await?;
            let ledger = Ledger::read(&client, &pinned, door.memory.as_ref()).await;
            client.close().await;
            ledger?
        }
        Some(told) => {
            door.log = told.clone();
            let client = door.connect().await?;
            let ledger = succeeded(&client, &pinned, told, &folder).await;
            client.close().await;
            ledger?
        }
    };
    let Some(LogKey { since, key }) = ledger.federation().log_keys().next_back() else {
        return Err(Failure::system("a federation has a log"));
    };
    let now = log_key(&pinned, &key)?;
    let is_new = now != pinned;
    if is_new {
        folder.pin(&now)?;
    }
    output.line(match is_new {
        true => format!("Pinned {now}: it is the log's key since entry {since}."),
        false => format!("{now} is pinned, and is the log's key: nothing to change."),
    });
    output.result(&json!({"log_key": now.to_string(), "since": since, "changed": is_new}));
    Ok(())
}

/// Reads everything under the key that was told, and holds it against what was pinned and seen before.
async fn succeeded(
    client: &potluck_net::Client,
    pinned: &VerifierKey,
    told: &VerifierKey,
    folder: &Folder,
) -> Result<Ledger, Failure> {
    let held = folder.memory().hold()?;
    let mut before = held.remembered(pinned)?.map(|seen| Before {
        size: seen.size(),
        root: seen.root(),
        frontier: Frontier::new(),
        is_met: false,
    });
    let mut look = |line: Line<'_>| before.as_mut().map_or(Ok(()), |before| before.look(line));
    let ledger = if held.is_new() {
        Ledger::read_whole(client, told, None, &mut unseen).await?
    } else {
        Ledger::read_whole(client, told, None, &mut look).await?
    };
    if before.is_some_and(|before| !before.is_met) {
        let message = "the ledger under that key does not begin with what this folder has seen";
        return Err(Failure::unverified("fork", message).hint(
            "keep the folder, and show it to the other parties: somebody tells another story",
        ));
    }
    let keys: Vec<_> = ledger.federation().log_keys().map(|it| it.key).collect();
    if !keys.iter().any(|key| key.as_bytes() == pinned.public_key().as_bytes()) {
        let message = "the key that is pinned was never this log's: it is another federation";
        return Err(Failure::unverified("log-mismatch", message));
    }
    held.remember(&ledger)?;
    Ok(ledger)
}

impl Before {
    fn look(&mut self, line: Line<'_>) -> Result<(), Failure> {
        if line.index >= self.size {
            return Ok(());
        }
        self.frontier.push(line.entry.record()).map_err(Failure::system)?;
        if self.frontier.size() == self.size {
            self.is_met = self.frontier.root() == self.root;
        }
        Ok(())
    }
}
