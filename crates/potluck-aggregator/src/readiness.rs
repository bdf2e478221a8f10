//! `potluck-aggregator ready`: the command around [`potluck_aggregator::ready`].

use std::io::Write as _;
use std::process::ExitCode;

use potluck_aggregator::Settings;
use potluck_aggregator::config::ReadyArguments;
use potluck_aggregator::ready::{Scheme, ask};

use crate::failure::Failure;

/// Asks, and prints what was answered.
pub(crate) fn run(arguments: &ReadyArguments) -> Result<ExitCode, Failure> {
    let settings = Settings::gather(&arguments.as_server());
    let (listen, http) = match arguments.http {
        // Then the settings need not be here; where they are, they say whether it speaks TLS.
        Some(given) => (given, settings.ok().and_then(|settings| settings.http)),
        None => {
            let http = settings?.http.ok_or(Failure::NoHttp)?;
            (http.listen, Some(http))
        }
    };
    let is_secured = http.is_some_and(|http| http.files().is_some());
    let scheme = if is_secured { Scheme::Https } else { Scheme::Http };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let said = runtime.block_on(ask(listen, scheme))?;
    writeln!(std::io::stdout().lock(), "{said}")?;
    Ok(ExitCode::SUCCESS)
}
