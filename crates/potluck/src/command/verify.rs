//! `potluck verify`: receipts, without a network.

use std::path::{Path, PathBuf};

use potluck_log::VerifierKey;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::folder::{Folder, verifier_key};
use crate::output::Output;
use crate::recorded::Recorded;

/// Verify receipts without a network
///
/// A receipt proves that the log whose key is given acknowledged an envelope. Whoever holds it can show it to
/// anybody.
///
/// Example: potluck verify --dir mine mine/receipts/*.json
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The receipts, as they are kept in a member's folder
    #[arg(required = true, value_name = "RECEIPT")]
    receipts: Vec<PathBuf>,
    /// A member's folder, for its log key [default: this one]
    #[arg(long, value_name = "DIR", conflicts_with = "log_key")]
    dir: Option<PathBuf>,
    /// The log's public key, as the operator gave it out (name+id+key)
    #[arg(long, value_name = "KEY")]
    log_key: Option<String>,
}

/// Verifies each; the first that does not verify ends it.
pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let log = match (&args.log_key, &args.dir) {
        (Some(text), _) => {
            verifier_key(text).map_err(|error| Failure::input(format!("--log-key: {error}")))?
        }
        (None, dir) => Folder::open(dir.as_deref().unwrap_or(Path::new(".")))?.log_key().clone(),
    };
    let verified = args.receipts.iter().map(|path| verify(path, &log, output));
    let verified: Vec<Value> = verified.collect::<Result<_, _>>()?;
    output.result(&json!({"ok": true, "receipts": verified}));
    Ok(())
}

fn verify(path: &Path, log: &VerifierKey, output: &Output) -> Result<Value, Failure> {
    let Recorded { envelope, receipt, logged } = Recorded::read(path, log)?;
    let (kind, size) = (envelope.domain().kind, logged.checkpoint().size());
    output.line(format!(
        "✓ {}: {} is entry {} of {} in {}",
        path.display(),
        kind.as_str(),
        receipt.index,
        size,
        log.name()
    ));
    Ok(json!({"path": path, "index": receipt.index, "kind": kind, "size": size}))
}
