//! `potluck reward verify`: what an auditor was shown, without a network.

use std::path::{Path, PathBuf};

use potluck_core::PublicKey;
use potluck_core::reward::{Opening, RewardError};
use potluck_log::VerifierKey;
use serde_json::json;

use super::{MAX_SHOWN, Shown, VERSION};
use crate::failure::{Failure, in_full};
use crate::folder::{Folder, verifier_key};
use crate::output::Output;
use crate::recorded::{Recorded, read_bounded};

/// Verify a reward that a party showed you (auditor)
///
/// Checks that the log took in the submission, that the same key signed it and the proof, that the proof is made for
/// you, and that the definition is the one that the submission is bound to; then prints the definition.
///
/// Example: potluck reward verify --log-key KEY --to ed25519:KEY proof.json
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the party sent
    proof: PathBuf,
    /// Your folder, for the log's key and yours [default: this one]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The log's public key, as the operator gave it out (name+id+key)
    #[arg(long, value_name = "KEY")]
    log_key: Option<String>,
    /// Your public key, for which the proof is made [default: the folder's]
    #[arg(long, value_name = "KEY")]
    to: Option<PublicKey>,
}

/// Verifies the receipt, then the proof against the submission that it acknowledges.
pub(super) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let (log, auditor) = known(args)?;
    let shown = read(&args.proof)?;
    let recorded = Recorded::verified(shown.submission, &log, &args.proof)?;
    let opening = Opening::verify(shown.proof.as_bytes(), &recorded.envelope, &auditor);
    let opening = opening.map_err(|error| refused(&error).about(args.proof.display()))?;

    let index = recorded.logged.index();
    output.line(format!(
        "✓ {} bound itself to this reward in entry {index} of {}:",
        opening.party,
        log.name()
    ));
    output.line(printable(opening.definition()));
    output.result(&json!({
        "ok": true, "index": index, "party": opening.party, "key": opening.key,
        "commitment": opening.commitment, "definition": opening.definition(),
    }));
    Ok(())
}

/// A text of somebody else's for a terminal: indented, and without what would steer it.
fn printable(text: &str) -> String {
    let shown = |line: &str| {
        let line: String = line.chars().filter(|c| *c == '\t' || !c.is_control()).collect();
        format!("  {line}")
    };
    text.lines().map(shown).collect::<Vec<_>>().join("\n")
}

/// The log's key and the auditor's.
fn known(args: &Args) -> Result<(VerifierKey, PublicKey), Failure> {
    let log = args.log_key.as_deref().map(verifier_key).transpose();
    let log = log.map_err(|error| Failure::input(format!("--log-key: {error}")))?;
    if let (None, Some(log), Some(auditor)) = (&args.dir, &log, args.to) {
        return Ok((log.clone(), auditor));
    }
    let folder = Folder::open(args.dir.as_deref().unwrap_or(Path::new(".")))?;
    let auditor = match args.to {
        Some(auditor) => auditor,
        None => folder.signer()?.public(),
    };
    Ok((log.unwrap_or_else(|| folder.log_key().clone()), auditor))
}

fn read(path: &Path) -> Result<Shown, Failure> {
    let text = read_bounded(path, MAX_SHOWN)?;
    let malformed = |error: &dyn std::fmt::Display| {
        Failure::input(format!("{} is no proof of a reward: {error}", path.display()))
    };
    let shown: Shown = serde_json::from_slice(&text).map_err(|error| malformed(&error))?;
    if shown.v != VERSION {
        return Err(malformed(&format!("version {} is not known", shown.v)));
    }
    Ok(shown)
}

fn refused(error: &RewardError) -> Failure {
    let code = match error {
        RewardError::Malformed(_) | RewardError::Payload => "proof-malformed",
        RewardError::Signature | RewardError::NotItsKey => "signature-invalid",
        RewardError::OtherAuditor(_) => "other-auditor",
        RewardError::OtherSubmission => "other-submission",
        RewardError::Unbound | RewardError::OtherReward => "reward-mismatch",
    };
    Failure::unverified(code, in_full(error))
}
