//! `potluck key rotate`: a new key in the place of an old one.
//!
//! ```text
//! make keys/NAME.next.pem ─▶ record rotate_key, signed with the old key ─▶ NAME.pem becomes NAME.old-ID.pem,
//!                                                                         NAME.next.pem becomes NAME.pem
//! ```
//!
//! A kill between any two steps is mended by running the command again: it goes on with the key that it made.

use std::fs;
use std::path::{Path, PathBuf};

use potluck_core::entry::{RotateKey, handover_text, possession_text};
use potluck_core::{Author, Body, Federation, PrivateKey, PublicKey, Role, Signature};
use serde_json::json;

use crate::failure::Failure;
use crate::folder::{
    Folder, LOG_KEY, OPERATOR_KEY, PARTY_KEY, Passphrases, TRANSPORT_KEY, WITNESS_KEY, create_key,
    read_key,
};
use crate::ledger::log_key;
use crate::output::Output;
use crate::place::Member;
use crate::session::MemberSession;

/// Put a new key in the place of one of your own
///
/// The old key signs for the new one, and is void from then on. The old file is kept as keys/NAME.old-ID.pem.
///
/// The log's key is rotated in the federation's folder, while the aggregator runs: it takes the new one from there. As long
/// as it finds the old file too, it signs with both, for those who have not followed yet with `potluck key pin`; move
/// the old file away and start it again when they have, or at once if somebody else may hold the key.
///
/// Example: potluck key rotate --dir mine
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    member: Member,
    /// Which key
    #[arg(long, value_enum, default_value = "sign")]
    role: RoleName,
}

/// A role as a flag has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum RoleName {
    /// Signs what you say
    Sign,
    /// Is your identity on the network
    Transport,
    /// Cosigns checkpoints
    Witness,
    /// Signs the log's checkpoints: the operator's alone, on the aggregator's machine
    Log,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Sign => Self::Sign,
            RoleName::Transport => Self::Transport,
            RoleName::Witness => Self::Witness,
            RoleName::Log => Self::Log,
        }
    }
}

pub(super) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let folder = Folder::open(&args.member.dir)?;
    let (role, author) = (Role::from(args.role), folder.author().clone());
    let place = args.member.dir.join(file(role, &author));
    let next = place.with_extension("next.pem");
    let passphrases = Passphrases::of_environment();
    check_place(&folder, role, &place, &passphrases)?;
    let new = if next.exists() { read_key(&next, &passphrases)? } else { create_key(&next, None)? };

    let mut session = MemberSession::open(&args.member, &folder).await?;
    let in_force = in_force(session.federation(), &author, role);
    let index = if in_force == Some(new.public()) {
        None
    } else {
        let text = possession_text(session.federation().id(), &author, role, &new.public());
        let proof = Signature::from_bytes(new.sign(text.as_bytes()));
        let handover = match role {
            Role::Log => Some(hand_over(session.federation(), &place, &new, &passphrases)?),
            _ => None,
        };
        let body = Body::RotateKey(RotateKey { role, key: new.public(), proof, handover });
        Some(session.say(body).await?.index)
    };
    session.close().await;
    if role == Role::Log {
        folder.pin(&log_key(folder.log_key(), &new.public())?)?;
    }
    let kept = put_in_place(&place, &next, &passphrases)?;
    report(role, &new, index, kept.as_deref(), output);
    Ok(())
}

fn file(role: Role, author: &Author) -> &'static str {
    match (role, author) {
        (Role::Sign, Author::Operator) => OPERATOR_KEY,
        (Role::Sign, Author::Party(_)) => PARTY_KEY,
        (Role::Transport, _) => TRANSPORT_KEY,
        (Role::Witness, _) => WITNESS_KEY,
        (Role::Log, _) => LOG_KEY,
    }
}

fn in_force(federation: &Federation, author: &Author, role: Role) -> Option<PublicKey> {
    match role {
        Role::Log => Some(*federation.log()),
        role => federation.members().get(author).and_then(|member| member.key(role)),
    }
}

/// The old log key's word for the new one.
fn hand_over(
    federation: &Federation,
    place: &Path,
    new: &PrivateKey,
    passphrases: &Passphrases,
) -> Result<Signature, Failure> {
    let old = read_key(place, passphrases)?;
    if old.public() != *federation.log() {
        let message = format!("{} is not the log's key in force", place.display());
        return Err(Failure::input(message));
    }
    let text = handover_text(federation.id(), &old.public(), &new.public());
    Ok(Signature::from_bytes(old.sign(text.as_bytes())))
}

/// That the signing key in force is the one in the folder's own place: elsewhere its owner keeps it.
fn check_place(
    folder: &Folder,
    role: Role,
    place: &Path,
    passphrases: &Passphrases,
) -> Result<(), Failure> {
    match role {
        Role::Sign => {}
        Role::Log if *folder.author() != Author::Operator => {
            return Err(Failure::input(format!("{folder} is a party's, and a party has no log")));
        }
        Role::Log if !place.exists() && !place.with_extension("next.pem").exists() => {
            return Err(Failure::input(format!("there is no {}", place.display()))
                .hint("run this in the federation's folder, where the aggregator has its keys"));
        }
        _ => return Ok(()),
    }
    let signs = folder.signer()?.public();
    if place.exists() && read_key(place, passphrases)?.public() == signs {
        return Ok(());
    }
    Err(Failure::input(format!("{folder} signs with a key that is not in {}", place.display()))
        .hint("remove `sign` from its settings once the key in keys/ is to take its place"))
}

/// Renames the new key to its place; where an old one was, it is kept under its id.
fn put_in_place(
    place: &Path,
    next: &Path,
    passphrases: &Passphrases,
) -> Result<Option<PathBuf>, Failure> {
    let moved = |from: &Path, to: &Path| {
        fs::rename(from, to).map_err(|error| {
            Failure::system(format!(
                "cannot rename {} to {}: {error}",
                from.display(),
                to.display()
            ))
        })
    };
    let kept = if place.exists() {
        let old = read_key(place, passphrases)?.public().id().short();
        let kept = place.with_extension(format!("old-{old}.pem"));
        moved(place, &kept)?;
        Some(kept)
    } else {
        None
    };
    moved(next, place)?;
    Ok(kept)
}

fn report(role: Role, new: &PrivateKey, index: Option<u64>, kept: Option<&Path>, output: &Output) {
    let key = new.public();
    match index {
        Some(index) => {
            output.line(format!("Your {role} key is {key} now: entry {index} of the ledger."))
        }
        None => output.line(format!("Your {role} key is {key}: it was in force already.")),
    }
    if let Some(kept) = kept {
        output.line(format!("The old one is void; it is kept as {}.", kept.display()));
    }
    if role == Role::Log {
        output.line("Members follow with `potluck key pin`; give new readers the new log_key of operator.toml.");
    }
    output.result(&json!({
        "role": role, "key": key.to_string(), "id": key.id(), "index": index, "old": kept,
    }));
}
