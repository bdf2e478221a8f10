//! How a command ends when it cannot go on: one line, a hint where there is a cure, a fixed exit code.
//!
//! Errors are typed where they arise; here they are sorted by whose they are, which is what the exit code says.
//! Nothing of a key, a reward or a data set ever enters a message.

use std::error::Error;
use std::fmt;
use std::io::{ErrorKind, Write as _};

use potluck_core::Refusal;
use potluck_net::{CallError, ConnectError};

use crate::output::one_line;

/// Whose the failure is, and with it the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// This machine fails.
    System = 1,
    /// The command was written wrongly.
    Usage = 2,
    /// A file, a setting or a value is not what it must be.
    Input = 3,
    /// The peer refused, or what it sent does not verify.
    Refused = 4,
    /// No connection, or one that was lost.
    Unreachable = 5,
    /// An audit found that the log told two stories, or took something back.
    Forked = 6,
    /// An audit found that too few witnesses vouch for what is published.
    Unwitnessed = 7,
    /// Somebody pressed Ctrl-C.
    Interrupted = 130,
}

/// Why a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: Kind,
    code: &'static str,
    message: String,
    hint: Option<String>,
    differs: Option<(String, String)>,
    reported: bool,
}

impl Failure {
    /// A failure with a code for scripts and a message of one line.
    pub(crate) fn new(kind: Kind, code: &'static str, message: impl fmt::Display) -> Self {
        let message = one_line(&message.to_string());
        Self { kind, code, message, hint: None, differs: None, reported: false }
    }

    /// A file, a setting or a value is not what it must be.
    pub(crate) fn input(message: impl fmt::Display) -> Self {
        Self::new(Kind::Input, "bad-input", message)
    }

    /// This machine fails.
    pub(crate) fn system(message: impl fmt::Display) -> Self {
        Self::new(Kind::System, "local-failure", message)
    }

    /// What was received does not verify.
    pub(crate) fn unverified(code: &'static str, message: impl fmt::Display) -> Self {
        Self::new(Kind::Refused, code, message)
    }

    /// Says of what the message speaks.
    pub(crate) fn about(mut self, what: impl fmt::Display) -> Self {
        self.message = one_line(&format!("{what}: {}", self.message));
        self
    }

    /// Says what would cure it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what was expected, and what was found instead.
    pub(crate) fn differs(mut self, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        self.differs = Some((one_line(&expected.to_string()), one_line(&found.to_string())));
        self
    }

    /// What was expected and what was found, where two things were compared.
    pub(crate) fn difference(&self) -> Option<(&str, &str)> {
        self.differs.as_ref().map(|(expected, found)| (&**expected, &**found))
    }

    /// Marks that standard output holds the result of the command already, so that no error follows it there.
    pub(crate) fn reported(mut self) -> Self {
        self.reported = true;
        self
    }

    /// Whose it is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The stable name of the reason.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// What happened, in one line.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The cure, where one is known.
    pub(crate) fn cure(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Whether standard output is to hold nothing more.
    pub(crate) fn is_reported(&self) -> bool {
        self.reported
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Refused | Kind::Forked | Kind::Unwitnessed => {
                write!(f, "{} [{}]", self.message, self.code)
            }
            _ => f.write_str(&self.message),
        }
    }
}

/// Says on standard error what the reader should know and what ends nothing.
pub(crate) fn warn(what: impl fmt::Display) {
    // Nobody is left to be told where standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "warning: {}", one_line(&what.to_string()));
}

/// An error with its sources, each said once, in one line.
pub(crate) fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let words = source.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = source.source();
    }
    one_line(&text)
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(Kind::Refused, refusal.code.as_str(), refusal.sentence)
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let (kind, code, hint) = match &error {
            ConnectError::Address { .. } => (Kind::Input, "bad-input", None),
            ConnectError::Unreachable { .. } => (
                Kind::Unreachable,
                "unreachable",
                Some("the operator starts it with `potluck serve --dir DIR`"),
            ),
            ConnectError::WrongServer { .. } => (
                Kind::Unreachable,
                "wrong-server",
                Some(
                    "compare address and log key with what the operator gave out; if the log has another key now, `potluck key pin --log-key KEY` takes it",
                ),
            ),
            ConnectError::Rejected { .. } => (
                Kind::Unreachable,
                "not-admitted",
                Some("the operator lets a key in with `potluck admit`; outsiders cannot read here"),
            ),
            ConnectError::ServerCertificate { .. } => (
                Kind::Unreachable,
                "server-certificate",
                Some("compare [x509] ca with what the operator gave out"),
            ),
            ConnectError::OurCertificate { .. } => (
                Kind::Unreachable,
                "own-certificate",
                Some(
                    "[x509] certificate must be the connecting key's, in its time, of the authority that the aggregator trusts",
                ),
            ),
            ConnectError::Pki(_) => {
                (Kind::Input, "bad-input", Some("certs/README.md says how certificates are made"))
            }
            ConnectError::Full { .. } => (Kind::Refused, "busy", None),
            ConnectError::Version { .. } => (
                Kind::Unreachable,
                "other-version",
                Some("install the version of potluck that the federation's operator runs"),
            ),
            ConnectError::Handshake { .. } => (Kind::Unreachable, "handshake", None),
            ConnectError::Socket(_) => (Kind::System, "local-failure", None),
        };
        let failure = Self::new(kind, code, in_full(&error));
        hint.map_or(failure.clone(), |hint| failure.hint(hint))
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(refusal) => refusal.into(),
            CallError::Lost { .. } => {
                Self::new(Kind::Unreachable, "connection-lost", in_full(&error))
                    .hint("run the command again: what was transferred is kept")
            }
            CallError::Protocol { .. } => Self::unverified("protocol-error", in_full(&error)),
            // A file that changed while it was sent is its owner's.
            CallError::File { ref source, .. } if source.kind() == ErrorKind::InvalidData => {
                Self::input(in_full(&error))
            }
            CallError::File { .. } => Self::system(in_full(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potluck_core::Code;

    #[test]
    fn refusals_keep_their_code() {
        let failure = Failure::from(Refusal::new(Code::KeyUnknown, "no such key"));
        assert_eq!((failure.kind(), failure.code()), (Kind::Refused, "key-unknown"));
        assert_eq!(failure.to_string(), "no such key [key-unknown]");
    }

    #[test]
    fn sources_are_said_once_and_in_one_line() {
        let source = std::io::Error::other("line one\nline two");
        let error = ConnectError::Socket(source);
        assert_eq!(Failure::from(error).to_string(), "no socket: line one: line two");
    }
}
