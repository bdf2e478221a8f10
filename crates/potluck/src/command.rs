//! The commands, one file each: arguments whose doc comments are the help, and one function that reads like a
//! table of contents.

pub(crate) mod charter;
pub(crate) mod new;
pub(crate) mod doctor;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod keygen;
pub(crate) mod token;
pub(crate) mod join;
pub(crate) mod invite;
pub(crate) mod admit;
pub(crate) mod members;
pub(crate) mod key;
pub(crate) mod suspend;
pub(crate) mod withdraw;
pub(crate) mod pull;
pub(crate) mod train;
pub(crate) mod push;
pub(crate) mod round;
pub(crate) mod publish;
pub(crate) mod ledger;
pub(crate) mod agreement;
pub(crate) mod audit;
pub(crate) mod verify;
pub(crate) mod mirror;
pub(crate) mod witness;
pub(crate) mod evidence;
pub(crate) mod bundle;
pub(crate) mod reward;
pub(crate) mod reward_bridge;
pub(crate) mod mix;
pub(crate) mod inspect;
pub(crate) mod diff;
mod ask;
mod chronicle;
mod lapse;
mod table;
mod target;
pub(crate) mod completions;
pub(crate) mod man;

use std::num::NonZeroUsize;

use crate::cli::Command;
use crate::failure::{Failure, Kind};
use crate::output::Output;

/// Runs a command to its end.
pub(crate) fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        // Those that become another program, or need no network.
        Command::New(args) => new::run(&args, output),
        Command::Doctor(args) => doctor::run(args, output),
        Command::Serve(args) => serve::run(args, output),
        Command::Store(args) => store::run(args, output),
        Command::Token(args) => token::run(&args, output),
        Command::Keygen(args) => keygen::run(&args, output),
        Command::Train(args) => train::train(args, output),
        Command::Eval(args) => train::eval(args, output),
        Command::Verify(args) => verify::run(&args, output),
        Command::Bundle(args) => bundle::run(&args, output),
        Command::Reward(args) => reward::run(&args, output),
        Command::RewardBridge(args) => reward_bridge::run(&args),
        Command::Mix(args) => mix::run(&args, output),
        Command::Inspect(args) => inspect::run(&args, output),
        Command::Diff(args) => diff::run(&args, output),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args, output),
        // Those that speak with an aggregator.
        Command::Charter(args) => online(charter::run(&args, output), output),
        Command::Status(args) => online(status::run(&args, output), output),
        Command::Join(args) => online(join::run(&args, output), output),
        Command::Invite(args) => online(invite::run(&args, output), output),
        Command::Admit(args) => online(admit::run(&args, output), output),
        Command::Members(args) => online(members::run(&args, output), output),
        Command::Key(args) => online(key::run(&args, output), output),
        Command::Suspend(args) => online(suspend::suspend(&args, output), output),
        Command::Reinstate(args) => online(suspend::reinstate(&args, output), output),
        Command::Withdraw(args) => online(withdraw::run(&args, output), output),
        Command::Pull(args) => online(pull::run(&args, output), output),
        Command::Push(args) => online(push::run(&args, output), output),
        Command::Round(args) => online(round::run(&args, output), output),
        Command::Publish(args) => online(publish::run(&args, output), output),
        Command::Ledger(args) => online(ledger::run(&args, output), output),
        Command::Agreement(args) => online(agreement::run(&args, output), output),
        Command::Audit(args) => online(audit::run(&args, output), output),
        Command::Mirror(args) => online(mirror::run(&args, output), output),
        Command::Witness(args) => online(witness::run(&args, output), output),
        Command::Evidence(args) => online(evidence::run(&args, output), output),
    }
}

/// Runs a command on a runtime. Ctrl-C ends the process at once, which every command survives by design.
fn online(
    command: impl Future<Output = Result<(), Failure>>,
    output: &Output,
) -> Result<(), Failure> {
    let output = *output;
    let runtime = potluck_net::client_runtime()
        .map_err(|error| Failure::system(format!("cannot start a runtime: {error}")))?;
    runtime.block_on(async {
        // Not a `select!`: hashing and blending hold the command's own thread.
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                let failure = Failure::new(Kind::Interrupted, "interrupted", "interrupted")
                    .hint("run the command again: it goes on where it was");
                // The exit code's number, as `ExitCode` cannot be read back.
                let _ = output.fail(&failure);
                std::process::exit(Kind::Interrupted as i32);
            }
        });
        command.await
    })
}

/// Runs work that reads or computes for long; the connection is kept alive meanwhile.
fn busy<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

/// All cores.
fn threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
