//! `potluck round open`: the operator begins a negotiation.

use potluck_core::Body;
use potluck_core::entry::OpenRound;
use serde_json::json;

use crate::failure::Failure;
use crate::folder::Folder;
use crate::output::Output;
use crate::place::Member;
use crate::session::MemberSession;

/// Open a round over the experts that are in (operator)
///
/// Example: potluck round open --dir kitchen
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    member: Member,
}

/// Records the opening; the ledger says over which experts.
pub(super) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let folder = Folder::operator(&args.member.dir)?;
    let mut session = MemberSession::open(&args.member, &folder).await?;
    let number = session.federation().rounds().len() as u64 + 1;
    let said = session.say(Body::OpenRound(OpenRound { round: number })).await?;

    let round = session.federation().rounds().iter().find(|round| round.number == number);
    let parties: Vec<_> = round.iter().flat_map(|round| round.experts.keys()).cloned().collect();
    session.close().await;

    let names: Vec<_> = parties.iter().map(|party| party.as_str()).collect();
    output.line(format!("Round {number} is open: entry {} of the ledger.", said.index));
    output.line(format!("Each of {} proposes with `potluck round propose`.", names.join(", ")));
    output.result(&json!({
        "index": said.index, "round": number, "parties": parties, "receipt": said.receipt,
    }));
    Ok(())
}
