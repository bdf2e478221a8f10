//! The parties' experts through a real federation: pushed, admitted, pulled, souped, published, audited.
//!
//! What is scored afterwards are the experts as they were pulled.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::pieces::piece;
use super::text::{rounded, text_of};
use crate::federation::{self, Federation};
use crate::process::{Programs, arg};

/// Who tells the story, and with what.
pub(super) struct Story<'a> {
    /// The product's programs.
    pub(super) programs: &'a Programs,
    /// The folder of the study's seed.
    pub(super) dir: &'a Path,
    /// The federation's name.
    pub(super) name: &'a str,
    /// The base, and its digest.
    pub(super) base: (&'a Path, &'a Value),
    /// The parties in their order, each with its outbox and the digest of its expert.
    pub(super) parties: Vec<(&'a str, &'a Path, &'a Value)>,
}

/// Where a party's expert lies once it was pulled, in the folder of a study's seed.
pub(super) fn pulled(dir: &Path, party: &str) -> PathBuf {
    dir.join("federation/experts").join(party)
}

/// Tells the whole story once, and what came of it.
///
/// # Errors
/// When a program fails, or the auditor's soup is not the published one.
pub(super) fn told(story: &Story) -> Result<Value> {
    let parties: Vec<String> =
        story.parties.iter().map(|(party, ..)| (*party).to_owned()).collect();
    let digests: Vec<&Value> = story.parties.iter().map(|(.., digest)| *digest).collect();
    let inputs = json!({"base": story.base.1, "experts": digests});
    piece(&story.dir.join("federation"), &inputs, |dir| {
        // A federation that was begun is not gone on with: its server is gone.
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                fs::remove_dir_all(path)?;
            }
        }
        let charter = dir.join("charter.toml");
        fs::write(&charter, rules(story.name, &parties))?;
        let programs = story.programs;
        let federation = federation::found(programs, dir.join("operator"), &charter, story.base.0)?;
        let homes: Vec<PathBuf> =
            parties.iter().map(|party| dir.join("parties").join(party)).collect();
        for ((party, outbox, _), home) in story.parties.iter().zip(&homes) {
            let key = federation.join(programs, party, home)?;
            federation.admit(programs, party, &key)?;
            let args = ["push", "--dir", arg(home)?, arg(outbox)?];
            programs.succeed(&format!("push {party}"), &args)?;
        }
        for party in &parties {
            let out = pulled(story.dir, party);
            let args = ["pull", "--dir", arg(&homes[0])?, "--out", arg(&out)?, "expert", party];
            programs.succeed(&format!("pull {party}"), &args)?;
        }
        let equal = rounded(vec![1.0 / parties.len() as f64; parties.len()]);
        let first = soup(story, &federation, &homes, &parties, &equal)?;
        let mut other = equal;
        (other[0], other[1]) = (other[0] + 0.1, other[1] - 0.1);
        let second = soup(story, &federation, &homes, &parties, &rounded(other))?;
        let audit = federation.audit(programs, &dir.join("auditor"))?;
        let soups = audit["soups"].as_array().map(Vec::as_slice).unwrap_or_default();
        let recomputed: Vec<&Value> = soups.iter().map(|soup| &soup["recomputed_blake3"]).collect();
        ensure!(audit["ok"] == true, "the audit failed: {audit}");
        ensure!(
            recomputed == [&first["blake3"], &second["blake3"]],
            "the auditor's soups {recomputed:?} are not the published ones"
        );
        Ok(json!({
            "entries": audit["entries"], "soups": [first, second], "audit": true,
        }))
    })
}

/// A round: everybody proposes the same λ; it is agreed on, mixed, published and pulled.
fn soup(
    story: &Story,
    federation: &Federation,
    homes: &[PathBuf],
    parties: &[String],
    lambda: &[f64],
) -> Result<Value> {
    let (programs, begun) = (story.programs, Instant::now());
    federation.open_round(programs)?;
    let wanted = text_of(parties, lambda);
    for (party, home) in parties.iter().zip(homes) {
        let args = ["round", "propose", "--dir", arg(home)?, &wanted];
        programs.succeed(&format!("propose {party}"), &args)?;
    }
    let (agreed, blake3) = federation.publish(programs)?;
    let out = story.dir.join("federation/soup").join(&blake3);
    let args = ["pull", "--dir", arg(&homes[0])?, "--out", arg(&out)?, "soup"];
    programs.succeed("pull soup", &args)?;
    let seconds = begun.elapsed().as_secs_f64();
    Ok(json!({"lambda_ppm": agreed, "blake3": blake3, "seconds": seconds}))
}

/// Proposals decide, each party's as much as another's: everybody proposes alike, so that the λ that is wanted
/// is the one that is agreed on.
fn rules(name: &str, parties: &[String]) -> String {
    let seat = |party: &String| {
        format!("[parties.{party}]\nweight = 1\nreason = \"has a reward of its own\"\n\n")
    };
    let seats: String = parties.iter().map(seat).collect();
    format!(
        "name = \"{name}\"\nrule = \"mean\"\n\n{seats}[limits]\nexpert_bytes = 100_000_000\n\
         change_permille = 5000\n\n[access]\nexperts = \"anyone\"\nsoups = \"anyone\"\n"
    )
}
