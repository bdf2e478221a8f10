//! `potluck invite`: one line with which a party joins.

use std::time::Duration;

use potluck_core::entry::Invite;
use potluck_core::{Body, PartyId};
use serde_json::json;

use crate::clock::now;
use crate::duration::duration;
use crate::failure::Failure;
use crate::folder::{Folder, random_seed};
use crate::invitation::Invitation;
use crate::output::Output;
use crate::place::Member;
use crate::session::MemberSession;

/// Invite a party: print the one line with which it joins (operator)
///
/// The invitation is an entry of the ledger, signed with the operator's key; the line holds the other half. Whoever has
/// the line can take the party's seat, once, until it expires: send it over a channel that only the party reads.
///
/// Example: potluck invite --dir kitchen --party readers
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    member: Member,
    /// The party, as the charter has it
    #[arg(long, value_name = "NAME")]
    party: String,
    /// How long it holds: 30m, 12h, 7d
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration)]
    expires: Duration,
}

/// Records the invitation, then prints the line.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let folder = Folder::operator(&args.member.dir)?;
    let party: PartyId =
        args.party.parse().map_err(|error| Failure::input(format!("--party: {error}")))?;
    let mut session = MemberSession::open(&args.member, &folder).await?;
    let expires = now()?.saturating_add(args.expires.as_secs());
    let invitation = Invitation::new(
        args.member.address.clone().unwrap_or_else(|| folder.address().to_owned()),
        folder.log_key().clone(),
        session.federation().id(),
        party.clone(),
        expires,
        random_seed()?,
    );
    let key = invitation.key().public();
    let said = session.say(Body::Invite(Invite { party: party.clone(), key, expires })).await?;
    session.close().await;

    output.line(format!("Invited {party}: entry {} of the ledger.", said.index));
    output.line(format!("Send this to {party}, over a channel that nobody else reads:"));
    output.line(format!("  potluck join {invitation}"));
    output.result(&json!({
        "index": said.index, "party": party, "line": invitation.to_string(),
        "invite": key.id(), "expires": expires, "receipt": said.receipt,
    }));
    Ok(())
}
