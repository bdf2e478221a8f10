//! `potluck keygen`: one key, in a file of its own.

use std::fmt;
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;

use crate::failure::Failure;
use crate::folder::{Passphrase, create_key};
use crate::output::Output;

/// Make a key
///
/// Writes an Ed25519 key to FILE (PKCS#8 in PEM, mode 0600) and prints its public half. FILE must not exist. Whoever
/// holds the key is its owner, and a copy is the only way back to it. Under a passphrase it is of no use to
/// whoever only copies the file; it is asked for whenever the key is read, or taken from the file that
/// POTLUCK_PASSPHRASE_FILE names.
///
/// Example: potluck keygen --role transport --out mine/keys/transport.pem
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to put it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What it is for; the key is of the same kind for all
    #[arg(long, value_name = "ROLE", default_value = "sign")]
    role: Role,
    /// Encrypt it; the passphrase is asked for at the terminal
    #[arg(long, conflicts_with = "passphrase_file")]
    passphrase: bool,
    /// Encrypt it; the passphrase is the first line of FILE, which only you can read
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Signs what a party or the operator says
    Sign,
    /// Connects to the aggregator
    Transport,
    /// Cosigns checkpoints
    Witness,
    /// Signs the log, and answers for the aggregator
    Log,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::Transport => "transport",
            Self::Witness => "witness",
            Self::Log => "log",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Takes the passphrase, then makes the key.
pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let passphrase = match &args.passphrase_file {
        Some(path) => Some(Passphrase::from_file(path)?),
        None if args.passphrase => Some(Passphrase::ask_new()?),
        None => None,
    };
    let key = create_key(&args.out, passphrase.as_ref())?.public();
    let sealed = if passphrase.is_some() { ", under its passphrase" } else { "" };
    output.line(format!("{} holds a {} key{sealed}.", args.out.display(), args.role));
    output.line(format!("public key  {key}"));
    output.line(format!("key id      {}", key.id()));
    output.result(&json!({
        "file": args.out,
        "role": args.role.as_str(),
        "key": key.to_string(),
        "key_id": key.id().to_string(),
        "encrypted": passphrase.is_some(),
    }));
    Ok(())
}
