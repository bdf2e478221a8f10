//! `potluck suspend` and `potluck reinstate`: whether a party is heard.

use potluck_core::entry::{Reinstate, Suspend};
use potluck_core::{Body, PartyId};
use serde_json::json;

use crate::failure::Failure;
use crate::folder::Folder;
use crate::output::Output;
use crate::place::Member;
use crate::session::MemberSession;

/// Suspend a party: what it says is refused until it is reinstated (operator)
///
/// What it said before stands, and it may still read.
///
/// Example: potluck suspend --dir kitchen readers --reason "its key may be stolen; it is looking into it"
#[derive(Debug, clap::Args)]
pub(crate) struct SuspendArgs {
    #[command(flatten)]
    member: Member,
    /// The party
    party: String,
    /// Why, in one line that everybody reads
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// End the suspension of a party (operator)
///
/// Example: potluck reinstate --dir kitchen readers
#[derive(Debug, clap::Args)]
pub(crate) struct ReinstateArgs {
    #[command(flatten)]
    member: Member,
    /// The party
    party: String,
}

/// Records the suspension.
pub(crate) async fn suspend(args: &SuspendArgs, output: &Output) -> Result<(), Failure> {
    let (party, reason) = (party(&args.party)?, args.reason.clone());
    let body = Body::Suspend(Suspend { party: party.clone(), reason });
    say(&args.member, body, &format!("{party} is suspended"), output).await
}

/// Records its end.
pub(crate) async fn reinstate(args: &ReinstateArgs, output: &Output) -> Result<(), Failure> {
    let party = party(&args.party)?;
    let body = Body::Reinstate(Reinstate { party: party.clone() });
    say(&args.member, body, &format!("{party} is heard again"), output).await
}

fn party(text: &str) -> Result<PartyId, Failure> {
    text.parse().map_err(Failure::input)
}

async fn say(member: &Member, body: Body, words: &str, output: &Output) -> Result<(), Failure> {
    let folder = Folder::operator(&member.dir)?;
    let mut session = MemberSession::open(member, &folder).await?;
    let said = session.say(body).await?;
    session.close().await;
    output.line(format!("{words}: entry {} of the ledger.", said.index));
    output.result(&json!({"index": said.index, "receipt": said.receipt}));
    Ok(())
}
