//! `potluck bundle`: a recorded submission for tools that know no Potluck.

use std::path::{Path, PathBuf};

use potluck_core::bundle::Bundle;
use potluck_interchange::{export, sshsig};
use potluck_log::{TlogProof, VerifierKey};
use serde_json::json;

use crate::failure::{Failure, in_full};
use crate::folder::Folder;
use crate::interchange::{Companions, write};
use crate::output::Output;
use crate::recorded::{Recorded, read_bounded, submission_receipt};

/// The largest certificate or SSH signature that is read, in bytes: ours have less than a tenth.
const MAX_COMPANION: u64 = 16 << 10;

/// Export a submission for model-signing, Sigstore and OpenSSH (party)
///
/// Writes what others need to verify a submitted expert without Potluck: the Sigstore bundle with the log's proof in
/// it, your certificate, the signed statement, and an SSH signature of it with the line that allows your key.
///
/// Example: potluck bundle --dir mine 4 --out expert.sigstore.json
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Your folder, as `potluck join` made it
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The submission: its entry's index, or the file of its receipt
    #[arg(value_name = "INDEX|RECEIPT")]
    submission: String,
    /// Where to write the bundle; the other files stand beside it, under the same name
    #[arg(long, value_name = "FILE.sigstore.json")]
    out: PathBuf,
    /// Where to write your certificate, if not beside the bundle
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// Verifies the receipt, exports the bundle, copies what was signed with it.
pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let folder = Folder::open(&args.dir)?;
    let path = submission_receipt(&folder, &args.submission);
    let recorded = Recorded::read(&path, folder.log_key())?;
    let bundle = exported(&recorded, folder.log_key());
    let bundle = bundle.map_err(|failure| failure.about(path.display()))?;
    let companions = Companions::of(&path);
    let (certificate, signature, allowed) =
        (kept(&companions.certificate)?, kept(&companions.signature)?, kept(&companions.allowed)?);

    let files = Files::beside(&args.out, args.ca.as_deref());
    let statement = recorded.envelope.bundle().map_or(&[][..], Bundle::payload);
    write(&files.statement, statement)?;
    write(&files.certificate, &certificate)?;
    write(&files.signature, &signature)?;
    write(&files.allowed, &allowed)?;
    write(&args.out, &bundle)?;
    report(&args.out, &files, &signer(&allowed), &recorded, output);
    Ok(())
}

fn exported(recorded: &Recorded, log: &VerifierKey) -> Result<Vec<u8>, Failure> {
    let Recorded { envelope, receipt, .. } = recorded;
    let proof: TlogProof =
        receipt.proof.parse().map_err(|error| Failure::input(in_full(&error)))?;
    export(envelope, &receipt.record, &proof, log).map_err(|error| Failure::input(in_full(&error)))
}

/// Whom a line of allowed signers names.
fn signer(allowed: &[u8]) -> String {
    let line = String::from_utf8_lossy(allowed);
    line.split_whitespace().next().unwrap_or_default().to_owned()
}

fn kept(path: &Path) -> Result<Vec<u8>, Failure> {
    read_bounded(path, MAX_COMPANION)
        .map_err(|failure| failure.hint("push the expert again: what is missing is made then"))
}

/// What is written beside the bundle.
struct Files {
    certificate: PathBuf,
    signature: PathBuf,
    allowed: PathBuf,
    statement: PathBuf,
}

impl Files {
    fn beside(out: &Path, certificate: Option<&Path>) -> Self {
        let name = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stem = name.strip_suffix(".sigstore.json").or_else(|| name.strip_suffix(".json"));
        let stem = stem.unwrap_or(&name);
        let beside = |ending: &str| out.with_file_name(format!("{stem}.{ending}"));
        Self {
            certificate: certificate.map_or_else(|| beside("ca.pem"), Path::to_owned),
            signature: beside("sshsig"),
            allowed: beside("allowed_signers"),
            statement: beside("statement.json"),
        }
    }
}

fn report(out: &Path, files: &Files, who: &str, recorded: &Recorded, output: &Output) {
    let Files { certificate, signature, allowed, statement } = files;
    output.line(format!("Bundle of entry {}: {}", recorded.logged.index(), out.display()));
    output.line("Verify it, MODEL being the expert's folder:");
    output.line(format!(
        "  model_signing verify certificate --signature {} --certificate_chain {} MODEL",
        out.display(),
        certificate.display()
    ));
    output.line(format!(
        "  ssh-keygen -Y verify -n {} -I {who} -f {} -s {} < {}",
        sshsig::MANIFEST,
        allowed.display(),
        signature.display(),
        statement.display()
    ));
    output.result(&json!({
        "index": recorded.logged.index(), "bundle": out, "ca": certificate, "sshsig": signature,
        "allowed_signers": allowed, "statement": statement, "signer": who,
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stand_beside_the_bundle() {
        for (out, ca) in
            [("x/e.sigstore.json", "x/e.ca.pem"), ("e.json", "e.ca.pem"), ("e", "e.ca.pem")]
        {
            assert_eq!(Files::beside(Path::new(out), None).certificate, Path::new(ca));
        }
        let elsewhere = Files::beside(Path::new("x/e.json"), Some(Path::new("ca.pem")));
        assert_eq!(
            (elsewhere.certificate, elsewhere.signature),
            ("ca.pem".into(), "x/e.sshsig".into())
        );
    }
}
