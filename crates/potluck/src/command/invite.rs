//! `potluck invite`: one line with which a party joins.

use std::time::Duration;

use potluck_core::entry::Invite;
use potluck_core::{Body, PartyId};
use serde_json::json;

use crate::clock::now;
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

/// A number of minutes, hours or days.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no time: write 30m, 12h or 7d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(seconds).filter(|seconds| *seconds > 0).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_a_unit() {
        assert_eq!(duration("30m"), Ok(Duration::from_secs(1800)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        for bad in ["", "7", "d", "-1h", "0d", "1é", "99999999999999999999d", "9999999999999999d"]
        {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
