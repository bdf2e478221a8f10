//! That it bites: five attacks with real processes, each refused by its own code, the ledger unchanged.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::federation::Federation;
use super::outcome::Refused;
use super::stage::{Stage, arg};
use crate::process::Ended;

/// The quiet NaN of binary32, in the byte order of safetensors.
const NAN: [u8; 4] = [0x00, 0x00, 0xc0, 0x7f];

/// What the attacks are made from.
pub(crate) struct Victim<'a> {
    /// The party whose expert and key are misused.
    pub(crate) party: &'a str,
    /// Its folder.
    pub(crate) dir: &'a Path,
    /// Its outbox.
    pub(crate) outbox: &'a Path,
    /// An outbox that was trained from another base.
    pub(crate) foreign: &'a Path,
}

/// Tries everything.
///
/// # Errors
/// When an attack cannot even be mounted.
pub(crate) fn all(stage: &Stage, federation: &Federation, victim: &Victim) -> Result<Vec<Refused>> {
    let before = federation.ledger(&stage.programs)?;
    let tried: [(&str, &str, Attack); 5] = [
        ("one byte flipped in an expert on disk", "stored-content-corrupt", flipped_on_disk),
        ("one byte flipped in an upload", "content-corrupt", flipped_upload),
        ("an expert signed by a stranger's key", "key-unknown", stranger),
        ("an expert trained from another base", "base-mismatch", foreign_base),
        ("an expert with a NaN", "weights-not-finite", not_a_number),
    ];
    let mut refused = Vec::new();
    for (case, expected, attack) in tried {
        let ended = attack(stage, federation, victim)?;
        let code = ended.json["error"]["code"].as_str().unwrap_or_default().to_owned();
        let unchanged = federation.ledger(&stage.programs)? == before;
        println!("  {case}: {}", if code.is_empty() { "let through" } else { &code });
        refused.push(Refused { case, code, expected, unchanged });
    }
    Ok(refused)
}

type Attack = fn(&Stage, &Federation, &Victim) -> Result<Ended>;

/// The aggregator's disk lies: a reader asks for the expert.
fn flipped_on_disk(stage: &Stage, federation: &Federation, victim: &Victim) -> Result<Ended> {
    let expert = victim.outbox.join("model.safetensors");
    let stored = stored_twin(&federation.operator.join("store/blobs"), &expert)?;
    let mut bytes = fs::read(&stored)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&stored, &bytes)?;
    let out = stage.path("reader");
    let mut args = vec!["pull", "--address", &federation.address, "--log-key", &federation.log_key];
    args.extend(["--out", arg(&out)?, "expert", victim.party]);
    let ended = stage.programs.potluck("flipped on disk", &args)?;
    bytes[middle] ^= 1;
    fs::write(&stored, &bytes)?;
    Ok(ended)
}

/// A client that sends other bytes than it signed.
fn flipped_upload(stage: &Stage, federation: &Federation, victim: &Victim) -> Result<Ended> {
    let mut hostile = Command::new(stage.programs.path("hostile"));
    hostile.args([
        "flipped-upload",
        "--address",
        &federation.address,
        "--log-key",
        &federation.log_key,
    ]);
    hostile.arg("--key").arg(victim.dir.join("keys/party.pem"));
    hostile.args(["--party", victim.party]);
    hostile.arg("--expert").arg(victim.outbox.join("model.safetensors"));
    stage.programs.run("flipped upload", hostile)
}

/// Somebody whom the operator never admitted, under the victim's name.
fn stranger(stage: &Stage, federation: &Federation, victim: &Victim) -> Result<Ended> {
    let dir = stage.path("stranger");
    federation.join(&stage.programs, victim.party, &dir)?;
    push(stage, "stranger", &dir, victim.outbox)
}

/// The party itself, with an expert that does not belong to this federation.
fn foreign_base(stage: &Stage, _: &Federation, victim: &Victim) -> Result<Ended> {
    push(stage, "foreign base", victim.dir, victim.foreign)
}

/// The party itself, with an expert that training broke.
fn not_a_number(stage: &Stage, _: &Federation, victim: &Victim) -> Result<Ended> {
    let broken = stage.path("not-a-number");
    fs::create_dir_all(&broken)?;
    fs::copy(victim.outbox.join("card.json"), broken.join("card.json"))?;
    let mut bytes = fs::read(victim.outbox.join("model.safetensors"))?;
    let end = bytes.len();
    bytes[end - NAN.len()..].copy_from_slice(&NAN);
    fs::write(broken.join("model.safetensors"), bytes)?;
    push(stage, "not a number", victim.dir, &broken)
}

fn push(stage: &Stage, title: &str, dir: &Path, outbox: &Path) -> Result<Ended> {
    // The party's own check would spare it the way: here the aggregator shall be the one to refuse.
    let args = ["push", "--dir", arg(dir)?, "--no-check", arg(outbox)?];
    stage.programs.potluck(title, &args)
}

/// The file in the store that holds the same bytes.
fn stored_twin(blobs: &Path, expert: &Path) -> Result<PathBuf> {
    let wanted = fs::read(expert)?;
    for shelf in fs::read_dir(blobs).with_context(|| format!("cannot list {}", blobs.display()))? {
        for blob in fs::read_dir(shelf?.path())? {
            let path = blob?.path();
            if path.metadata()?.len() == wanted.len() as u64 && fs::read(&path)? == wanted {
                return Ok(path);
            }
        }
    }
    anyhow::bail!("the store holds no copy of {}", expert.display())
}
