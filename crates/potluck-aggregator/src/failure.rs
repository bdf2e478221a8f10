//! How the program ends when it cannot go on: one line, a hint where there is a cure, a fixed exit code.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use potluck_aggregator::StartError;
use potluck_aggregator::config::{SettingsError, X509Error};
use potluck_aggregator::ledger::OpenError;
use potluck_aggregator::ready::NotReady;
use potluck_aggregator::store::{LockError, StoreError};
use potluck_aggregator::telling::NoTraces;
use potluck_net::{BindError, ConnectError};

/// What ended the program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Certificates(#[from] X509Error),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Traces(#[from] NoTraces),
    #[error(transparent)]
    NotReady(#[from] NotReady),
    #[error("there is no [http] in aggregator.toml at which the server could be asked")]
    NoHttp,
    #[error("the system gave no thread, signal or output")]
    System(#[from] io::Error),
    #[error("the store failed: {0}")]
    Store(String),
    #[error("{} holds no ledger to check", .0.display())]
    NoStore(PathBuf),
    #[error("{} holds no key that can be used: {reason}", path.display())]
    Key { path: PathBuf, reason: String },
    #[error("nothing can be repaired from there")]
    Elsewhere(#[from] ConnectError),
}

impl Failure {
    /// Prints it on standard error, as text or as one JSON object, and gives the exit code.
    pub(crate) fn print(&self, json: bool) -> ExitCode {
        let (name, code) = self.kind();
        let message = potluck_aggregator::in_full(self);
        if json {
            let error = serde_json::json!({"error": {"code": name, "message": message}});
            eprintln!("{error}");
        } else {
            eprintln!("error: {message}");
            if let Some(hint) = self.hint() {
                eprintln!("  hint: {hint}");
            }
        }
        ExitCode::from(code)
    }

    /// Its name for scripts, and the exit code.
    fn kind(&self) -> (&'static str, u8) {
        match self {
            Self::Settings(_) => ("settings", 3),
            Self::Start(StartError::Home(_)) => ("folder", 3),
            Self::Start(
                StartError::Base { .. } | StartError::Weights { .. } | StartError::Read { .. },
            ) => ("base", 3),
            Self::Start(StartError::Store(StoreError::Lock(LockError::Held { .. }))) => {
                ("store-locked", 1)
            }
            Self::Start(
                StartError::Store(_)
                | StartError::Ledger(OpenError::Store(_) | OpenError::Archive(_)),
            ) => ("store", 1),
            Self::Start(StartError::Ledger(OpenError::NotHeld { .. })) => ("folder", 3),
            Self::Start(StartError::Ledger(_)) => ("ledger", 4),
            Self::Certificates(_) | Self::Bind(BindError::Pki(_)) => ("certificates", 3),
            Self::Bind(_) => ("listen", 1),
            Self::Traces(_) => ("traces", 3),
            Self::NotReady(_) => ("not-ready", 1),
            Self::NoHttp => ("no-http", 3),
            Self::System(_) => ("system", 1),
            Self::Store(_) => ("store", 1),
            Self::NoStore(_) => ("no-store", 3),
            Self::Key { .. } => ("key", 3),
            Self::Elsewhere(_) => ("unreachable", 1),
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Settings(SettingsError::Read { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Some("--dir names the federation's folder; `potluck new` makes one")
            }
            Self::Start(StartError::Store(StoreError::Lock(LockError::Held { .. }))) => Some(
                "stop the other one first: a store has one program at a time (or name another with --store)",
            ),
            Self::Start(StartError::Ledger(OpenError::OtherFederation)) => {
                Some("--store names the folder that belongs to this federation")
            }
            Self::Certificates(_) | Self::Bind(BindError::Pki(_)) => Some(
                "certs/README.md says how they are made: the certificate is that of keys/log.pem",
            ),
            Self::NoStore(_) => Some("--dir names the federation's folder, --store its store"),
            Self::NoHttp => Some("add `[http]` with `listen`, or say where with --http"),
            Self::Store(_) => Some("mend the disk, then start again: nothing acknowledged is lost"),
            _ => None,
        }
    }
}
