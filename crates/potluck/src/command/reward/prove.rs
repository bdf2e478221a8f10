//! `potluck reward prove`: a definition shown to one auditor, signed.

use std::path::{Path, PathBuf};

use potluck_core::PublicKey;
use potluck_core::reward::{Opening, ProveError};
use serde_json::json;

use super::{Shown, VERSION, definition, nonce, nonce_path};
use crate::durable::{self, Readers};
use crate::failure::{Failure, in_full};
use crate::folder::Folder;
use crate::output::Output;
use crate::recorded::KeptReceipt;
use crate::recorded::{Recorded, submission_receipt};

/// Show an auditor the reward that a submission is bound to (party)
///
/// The proof names the auditor and is signed by your key. It holds the definition itself: send it to nobody else.
///
/// Example: potluck reward prove --dir mine 4 reward.toml --to ed25519:KEY --out proof.json
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Your folder, as `potluck join` made it
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The submission: its entry's index, or the file of its receipt
    #[arg(value_name = "INDEX|RECEIPT")]
    submission: String,
    /// The file that defines the reward
    reward: PathBuf,
    /// The file of the nonce [default: the definition's, ending in .nonce]
    #[arg(long, value_name = "FILE")]
    nonce: Option<PathBuf>,
    /// The auditor's public key
    #[arg(long, value_name = "KEY")]
    to: PublicKey,
    /// Where to write the proof, readable by you alone
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Checks that the proof will verify, signs it, writes it with the submission's receipt.
pub(super) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let folder = Folder::open(&args.dir)?;
    let (definition, nonce) =
        (definition(&args.reward)?, nonce(&nonce_path(&args.reward, args.nonce.as_deref()))?);
    let path = submission_receipt(&folder, &args.submission);
    let Recorded { envelope, receipt, logged } = Recorded::read(&path, folder.log_key())?;
    let proof = Opening::prove(&envelope, folder.signer()?.as_ref(), args.to, &definition, &nonce)
        .map_err(|error| explained(&error).about(path.display()))?;
    let proof = String::from_utf8(proof).map_err(Failure::system)?;
    let submission = KeptReceipt::new(&envelope, &receipt);
    write(&args.out, &Shown { v: VERSION, proof, submission })?;

    output.line(format!("Entry {} is shown to {}.", logged.index(), args.to));
    output.line(format!("Proof, for nobody else: {}", args.out.display()));
    output.result(&json!({"index": logged.index(), "auditor": args.to, "proof": args.out}));
    Ok(())
}

fn explained(error: &ProveError) -> Failure {
    let failure = Failure::input(in_full(error));
    match error {
        ProveError::OtherReward => failure.hint("--nonce names the file that was made with it"),
        ProveError::Unbound => failure.hint("push with a card, or with --reward-commitment"),
        ProveError::NotASubmission => failure.hint("--dir names the folder of whoever pushed it"),
        ProveError::Definition | ProveError::Signer(_) => failure,
    }
}

fn write(path: &Path, shown: &Shown) -> Result<(), Failure> {
    let text = serde_json::to_vec_pretty(shown).map_err(Failure::system)?;
    durable::write(path, &text, Readers::Owner)
        .map_err(|error| Failure::system(format!("cannot write {}: {error}", path.display())))
}
