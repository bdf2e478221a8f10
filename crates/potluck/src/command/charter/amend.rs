//! `potluck charter amend` and `potluck charter endorse`: the rules are changed by those who live by them.

use std::path::PathBuf;

use potluck_core::entry::{Amend, Endorse};
use potluck_core::{Body, Federation};
use serde_json::json;

use super::check;
use super::difference::difference;
use super::show::{find, progress};
use crate::command::ask::Consent;
use crate::command::new::read_charter;
use crate::failure::Failure;
use crate::folder::Folder;
use crate::output::Output;
use crate::place::Member;
use crate::session::MemberSession;

/// Put a new charter to the vote (any member); a party that does endorses it
///
/// It shows how the new charter differs from the one in force and what in it you may regret, and asks. It comes into force once as
/// much weight endorses it as the present charter asks for and the new one, too. A charter changes between rounds only.
///
/// Example: potluck charter amend --dir mine charter-2.toml
#[derive(Debug, clap::Args)]
pub(super) struct AmendArgs {
    #[command(flatten)]
    member: Member,
    /// The whole new charter
    charter: PathBuf,
    #[command(flatten)]
    consent: Consent,
}

/// Endorse a charter that is put to the vote (party)
///
/// Example: potluck charter endorse --dir mine 5fbbf9f7
#[derive(Debug, clap::Args)]
pub(super) struct EndorseArgs {
    #[command(flatten)]
    member: Member,
    /// Its digest, as `potluck charter show` lists it, or the first eight digits or more
    digest: String,
    #[command(flatten)]
    consent: Consent,
}

pub(super) async fn amend(args: &AmendArgs, output: &Output) -> Result<(), Failure> {
    let charter = read_charter(&args.charter)?;
    let folder = Folder::open(&args.member.dir)?;
    let mut session = MemberSession::open(&args.member, &folder).await?;
    let federation = session.federation();
    let changes = difference(federation.charter(), &charter)?;
    let version = federation.charter_version() + 1;
    output.line(format!("Version {version} would differ from the charter in force:"));
    changes.iter().for_each(|line| output.line(line));
    let warnings = check::warnings(&charter);
    warnings.iter().for_each(|it| output.line(format!("! {}", it.text)));
    args.consent.demand("Put this charter to the vote?")?;
    let amend = Amend { version, charter };
    let digest = amend.digest();
    let said = session.say(Body::Amend(Box::new(amend))).await?;
    let federation = session.federation();
    let is_in_force = federation.charter_version() >= version;
    outcome(federation, digest, output);
    output.result(&json!({
        "index": said.index, "digest": digest, "version": version, "is_in_force": is_in_force,
        "changes": changes, "warnings": warnings.iter().map(|it| it.code).collect::<Vec<_>>(),
        "receipt": said.receipt,
    }));
    session.close().await;
    Ok(())
}

pub(super) async fn endorse(args: &EndorseArgs, output: &Output) -> Result<(), Failure> {
    let folder = Folder::party(&args.member.dir)?;
    let mut session = MemberSession::open(&args.member, &folder).await?;
    let federation = session.federation();
    let (digest, amendment) = find(federation, &args.digest)?;
    let version = amendment.version;
    let changes = difference(federation.charter(), &amendment.charter)?;
    output.line(format!("Version {version} would differ from the charter in force:"));
    changes.iter().for_each(|line| output.line(line));
    let warnings = check::warnings(&amendment.charter);
    warnings.iter().for_each(|it| output.line(format!("! {}", it.text)));
    args.consent.demand(&format!("Endorse the charter {}?", digest.short()))?;
    let said = session.say(Body::Endorse(Endorse { amendment: digest })).await?;
    let federation = session.federation();
    let is_in_force = federation.charter_version() >= version;
    outcome(federation, digest, output);
    output.result(&json!({
        "index": said.index, "digest": digest, "version": version, "is_in_force": is_in_force,
        "changes": changes, "receipt": said.receipt,
    }));
    session.close().await;
    Ok(())
}

/// Whether it is in force, or what is missing.
fn outcome(federation: &Federation, digest: potluck_core::Blake3, output: &Output) {
    match federation.amendments().get(&digest) {
        Some(amendment) => {
            output.line(format!("The charter {digest} is put to the vote."));
            progress(federation, amendment).into_iter().for_each(|line| output.line(line));
        }
        None => output
            .line(format!("Version {} of the charter is in force.", federation.charter_version())),
    }
}
