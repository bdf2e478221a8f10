//! `potluck round close`: the deadline is over, and somebody says so.

use potluck_core::Body;
use potluck_core::entry::CloseRound;
use serde_json::json;

use super::status::{agreement_json, latest};
use crate::failure::Failure;
use crate::folder::Folder;
use crate::output::Output;
use crate::place::Member;
use crate::session::MemberSession;

/// Close the round once its deadline is over (any member)
///
/// With as much weight as the charter asks for, the proposals that are there decide; else the round is void, and the
/// operator can open another.
///
/// Example: potluck round close --dir mine
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    member: Member,
}

pub(super) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let folder = Folder::open(&args.member.dir)?;
    let mut session = MemberSession::open(&args.member, &folder).await?;
    let round = latest(session.federation())?.number;
    let said = session.say(Body::CloseRound(CloseRound { round })).await?;
    let agreement = latest(session.federation())?.agreement.clone();
    session.close().await;
    output.line(match &agreement {
        Some(agreement) => format!("Round {round} is closed. Agreed: {}", agreement.lambda),
        None => format!("Round {round} is closed without an agreement: too few proposed."),
    });
    output.result(&json!({
        "index": said.index, "round": round, "receipt": said.receipt,
        "agreement": agreement.as_ref().map(agreement_json),
    }));
    Ok(())
}
