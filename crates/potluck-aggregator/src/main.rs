//! The program `potluck-aggregator`; `potluck serve` runs it.
//!
//! One line on standard output says where it listens once it can be reached; its log goes to standard error.
//! Exit codes: 0 after a signal; 1 where this machine fails; 2 for wrong arguments; 3 for wrong settings, keys
//! or files; 4 where the stored ledger is not what the log signed; 5 where `check` found damage that it could not
//! repair; 6 where `doctor` found what would keep it from serving.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use potluck_aggregator::config::{Log, LogFormat, Task};
use potluck_aggregator::telling::Telling;
use potluck_aggregator::{Aggregator, Arguments, Settings};
use tokio::runtime::Runtime;

mod checking;
mod doctoring;
mod failure;
mod manual;
mod readiness;
mod serving;

use self::failure::Failure;

/// How long blocking work may go on once nobody is connected: enough for an append, which is then durable. A
/// blend or an inspection is cut, and done again when it is asked for again.
const LAST_WORK: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (ended, json) = match &arguments.task {
        Some(Task::Check(check)) => {
            write_log("warn");
            (checking::run(check), check.json)
        }
        Some(Task::Doctor(doctor)) => {
            write_log("error");
            (doctoring::run(doctor).map_err(Failure::from), doctor.json)
        }
        Some(Task::Ready(ready)) => (readiness::run(ready), ready.json),
        Some(Task::Completions(completions)) => (manual::complete(completions), false),
        Some(Task::Man(man)) => (manual::write(man), false),
        None => {
            let json = arguments.json;
            (run(arguments).map(|()| ExitCode::SUCCESS), json)
        }
    };
    ended.unwrap_or_else(|failure| failure.print(json))
}

/// The table of contents.
fn run(arguments: Arguments) -> Result<(), Failure> {
    let (settings, keys) = Settings::read(&arguments)?;
    let certificate = settings.certificate()?;
    let runtime = potluck_net::server_runtime()?;
    let telling = {
        let _entered = runtime.enter();
        let (format, Log { level }) = (arguments.log_format, &settings.log);
        Telling::begin(format, level, settings.traces.as_ref())?
    };
    let aggregator = Aggregator::open(&settings)?;
    let fault = aggregator.clone();
    let serving = serving::serve(arguments, (settings, keys), certificate, aggregator, telling);
    complete(runtime, serving)?;
    fault.fault().first().map_or(Ok(()), |fault| Err(Failure::Store(fault.to_owned())))
}

/// Runs `serving` to its end. Dropped, a runtime would wait for all blocking work, however long it takes.
fn complete<T>(runtime: Runtime, serving: impl Future<Output = T>) -> T {
    let served = runtime.block_on(serving);
    runtime.shutdown_timeout(LAST_WORK);
    served
}

/// The log of a command that ends by itself.
fn write_log(level: &str) {
    // Without traces nothing can fail.
    let _ = Telling::begin(LogFormat::Text, level, None);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn work_that_goes_on_does_not_keep_the_process() {
        let (hold, held) = mpsc::channel::<()>();
        let runtime = Runtime::new().unwrap();
        let (begin, begun) = mpsc::channel();
        complete(runtime, async {
            tokio::task::spawn_blocking(move || begin.send(()).is_ok() && held.recv().is_ok());
            begun.recv().unwrap();
        });
        // The work still waits for this: the other end would be gone had it been waited for.
        hold.send(()).unwrap();
    }
}
