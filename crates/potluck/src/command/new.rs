//! `potluck new`: an operator founds a federation.

mod founding;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::json;

use self::founding::{Founded, Plan};
pub(in crate::command) use self::founding::{check_names, read_charter};
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;

/// Found a federation (operator)
///
/// Makes DIR with two private keys (the operator's and the log's), the signed genesis, a copy of the base, and
/// settings for `potluck serve`. Prints the log key: give it out with the address, everything is checked against it.
///
/// Example: potluck new kitchen --charter charter.toml --base base/
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder to make; it must not exist, or be empty
    dir: PathBuf,
    /// The federation's rules; configs/charter.toml is a commented example
    #[arg(long, value_name = "FILE")]
    charter: PathBuf,
    /// The checkpoint from which every expert starts: model.safetensors and what belongs to it
    #[arg(long, value_name = "FOLDER")]
    base: PathBuf,
    /// Address and UDP port on which the aggregator will listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4433")]
    listen: SocketAddr,
    /// Where others reach it, if not at --listen
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
}

/// Checks the charter and the base, then makes the folder in one step.
pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    founding::check_target(&args.dir)?;
    let charter = founding::read_charter(&args.charter)?;
    check_names(&charter, &args.charter)?;
    let base = {
        let progress = Progress::begin(output, "hashing the base");
        founding::read_base(&args.base, &mut |done, total| progress.at(done, total))?
    };
    let address = args.address.clone().unwrap_or_else(|| args.listen.to_string());
    let plan = Plan { charter, base, source: &args.base, listen: args.listen, address: &address };
    let founded = plan.make(&args.dir)?;
    report(args, &founded, &address, output);
    Ok(())
}

fn report(args: &Args, founded: &Founded, address: &str, output: &Output) {
    let (dir, log_key) = (args.dir.display(), founded.log_key.to_string());
    let federation = &founded.federation;
    output.line(format!("Founded {} ({}).", federation.charter().name(), federation.id().short()));
    output.line(format!("Log key: {log_key}"));
    output.line("Next:");
    output.line(format!("  potluck serve --dir {dir}"));
    output.line("and make for each party, with its name for NAME, the line by which it joins:");
    output.line(format!("  potluck invite --dir {dir} --party NAME"));
    output.line(format!("Keep {dir}/keys to yourself, and a copy of it."));
    output.result(&json!({
        "dir": args.dir,
        "federation": {"id": federation.id(), "name": federation.charter().name()},
        "log_key": log_key,
        "operator_key": founded.operator.to_string(),
        "base_blake3": federation.base_weights().blake3,
        "address": address,
    }));
}
