//! A party's folder and keys, for an operator who admits it by hand. Nothing is sent.

use std::path::Path;

use potluck_core::{PartyId, PublicKey};
use potluck_log::VerifierKey;
use serde_json::json;

use crate::durable::{self, Readers};
use crate::failure::Failure;
use crate::folder::{
    Folder, PARTY_FILE, PARTY_KEY, Passphrases, WITNESS_KEY, create_key, party_text, read_key,
    verifier_key,
};
use crate::output::Output;

/// What is to be made.
pub(super) struct Plan<'a> {
    /// The folder; it may exist already.
    pub(super) dir: &'a Path,
    /// The party's name, as the charter has it.
    pub(super) party: &'a str,
    /// Where the aggregator is.
    pub(super) address: &'a str,
    /// The log's public key.
    pub(super) log_key: &'a str,
}

/// Makes the key, then the settings, which are written last: a folder that has them is whole.
pub(super) fn run(args: &Plan<'_>, output: &Output) -> Result<(), Failure> {
    let party: PartyId =
        args.party.parse().map_err(|error| Failure::input(format!("--party: {error}")))?;
    let log_key = verifier_key(args.log_key)
        .map_err(|error| Failure::input(format!("--log-key: {error}")))?;
    let (key, already) = match joined_before(args.dir)? {
        Some(folder) => (same(&folder, &party, args, &log_key)?, true),
        None => (settle(args.dir, &party, args, &log_key)?, false),
    };
    let witness = Folder::party(args.dir)?.witness()?.map(|witness| witness.public());
    report(args, &party, &key, witness.as_ref(), already, output);
    Ok(())
}

fn joined_before(dir: &Path) -> Result<Option<Folder>, Failure> {
    if dir.join(PARTY_FILE).exists() { Folder::party(dir).map(Some) } else { Ok(None) }
}

/// The key of a folder that says the same already.
fn same(
    folder: &Folder,
    party: &PartyId,
    args: &Plan<'_>,
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
    args: &Plan<'_>,
    log_key: &VerifierKey,
) -> Result<PublicKey, Failure> {
    let key_path = dir.join(PARTY_KEY);
    // A key without settings is what a kill left; it is as good as a new one.
    let key = if key_path.exists() {
        read_key(&key_path, &Passphrases::of_environment())?
    } else {
        create_key(&key_path, None)?
    };
    let witness = dir.join(WITNESS_KEY);
    if !witness.exists() {
        create_key(&witness, None)?;
    }
    let settings = dir.join(PARTY_FILE);
    let text = party_text(party, args.address, log_key);
    durable::write(&settings, text.as_bytes(), Readers::Anyone).map_err(|error| {
        Failure::system(format!("cannot write {}: {error}", settings.display()))
    })?;
    Ok(key.public())
}

fn report(
    args: &Plan<'_>,
    party: &PartyId,
    key: &PublicKey,
    witness: Option<&PublicKey>,
    already: bool,
    output: &Output,
) {
    output.line(format!("{} is the folder of {party}.", args.dir.display()));
    output.line("Send this line to the operator:");
    let cosigns = witness.map_or_else(String::new, |key| format!(" --witness {key}"));
    output.line(format!("  potluck admit {party} {key}{cosigns}"));
    output.result(&json!({
        "dir": args.dir, "party": party, "key": key.to_string(),
        "witness": witness.map(PublicKey::to_string), "already": already,
    }));
}
