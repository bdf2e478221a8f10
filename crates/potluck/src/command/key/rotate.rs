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

use potluck_core::entry::{RotateKey, possession_text};
use potluck_core::{Author, Body, PrivateKey, Role, Signature};
use serde_json::json;

use crate::failure::Failure;
use crate::folder::{
    Folder, OPERATOR_KEY, PARTY_KEY, Passphrases, TRANSPORT_KEY, WITNESS_KEY, create_key, read_key,
};
use crate::output::Output;
use crate::place::Member;
use crate::session::MemberSession;

/// Put a new key in the place of one of your own
///
/// The old key signs for the new one, and is void from then on. The old file is kept as keys/NAME.old-ID.pem.
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
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Sign => Self::Sign,
            RoleName::Transport => Self::Transport,
            RoleName::Witness => Self::Witness,
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
    let in_force = session.federation().members().get(&author).and_then(|member| member.key(role));
    let index = if in_force == Some(new.public()) {
        None
    } else {
        let text = possession_text(session.federation().id(), &author, role, &new.public());
        let proof = Signature::from_bytes(new.sign(text.as_bytes()));
        let body = Body::RotateKey(RotateKey { role, key: new.public(), proof });
        Some(session.say(body).await?.index)
    };
    session.close().await;
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
    }
}

/// That the signing key in force is the one in the folder's own place: elsewhere its owner keeps it.
fn check_place(
    folder: &Folder,
    role: Role,
    place: &Path,
    passphrases: &Passphrases,
) -> Result<(), Failure> {
    if role != Role::Sign {
        return Ok(());
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
    output.result(&json!({
        "role": role, "key": key.to_string(), "id": key.id(), "index": index, "old": kept,
    }));
}
