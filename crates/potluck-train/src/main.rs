//! `potluck-train`: the trainer's verbs on the command line. All of it lives in the library.

use std::process::ExitCode;

use clap::Parser;
use potluck_train::allocator::set_up;
use potluck_train::commands::{Cli, Failure, exit_code, public_code, run};

fn main() -> ExitCode {
    set_up();
    let cli = Cli::parse();
    // A bug must not look like a crash: one line, and the code of unforeseen failures.
    std::panic::set_hook(Box::new(|panic| eprintln!("error: {}", told(panic))));
    let wants_json = cli.wants_json();
    match std::panic::catch_unwind(|| run(cli)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => report(failure, wants_json),
        Err(_) => ExitCode::FAILURE,
    }
}

/// One line for people, and one object for scripts; returns the exit code.
fn report(failure: Failure, wants_json: bool) -> ExitCode {
    let (exit, code) = (exit_code(&failure), public_code(&failure));
    let message = format!("{:#}", anyhow::Error::from(failure));
    eprintln!("error: {message}");
    if wants_json {
        println!("{}", serde_json::json!({"error": {"code": code, "message": message}}));
    }
    ExitCode::from(exit)
}

/// Libtorch panics where memory ends, and its messages have a back-trace of some kilobytes behind their
/// first line.
fn told(panic: &std::panic::PanicHookInfo) -> String {
    let text = panic.to_string();
    let is_memory = ["can't allocate memory", "not enough memory", "out of memory"];
    if is_memory.iter().any(|words| text.contains(words)) {
        return "memory has run out: lower rl.at_once (or sft.at_once), then rl.prompts, rl.group or \
                sampling.max_tokens, take precision = \"bf16\", or train by [lora]; what the last \
                checkpoint holds is kept"
            .to_owned();
    }
    let line = text.lines().take(2).collect::<Vec<_>>().join(" ");
    format!("internal: {line}")
}
