//! `potluck-aggregator ready`: the command around [`potluck_aggregator::ready`].

use std::io::Write as _;
use std::process::ExitCode;

use potluck_aggregator::Settings;
use potluck_aggregator::config::ReadyArguments;
use potluck_aggregator::ready::ask;

use crate::failure::Failure;

/// Asks, and prints what was answered.
pub(crate) fn run(arguments: &ReadyArguments) -> Result<ExitCode, Failure> {
    let listen = match arguments.http {
        Some(given) => given,
        None => Settings::gather(&arguments.as_server())?.http.ok_or(Failure::NoHttp)?.listen,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let said = runtime.block_on(ask(listen))?;
    writeln!(std::io::stdout().lock(), "{said}")?;
    Ok(ExitCode::SUCCESS)
}
