//! `potluck reward`: bind yourself to a reward, and show it to one auditor.

mod commit;
mod prove;
mod verify;

use std::path::{Path, PathBuf};

use potluck_core::reward::MAX_DEFINITION;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::output::Output;
use crate::recorded::KeptReceipt;
use crate::recorded::read_bounded;

/// Bind yourself to a reward, and show it to an auditor
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Commit(commit::Args),
    Prove(prove::Args),
    Verify(verify::Args),
}

/// Runs one of its commands.
pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    match &args.command {
        Command::Commit(args) => commit::run(args, output),
        Command::Prove(args) => prove::run(args, output),
        Command::Verify(args) => verify::run(args, output),
    }
}

/// What is handed to the auditor: the proof, and the submission with its receipt.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    v: u8,
    proof: String,
    submission: KeptReceipt,
}

/// The format's version.
const VERSION: u8 = 1;

/// The largest such file that is read, in bytes.
const MAX_SHOWN: u64 = 12 << 20;

/// Where the nonce of a definition is kept, unless somebody says otherwise.
fn nonce_path(reward: &Path, said: Option<&Path>) -> PathBuf {
    said.map_or_else(|| reward.with_extension("nonce"), Path::to_owned)
}

/// Reads a definition, whatever it is written in.
fn definition(path: &Path) -> Result<Vec<u8>, Failure> {
    let definition = read_bounded(path, MAX_DEFINITION as u64)?;
    if std::str::from_utf8(&definition).is_err() {
        return Err(Failure::input(format!("{} is no text in UTF-8", path.display())));
    }
    Ok(definition)
}

/// Reads a nonce: 32 bytes, as the trainer keeps it too.
fn nonce(path: &Path) -> Result<[u8; 32], Failure> {
    let bytes = read_bounded(path, 32)?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| {
        Failure::input(format!("{} has {length} bytes; a nonce has 32", path.display()))
    })
}
