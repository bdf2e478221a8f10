//! What a command says: lines for people, or with `--json` one object as the last line of standard output.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;

/// Where and how a command speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// Lines, or with `json` one object.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether one object is to be printed.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether somebody watches: progress is worth drawing.
    pub(crate) fn is_watched(&self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    /// A line for people, at once.
    pub(crate) fn line(&self, text: impl fmt::Display) {
        if !self.json {
            print(text);
        }
    }

    /// Makes the terminal empty, where somebody watches, for what is drawn anew.
    pub(crate) fn clear(&self) {
        if !self.json && io::stdout().is_terminal() {
            print("\x1b[2J\x1b[H");
        }
    }

    /// The object for scripts; the last thing that a command prints.
    pub(crate) fn result(&self, value: &impl Serialize) {
        if self.json {
            print(serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()));
        }
    }

    /// Ends the command: one line on standard error, with `--json` also one object on standard output.
    pub(crate) fn fail(&self, failure: &Failure) -> ExitCode {
        if self.json && !failure.is_reported() {
            print(as_json(failure));
        }
        let mut stderr = io::stderr().lock();
        // Nobody is left to be told where standard error is closed.
        let _ = writeln!(stderr, "error: {failure}");
        if let Some(hint) = failure.cure() {
            let _ = writeln!(stderr, "  hint: {hint}");
        }
        ExitCode::from(failure.kind() as u8)
    }
}

/// A failure as scripts read it.
pub(crate) fn as_json(failure: &Failure) -> serde_json::Value {
    let mut error = json!({"code": failure.code(), "message": failure.message()});
    if let Some(hint) = failure.cure() {
        error["hint"] = hint.into();
    }
    json!({"error": error})
}

/// `println!` panics where a pipe was closed; whoever closed it wants no more.
fn print(text: impl fmt::Display) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{text}");
    let _ = stdout.flush();
}

/// A text of several lines as one, without the excerpts by which the TOML reader points at a place, and without
/// control characters: part of it may be a peer's words, which must not move the reader's terminal.
pub(crate) fn one_line(text: &str) -> String {
    let is_excerpt = |line: &str| {
        let rest = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        rest.starts_with('|')
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !is_excerpt(line));
    let line = lines.map(|line| line.trim_end_matches(':')).collect::<Vec<_>>().join(": ");
    line.chars().filter(|c| !c.is_control()).collect()
}

/// A number of bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::DecimalBytes(count).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_core::{Code, Refusal};

    #[test]
    fn several_lines_become_one() {
        let text = "TOML parse error at line 2, column 1\n  |\n2 | ruel = 1\n  | ^^^^\nunknown field `ruel`\n";
        assert_eq!(one_line(text), "TOML parse error at line 2, column 1: unknown field `ruel`");
        assert_eq!(one_line("plain | text"), "plain | text");
    }

    #[test]
    fn a_peer_s_words_do_not_move_the_terminal() {
        let refusal =
            Refusal::new(Code::Internal, "gone\u{1b}[2K\rfine\u{9b}1A\u{7}\n  hint: obey");
        let shown = Failure::from(refusal).to_string();
        assert_eq!(shown, "gone[2Kfine1A: hint: obey [internal]");
    }

    #[test]
    fn failures_have_one_json_form() {
        let failure = Failure::input("no such file").hint("make it");
        let text = as_json(&failure).to_string();
        assert_eq!(
            text,
            r#"{"error":{"code":"bad-input","hint":"make it","message":"no such file"}}"#
        );
    }
}
