//! `potluck key request` and `potluck key recover`: a lost key is replaced by the votes of others.
//!
//! Who lost its key makes a new one and shows it to the others over a channel on which they know it; each of them who
//! is convinced records a vote. With as many as the charter asks for, the new key is in force.

use potluck_core::entry::{Proof, RecoverKey, possession_text};
use potluck_core::{Author, Body, PublicKey, Role, Signature};
use potluck_net::Tuning;
use serde_json::json;

use super::revoke::name;
use crate::failure::Failure;
use crate::folder::{
    Folder, OPERATOR_KEY, PARTY_KEY, Passphrases, create_key, random_key, read_key,
};
use crate::output::Output;
use crate::place::{Door, Member};
use crate::session::{MemberSession, Session};

/// Ask the others to vouch for a new signing key, because the old one is lost
///
/// Makes keys/party.pem anew where it is missing, and prints what to send to the others. Nothing is recorded.
///
/// Example: potluck key request --dir mine
#[derive(Debug, clap::Args)]
pub(super) struct RequestArgs {
    #[command(flatten)]
    member: Member,
}

/// Vouch for the new signing key of a member that lost its own
///
/// Compare the key with its owner over another channel first: with enough votes, whoever holds it speaks for the member.
///
/// Example: potluck key recover --dir mine readers ed25519:1f0c… 9a0b…
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    member: Member,
    /// Who lost its key: a party, or operator
    of: String,
    /// The new key, as `potluck key request` printed it
    key: String,
    /// The proof that it is held, as `potluck key request` printed it
    proof: String,
}

pub(super) async fn request(args: &RequestArgs, output: &Output) -> Result<(), Failure> {
    let folder = Folder::open(&args.member.dir)?;
    let author = folder.author().clone();
    let file = if author == Author::Operator { OPERATOR_KEY } else { PARTY_KEY };
    let path = args.member.dir.join(file);
    let key = if path.exists() {
        read_key(&path, &Passphrases::of_environment())?
    } else {
        create_key(&path, None)?
    };
    let door = Door {
        address: args.member.address.clone().unwrap_or_else(|| folder.address().to_owned()),
        log: folder.log_key().clone(),
        // The new key is nobody's yet.
        identity: random_key()?,
        memory: Some(folder.memory()),
        pki: folder.pki()?,
        witness: None,
        tuning: Tuning::default(),
    };
    let session = Session::open(door).await?;
    let federation = session.federation();
    if federation.members().owner(key.public().id()).is_some() {
        return Err(Failure::input(format!("{} is in force: nothing is lost", path.display()))
            .hint("move it away if others may have it, and revoke it"));
    }
    let votes = federation.charter().keys().recovery;
    let text = possession_text(federation.id(), &author, Role::Sign, &key.public());
    let proof = String::from(Signature::from_bytes(key.sign(text.as_bytes())));
    session.close().await;
    if votes == 0 {
        let message = "the charter lets nobody replace a lost key";
        return Err(Failure::unverified("not-permitted", message));
    }
    output.line(format!("Send this to the others; {votes} of them must record it:"));
    output.line(format!("  potluck key recover {author} {} {proof}", key.public()));
    output.result(&json!({
        "of": name(&author), "key": key.public().to_string(), "proof": proof, "votes": votes,
    }));
    Ok(())
}

pub(super) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let of = author(&args.of)?;
    let key: PublicKey = args.key.parse().map_err(Failure::input)?;
    let proof: Proof = Signature::try_from(args.proof.clone()).map_err(Failure::input)?;
    let folder = Folder::open(&args.member.dir)?;
    let mut session = MemberSession::open(&args.member, &folder).await?;
    let body = Body::RecoverKey(RecoverKey { of: of.clone(), key, proof });
    let said = session.say(body).await?;
    let federation = session.federation();
    let in_force = federation.members().owner(key.id()).is_some();
    let votes = federation.members().recovery(&of).and_then(|keys| keys.get(&key.id()));
    let (votes, needed) =
        (votes.map_or(0, |votes| votes.len()), federation.charter().keys().recovery);
    session.close().await;
    output.line(match in_force {
        true => format!("{of} signs with {key} now: entry {} of the ledger.", said.index),
        false => format!("Recorded as entry {}: {votes} of {needed} votes are in.", said.index),
    });
    output.result(&json!({
        "index": said.index, "of": name(&of), "key": key.to_string(), "in_force": in_force,
        "receipt": said.receipt,
    }));
    Ok(())
}

fn author(text: &str) -> Result<Author, Failure> {
    if text == "operator" {
        return Ok(Author::Operator);
    }
    text.parse().map(Author::Party).map_err(Failure::input)
}
