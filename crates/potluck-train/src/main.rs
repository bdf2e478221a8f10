//! `potluck-train`: the trainer's verbs on the command line. All of it lives in the library.

use std::process::ExitCode;

use clap::Parser;
use potluck_train::allocator::keep_freed_memory;
use potluck_train::commands::{Cli, exit_code, run};

fn main() -> ExitCode {
    keep_freed_memory();
    let cli = Cli::parse();
    // A bug must not look like a crash: one line, and the code of unforeseen failures.
    std::panic::set_hook(Box::new(|panic| eprintln!("error: internal: {}", one_line(panic))));
    match std::panic::catch_unwind(|| run(cli)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            let code = exit_code(&failure);
            eprintln!("error: {:#}", anyhow::Error::from(failure));
            ExitCode::from(code)
        }
        Err(_) => ExitCode::FAILURE,
    }
}

/// Libtorch's messages have a back-trace of some kilobytes behind their first line.
fn one_line(panic: &std::panic::PanicHookInfo) -> String {
    let text = panic.to_string();
    text.lines().take(2).collect::<Vec<_>>().join(" ")
}
