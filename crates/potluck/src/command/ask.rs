//! A question before something is signed that is not easily taken back.

use std::io::{self, IsTerminal as _, Write as _};

use crate::failure::{Failure, Kind};

/// Whether the person was asked before.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Consent {
    /// Sign without asking
    #[arg(long)]
    yes: bool,
}

impl Consent {
    /// Asks whoever sits at the terminal, unless that was answered with the command.
    pub(super) fn demand(self, question: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::input(format!("{question} There is no terminal to ask."))
                .hint("--yes answers beforehand"));
        }
        let mut stderr = io::stderr().lock();
        // Where standard error is closed nobody reads the question, and no answer is a no.
        let _ = write!(stderr, "{question} [y/N] ");
        let _ = stderr.flush();
        let mut answer = String::new();
        let read = super::busy(|| io::stdin().read_line(&mut answer));
        read.map_err(|error| Failure::system(format!("cannot read an answer: {error}")))?;
        match answer.trim() {
            "y" | "Y" | "yes" => Ok(()),
            _ => Err(Failure::new(Kind::Interrupted, "not-confirmed", "nothing was signed")),
        }
    }
}
