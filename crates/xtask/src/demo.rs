//! `cargo xtask demo`: the whole story on one machine, with real processes on loopback.

use std::path::PathBuf;

use anyhow::{Result, bail};

/// How the story is told.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Everything smaller: at most four minutes on two cores, for CI
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print the results as one JSON object, in the last line on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Where every random choice begins
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Keep the federation, the experts and the soup in this folder
    #[arg(long, visible_alias = "keep", value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
}

/// Tells the story and checks what it promises.
///
/// # Errors
/// When a step fails, or a promise does not hold.
pub(crate) fn run(args: Args) -> Result<()> {
    let Args { quick: _, json: _, seed: _, dir: _ } = args;
    bail!("the demo is not built yet")
}
