//! `potluck reward commit`: the commitment of a definition, and the nonce that hides it.

use std::path::PathBuf;

use potluck_core::reward::commitment;
use serde_json::json;

use super::{definition, nonce, nonce_path};
use crate::durable::{self, Readers};
use crate::failure::Failure;
use crate::folder::random_seed;
use crate::output::Output;

/// Print the commitment of a reward's definition
///
/// The same definition and nonce give the same commitment, and `potluck train` writes it into its card. Other
/// trainers hand it in with `potluck push --reward-commitment`. Keep the nonce: without it nothing can be shown.
///
/// Example: potluck reward commit reward.toml
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file that defines the reward, a text of at most 64 KiB
    reward: PathBuf,
    /// The file of the nonce; drawn and written if it is not there [default: the definition's, ending in .nonce]
    #[arg(long, value_name = "FILE")]
    nonce: Option<PathBuf>,
}

/// Reads the definition, reads or draws the nonce, prints the commitment.
pub(super) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let definition = definition(&args.reward)?;
    let path = nonce_path(&args.reward, args.nonce.as_deref());
    if !path.exists() {
        durable::write(&path, &random_seed()?, Readers::Owner).map_err(|error| {
            Failure::system(format!("cannot keep the nonce {}: {error}", path.display()))
        })?;
    }
    let commitment = commitment(&definition, &nonce(&path)?);
    output.line(format!("Commitment: {commitment}"));
    output.line(format!("Nonce, to be kept secret: {}", path.display()));
    output.result(&json!({"commitment": commitment, "nonce": path}));
    Ok(())
}
