//! The programs behind `serve`, `train` and `eval`, as cargo finds its subcommands.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Failure, Kind};

/// A program that stands beside this one, or on PATH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// The server.
    Aggregator,
    /// The trainer, which is installed only where somebody trains.
    Trainer,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Aggregator => "potluck-aggregator",
            Self::Trainer => "potluck-train",
        }
    }

    /// Becomes the program: signals and exit codes are its own. Returns only where that fails.
    pub(crate) fn become_it(self, args: impl IntoIterator<Item = OsString>) -> Failure {
        let beside = std::env::current_exe().ok().map(|here| here.with_file_name(self.name()));
        let program = beside.filter(|path| path.is_file()).unwrap_or(PathBuf::from(self.name()));
        let error = Command::new(&program).args(args).exec();
        self.explain(&error)
    }

    fn explain(self, error: &io::Error) -> Failure {
        let name = self.name();
        if error.kind() != io::ErrorKind::NotFound {
            return Failure::system(format!("cannot run {name}: {error}"));
        }
        let message = format!("{name} is not installed: it is neither beside potluck nor on PATH");
        Failure::new(Kind::System, "not-installed", message).hint(match self {
            Self::Aggregator => "cargo build --release -p potluck-aggregator",
            Self::Trainer => {
                "cargo xtask libtorch, then cargo build --release -p potluck-train; or train elsewhere and push the folder"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_named_with_its_cure() {
        let failure = Program::Trainer.explain(&io::ErrorKind::NotFound.into());
        assert_eq!((failure.kind(), failure.code()), (Kind::System, "not-installed"));
        assert!(failure.message().contains("potluck-train is not installed"));
        assert!(failure.cure().is_some());
    }
}
