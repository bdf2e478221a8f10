//! `potluck key revoke`: a key is void from here on.

use potluck_core::entry::RevokeKey;
use potluck_core::{Author, Body, KeyId, PublicKey};
use serde_json::json;

use crate::failure::Failure;
use crate::folder::Folder;
use crate::output::Output;
use crate::place::Member;
use crate::session::MemberSession;

/// Declare a key void: one of your own, or as the operator a party's
///
/// A party whose signing key is revoked cannot speak until enough others vouch for a new one (`potluck key recover`).
///
/// Example: potluck key revoke --dir mine --reason "the laptop was stolen" ed25519:1f0c…
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    member: Member,
    /// The key (ed25519:…) or its id, as `potluck members` shows it
    key: String,
    /// Why, in one line that everybody reads
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

pub(super) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let key = key_id(&args.key)?;
    let folder = Folder::open(&args.member.dir)?;
    let mut session = MemberSession::open(&args.member, &folder).await?;
    let members = session.federation().members();
    let of = match (members.owner(key), members.retired(key)) {
        (Some((author, _)), _) => author.clone(),
        (None, Some(retired)) => {
            let message = format!("the key {} is void since entry {}", key.short(), retired.index);
            return Err(Failure::input(message));
        }
        (None, None) => {
            return Err(Failure::input(format!("the key {} is nobody's", key.short()))
                .hint("`potluck members` lists every key"));
        }
    };
    let body = RevokeKey { of: of.clone(), key, reason: args.reason.clone() };
    let said = session.say(Body::RevokeKey(body)).await?;
    session.close().await;
    output.line(format!(
        "The key {} of {of} is void: entry {} of the ledger.",
        key.short(),
        said.index
    ));
    output.result(&json!({
        "index": said.index, "of": name(&of), "id": key, "receipt": said.receipt,
    }));
    Ok(())
}

/// An author's name.
pub(super) fn name(author: &Author) -> String {
    author.to_string()
}

fn key_id(text: &str) -> Result<KeyId, Failure> {
    if let Ok(key) = text.parse::<PublicKey>() {
        return Ok(key.id());
    }
    text.parse().map_err(|_| {
        Failure::input(format!(
            "'{}' is no key and no key's id",
            text.chars().take(80).collect::<String>()
        ))
    })
}
