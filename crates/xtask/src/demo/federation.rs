//! The federation on the stage: founded by the demo's charter, and what its parties wish.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::bargain;
use super::front::{mixture, text};
use super::stage::{PARTIES, Stage, arg};
pub(crate) use crate::federation::Federation;
use crate::toolchain;

/// What each party wishes for its own expert, in parts per million.
const WISHES: [(&str, u64); 3] = [("agency", 600_000), ("checkers", 500_000), ("readers", 700_000)];

/// Founds a federation over `base` and starts its aggregator.
///
/// # Errors
/// When the program fails.
pub(crate) fn found(stage: &Stage, base: &Path) -> Result<Federation> {
    let rules = fs::read_to_string(toolchain::root().join("configs/charter.toml"))?;
    let charter = stage.path("charter.toml");
    fs::write(&charter, rules + &bargain::rules(stage.quick))?;
    let founded =
        crate::federation::found(&stage.programs, stage.path("operator"), &charter, base)?;
    println!("  serving on {}", founded.address);
    println!("  log key  {}", founded.log_key);
    Ok(founded)
}

/// A party proposes its λ: most for itself, the rest in equal parts.
///
/// # Errors
/// When the program fails.
pub(crate) fn propose(stage: &Stage, party: &str, dir: &Path) -> Result<()> {
    let own = WISHES.iter().find(|(name, _)| *name == party).map_or(0, |(_, own)| *own);
    let rest = (1_000_000 - own) / (PARTIES.len() as u64 - 1);
    let share = |other: &&'static str| (*other, if *other == party { own } else { rest });
    let lambda = text(&mixture(&PARTIES.iter().map(share).collect::<Vec<_>>()));
    println!("  {party:<9} proposes {lambda}");
    let args = ["round", "propose", "--dir", arg(dir)?, &lambda];
    stage.programs.succeed(&format!("propose {party}"), &args)?;
    Ok(())
}
