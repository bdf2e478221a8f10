//! `potluck-locomotion`: the locomotion task on the command line. All of it lives in the library.

use std::process::ExitCode;

use clap::Parser as _;
use potluck_locomotion::commands::{Cli, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let wants_json = cli.json;
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if wants_json {
                let told = serde_json::json!({"error": {"message": format!("{error:#}")}});
                println!("{told}");
            }
            ExitCode::FAILURE
        }
    }
}
