//! `potluck members`: who is in, by which keys, and what became of old ones.

use potluck_core::federation::{Invitation, LogKey, Member, Retired};
use potluck_core::{Author, Federation, KeyId, Role};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::Output;
use crate::place::Reader;
use crate::session::Session;

/// Show who is in, by which keys, and what became of old ones
///
/// Example: potluck members --dir mine
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    reader: Reader,
}

/// Reads the ledger and lists what it says.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let session = Session::open(args.reader.door()?).await?;
    let federation = session.federation().clone();
    session.close().await;
    report(&federation, output);
    Ok(())
}

fn report(federation: &Federation, output: &Output) {
    let members = federation.members();
    for (author, member) in members.iter() {
        output.line(match &member.suspended {
            Some(reason) => format!("{author}, suspended: {reason}"),
            None => author.to_string(),
        });
        for role in [Role::Sign, Role::Transport, Role::Witness] {
            match member.key(role) {
                Some(key) => output.line(format!("  {role:9} {key}")),
                None if role == Role::Sign => output.line("  sign      none: it was revoked"),
                None => (),
            }
        }
    }
    for LogKey { since, key } in federation.log_keys() {
        output.line(format!("the log's key since entry {since}: {key}"));
    }
    for (key, retired) in members.all_retired() {
        output.line(format!(
            "void: {} of {}, since entry {}{}",
            key.short(),
            retired.of,
            retired.index,
            why(retired)
        ));
    }
    for (_, invitation) in members.invitations().filter(|(_, it)| it.taken_by.is_none()) {
        output.line(format!(
            "invited: {}, until {} (seconds since 1970)",
            invitation.party, invitation.expires
        ));
    }
    output.result(&json!({
        "members": members.iter().map(|(author, member)| as_json(author, member)).collect::<Vec<_>>(),
        "log_keys": federation.log_keys().map(|it| json!({"key": it.key, "since": it.since})).collect::<Vec<_>>(),
        "retired": members.all_retired().map(|(key, retired)| retired_json(*key, retired)).collect::<Vec<_>>(),
        "invitations": members.invitations().map(|(key, it)| invitation_json(*key, it)).collect::<Vec<_>>(),
    }));
}

fn why(retired: &Retired) -> String {
    retired.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"))
}

fn as_json(author: &Author, member: &Member) -> Value {
    json!({
        "author": author.to_string(), "sign": member.sign, "transport": member.transport,
        "witness": member.witness, "suspended": member.suspended, "entries": member.next,
    })
}

fn retired_json(key: KeyId, retired: &Retired) -> Value {
    let Retired { of, index, reason } = retired;
    json!({"id": key, "of": of.to_string(), "index": index, "reason": reason})
}

fn invitation_json(key: KeyId, invitation: &Invitation) -> Value {
    let Invitation { party, expires, taken_by, key: _ } = invitation;
    json!({"id": key, "party": party, "expires": expires, "taken_by": taken_by})
}
