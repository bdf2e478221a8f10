//! `potluck evidence`: what a log has signed twice, proved to whoever knows its key, and looked for between two readers.

mod compare;
mod verify;

use std::path::Path;

use potluck_log::VerifierKey;

use crate::failure::Failure;
use crate::folder::{Folder, verifier_key};
use crate::output::Output;

/// Prove that a log told two stories, or look for it between two readers
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Verify(verify::Args),
    Compare(compare::Args),
}

/// Runs one of them.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    match &args.command {
        Command::Verify(args) => verify::run(args, output),
        Command::Compare(args) => compare::run(args, output).await,
    }
}

/// By which key the log is known: given, or that of a member's folder.
#[derive(Debug, clap::Args)]
struct Pinned {
    /// The log's public key, as the operator gave it out (name+id+key)
    #[arg(long, value_name = "KEY")]
    log_key: Option<String>,
    /// A member's folder, for its log key [default: this one]
    #[arg(long, value_name = "DIR", conflicts_with = "log_key")]
    dir: Option<std::path::PathBuf>,
}

impl Pinned {
    fn key(&self) -> Result<VerifierKey, Failure> {
        match &self.log_key {
            Some(text) => {
                verifier_key(text).map_err(|error| Failure::input(format!("--log-key: {error}")))
            }
            None => {
                let dir = self.dir.as_deref().unwrap_or(Path::new("."));
                Ok(Folder::open(dir)?.log_key().clone())
            }
        }
    }
}
