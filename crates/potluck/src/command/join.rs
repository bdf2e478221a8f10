//! `potluck join`: a party's folder and key.

use std::path::{Path, PathBuf};

use potluck_core::{PartyId, PublicKey};
use potluck_log::VerifierKey;
use serde_json::json;

use crate::durable::{self, Readers};
use crate::failure::Failure;
use crate::folder::{
    Folder, PARTY_FILE, PARTY_KEY, Passphrases, create_key, party_text, read_key, verifier_key,
};
use crate::output::Output;

/// Make a party's folder and key
///
/// Prints the line with which the operator admits the key. Nothing is sent. The private key stays in
/// DIR/keys/party.pem: whoever holds it speaks for the party, and a copy is the only way back to it.
///
/// Example: potluck join mine --party readers --address kitchen.example:4433 --log-key potluck/news+…
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder to make; it may exist already
    dir: PathBuf,
    /// The party's name, as the charter has it
    #[arg(long, value_name = "NAME")]
    party: String,
    /// Where the aggregator is
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// The log's public key, as the operator gave it out (name+id+key)
    #[arg(long, value_name = "KEY")]
    log_key: String,
}

/// Makes the key, then the settings, which are written last: a folder that has them is whole.
pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let party: PartyId =
        args.party.parse().map_err(|error| Failure::input(format!("--party: {error}")))?;
    let log_key = verifier_key(&args.log_key)
        .map_err(|error| Failure::input(format!("--log-key: {error}")))?;
    let (key, already) = match joined_before(&args.dir)? {
        Some(folder) => (same(&folder, &party, args, &log_key)?, true),
        None => (settle(&args.dir, &party, args, &log_key)?, false),
    };
    report(args, &party, &key, already, output);
    Ok(())
}

fn joined_before(dir: &Path) -> Result<Option<Folder>, Failure> {
    if dir.join(PARTY_FILE).exists() { Folder::party(dir).map(Some) } else { Ok(None) }
}

/// The key of a folder that says the same already.
fn same(
    folder: &Folder,
    party: &PartyId,
    args: &Args,
    log_key: &VerifierKey,
) -> Result<PublicKey, Failure> {
    let is_same = folder.party_id() == Some(party)
        && folder.log_key() == log_key
        && folder.address() == args.address;
    if is_same {
        return Ok(folder.signer()?.public());
    }
    let message = format!("{folder} has joined already, as another party or elsewhere");
    Err(Failure::input(message).hint(format!("edit {PARTY_FILE}, or join in another folder")))
}

fn settle(
    dir: &Path,
    party: &PartyId,
    args: &Args,
    log_key: &VerifierKey,
) -> Result<PublicKey, Failure> {
    let key_path = dir.join(PARTY_KEY);
    // A key without settings is what a kill left; it is as good as a new one.
    let key = if key_path.exists() {
        read_key(&key_path, &Passphrases::of_environment())?
    } else {
        create_key(&key_path, None)?
    };
    let settings = dir.join(PARTY_FILE);
    let text = party_text(party, &args.address, log_key);
    durable::write(&settings, text.as_bytes(), Readers::Anyone).map_err(|error| {
        Failure::system(format!("cannot write {}: {error}", settings.display()))
    })?;
    Ok(key.public())
}

fn report(args: &Args, party: &PartyId, key: &PublicKey, already: bool, output: &Output) {
    output.line(format!("{} is the folder of {party}.", args.dir.display()));
    output.line("Send this line to the operator:");
    output.line(format!("  potluck admit {party} {key}"));
    output.result(&json!({
        "dir": args.dir, "party": party, "key": key.to_string(), "already": already,
    }));
}
