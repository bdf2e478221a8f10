//! `potluck agreement`: what a round decided, for those who have to read, file and check it.
//!
//! ```text
//! ledger ─▶ chronicle ─▶ facts ─┬▶ page ─▶ agreement.md, agreement.html
//!                               ├▶ sheet ─▶ decision.csv      the decision, done again by a spreadsheet's formulas
//!                               ├▶ data ─▶ decision.json      all of it, for programs
//!                               └▶ card, spdx ─▶ model-card.md, spdx.json      of the published soup
//! ```
//!
//! Nothing is written that the ledger does not say: what the parties did not state is called so. The files are a function of
//! the ledger, the log key and the flags, so that two who write them can compare them.

mod card;
mod data;
mod facts;
mod page;
mod render;
mod sheet;
mod spdx;
mod words;

use std::path::PathBuf;

use serde_json::json;

use self::facts::Facts;
use super::chronicle::Chronicle;
use super::target::Target;
use crate::durable::{self, Readers};
use crate::failure::{Failure, warn};
use crate::ledger::Line;
use crate::output::Output;
use crate::place::Reader;

/// Write what a round agreed on: a page for people, a spreadsheet that decides again, a model card, SPDX
///
/// WHERE is an aggregator's address, a member's folder, or a folder that `potluck mirror` made, which
/// needs no network. The whole ledger is verified first. Written are
///   agreement.md, agreement.html  who agreed on what, who objected and why, until when, how to check
///   decision.csv                  the scores, and formulas that decide by them again
///   decision.json                 all of it for programs
///   model-card.md, spdx.json      of the soup, once it is published
///
/// Examples:
///   potluck agreement --dir mine --out agreement
///   potluck agreement copy --log-key potluck/news+… --offline --round 2 --out agreement-2
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// An aggregator's address, a member's folder, or a mirror
    #[arg(value_name = "WHERE", conflicts_with = "address")]
    place: Option<String>,
    #[command(flatten)]
    reader: Reader,
    /// Refuse to touch the network: WHERE must be a mirror
    #[arg(long)]
    offline: bool,
    /// The round [default: the latest with an agreement]
    #[arg(long, value_name = "N")]
    round: Option<u64>,
    /// Where to put the files
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// The soup's licence, as an SPDX identifier, if you know it; the ledger does not
    #[arg(long, value_name = "ID", value_parser = license)]
    license: Option<String>,
}

/// Reads the whole ledger, then writes.
pub(crate) async fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let target = Target::of(args.place.as_deref(), &args.reader, args.offline, None)?;
    let mut chronicle = Chronicle::default();
    let mut visit = |line: Line<'_>| {
        chronicle.note(&line);
        Ok(())
    };
    let ledger = target.read_whole(&mut visit).await?;
    let (address, log_key) = match &target {
        Target::Online(door) => (Some(door.address.clone()), door.log.to_string()),
        Target::Folder(_, door) => (None, door.log.to_string()),
    };
    let (told, round, agreement) = chronicle.agreed(ledger.federation(), args.round)?;
    let facts = Facts {
        federation: ledger.federation(),
        told,
        round,
        agreement,
        size: ledger.checkpoint().size(),
        root: ledger.checkpoint().root().to_string(),
        log_key,
        address,
        license: args.license.as_deref(),
    };
    let written = write(&facts, args, output)?;
    output.result(&json!({
        "round": round.number, "agreement": agreement.digest(), "lambda_ppm": agreement.lambda,
        "standing": facts.standing().as_str(), "out": args.out, "files": written,
    }));
    Ok(())
}

/// The names of what was written.
fn write(facts: &Facts<'_>, args: &Args, output: &Output) -> Result<Vec<&'static str>, Failure> {
    let blocks = page::blocks(facts);
    let mut files = vec![
        ("agreement.md", render::markdown(&blocks)),
        ("agreement.html", render::html(&blocks)),
        ("decision.csv", sheet::sheet(facts).to_csv()),
        ("decision.json", pretty(&data::data(facts))),
    ];
    match (card::card(facts), spdx::document(facts)) {
        (Some(card), Some(document)) => {
            files.extend([("model-card.md", card), ("spdx.json", pretty(&document))]);
        }
        _ => warn(format_args!(
            "the soup of round {} is not published yet: there is no model card and no SPDX package of it",
            facts.round.number
        )),
    }
    for (name, text) in &files {
        let path = args.out.join(name);
        durable::write(&path, text.as_bytes(), Readers::Anyone).map_err(|error| {
            Failure::system(format!("cannot write {}: {error}", path.display()))
        })?;
    }
    output.line(format!("Round {}: {}", facts.round.number, facts.headline()));
    let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
    output.line(format!("{}: {}", args.out.display(), names.join(", ")));
    Ok(names)
}

fn pretty(value: &serde_json::Value) -> String {
    // `{:#}` of a value is its indented text.
    format!("{value:#}\n")
}

/// What SPDX calls a licence expression, as far as its letters go.
fn license(text: &str) -> Result<String, &'static str> {
    let is_one = (1..=200).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " .-+:()".contains(c))
        && text.chars().any(|c| c.is_ascii_alphanumeric());
    if is_one { Ok(text.to_owned()) } else { Err("it is no SPDX licence expression") }
}

#[cfg(test)]
mod tests;
