//! Settings: the file, then the environment, then flags, then one checked value.
//!
//! An unknown key, and a value that cannot be, is an error that names file and key. A secret never stands
//! here: the log's key is a file of the federation's folder. `configs/aggregator.toml` is the commented
//! example.

mod hub;
mod http;
mod keys;
mod limits;
mod log;
mod morl;
mod traces;
mod transport;
mod x509;

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use potluck_net::tcp::tls::Certificate;
use serde::Deserialize;

pub use http::Http;
pub use hub::Hub;
pub use keys::Keys;
pub use limits::Limits;
pub use log::Log;
pub use morl::{Run, Runs};
pub use traces::{Share, Traces};
pub use transport::{Rule, Transport};
pub use x509::{X509, X509Error};

use crate::http::KeptSoups;
use crate::url::{NoPlainUrl, PlainUrl};

/// The file of settings in the federation's folder.
pub const FILE: &str = "aggregator.toml";

/// Serves a federation: verifies, logs, blends and hands out
///
/// Example: potluck-aggregator --dir kitchen --listen 0.0.0.0:4433
#[derive(Debug, Parser)]
#[command(name = "potluck-aggregator", version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// Something else than to serve
    #[command(subcommand)]
    pub task: Option<Task>,
    /// The federation's folder, as `potluck new` made it
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Listen on this address and UDP port instead of the one in aggregator.toml
    #[arg(long, value_name = "ADDR", env = "POTLUCK_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Keep the ledger and the files in this folder instead of the one in aggregator.toml
    #[arg(long, value_name = "DIR", env = "POTLUCK_STORE")]
    pub store: Option<PathBuf>,
    /// How the log on standard error is written; RUST_LOG chooses what of it
    #[arg(long, value_name = "FORMAT", env = "POTLUCK_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Print the error that ends the program as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// What else the program does.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Re-hash every file of a stopped aggregator's store, and mend what can be mended
    ///
    /// Example: potluck-aggregator check --dir kitchen --repair-from mirror
    Check(CheckArguments),
    /// Look whether an aggregator could run here, and say what to mend: folder, disk, addresses, clock, limits
    ///
    /// Example: potluck-aggregator doctor --dir kitchen
    Doctor(DoctorArguments),
    /// Ask the running aggregator whether it is ready: exit code 0 where it is, 1 where not
    ///
    /// Asks at the address of `[http]` in aggregator.toml, and prints what it said. For health checks in containers, where
    /// there is no other program that could ask.
    ///
    /// Example: potluck-aggregator ready --dir kitchen
    Ready(ReadyArguments),
    /// Print completions for a shell
    ///
    /// Example: potluck-aggregator completions bash > ~/.local/share/bash-completion/completions/potluck-aggregator
    Completions(CompletionsArguments),
    /// Write the manual pages into a folder, one for each command
    ///
    /// Example: potluck-aggregator man --out /usr/local/share/man/man1
    Man(ManArguments),
}

/// What is checked, and where right bytes may be.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The federation's folder, as `potluck new` made it
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// The store, if not the one in aggregator.toml
    #[arg(long, value_name = "DIR", env = "POTLUCK_STORE")]
    pub store: Option<PathBuf>,
    /// Take what is damaged from here: a folder (a mirror's, another store's, a party's), or HOST:PORT of another
    /// aggregator of this federation. May be given more than once
    #[arg(long, value_name = "FROM")]
    pub repair_from: Vec<String>,
    /// The key (PEM) by which another aggregator knows who asks [default: the log's]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
}

impl CheckArguments {
    /// The arguments of the server whose store it is.
    pub fn as_server(&self) -> Arguments {
        let (dir, store) = (self.dir.clone(), self.store.clone());
        let (listen, log_format, json, task) = (None, LogFormat::Text, self.json, None);
        Arguments { task, dir, listen, store, log_format, json }
    }
}

/// Whose machine is looked at.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// The federation's folder, as `potluck new` made it
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Listen on this address and UDP port instead of the one in aggregator.toml
    #[arg(long, value_name = "ADDR", env = "POTLUCK_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// The store, if not the one in aggregator.toml
    #[arg(long, value_name = "DIR", env = "POTLUCK_STORE")]
    pub store: Option<PathBuf>,
    /// Print what was found as one JSON object
    #[arg(long)]
    pub json: bool,
}

impl DoctorArguments {
    /// The arguments of the server that would run.
    pub fn as_server(&self) -> Arguments {
        let (dir, listen, store) = (self.dir.clone(), self.listen, self.store.clone());
        Arguments { task: None, dir, listen, store, log_format: LogFormat::Text, json: self.json }
    }
}

/// Which server is asked.
#[derive(Debug, Args)]
pub struct ReadyArguments {
    /// The federation's folder, as `potluck new` made it
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Ask at this address and TCP port instead of the one in aggregator.toml
    #[arg(long, value_name = "ADDR", env = "POTLUCK_HTTP")]
    pub http: Option<SocketAddr>,
    /// Print the error that ends the program as one JSON object
    #[arg(long)]
    pub json: bool,
}

impl ReadyArguments {
    /// The arguments of the server that is asked.
    pub fn as_server(&self) -> Arguments {
        let (dir, json, log_format) = (self.dir.clone(), self.json, LogFormat::Text);
        Arguments { task: None, dir, listen: None, store: None, log_format, json }
    }
}

/// For which shell.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// Which shell
    pub shell: clap_complete::Shell,
}

/// Where pages go.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// The folder, made if it is not there; pages that are there are replaced
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the server runs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The federation's folder.
    pub dir: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where to listen for those who come with certificates, if that is wanted.
    pub x509: Option<X509>,
    /// Where and how it is served over HTTP, if it is.
    pub http: Option<Http>,
    /// How soups are served there.
    pub hub: Hub,
    /// Witnesses that are asked for their cosignatures.
    pub witnesses: Vec<PlainUrl>,
    /// Where ledger and files are kept.
    pub store: PathBuf,
    /// How many threads one blend uses.
    pub threads: NonZeroUsize,
    /// What bounds the server's hunger.
    pub limits: Limits,
    /// How it uses its line.
    pub transport: Transport,
    /// What of the log is written.
    pub log: Log,
    /// Where traces go, if they go anywhere.
    pub traces: Option<Traces>,
}

impl Settings {
    /// Reads the certificate by which it is served over HTTP, if it is served by one.
    ///
    /// # Errors
    /// [`SettingsError::Value`], which names the settings' file, the key, and the file that it names.
    pub fn certificate(&self) -> Result<Option<Certificate>, SettingsError> {
        let wrong = |(key, wrong)| SettingsError::Value {
            path: self.dir.join(FILE),
            table: "http",
            key,
            wrong,
        };
        self.http.as_ref().map_or(Ok(None), Http::secured).map_err(wrong)
    }

    /// Where soups lie that more than one asks for.
    pub fn kept_soups(&self) -> KeptSoups {
        let (folder, bytes) = (self.store.join("kept"), self.hub.cache_bytes);
        KeptSoups { folder, bytes, recipes: self.store.join("recipes.jsonl") }
    }

    /// What of them is the network's; the rest is as its own defaults.
    pub fn network(&self) -> potluck_net::Limits {
        potluck_net::Limits { tuning: self.transport.tuning(), ..self.limits.network() }
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the settings {}", path.display())]
    Read {
        /// The settings' file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no TOML, has an unknown key, or a value of another type.
    #[error("{}, line {line}: {message}", path.display())]
    Malformed {
        /// The settings' file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, with the key.
        message: String,
    },
    /// Not the address of a witness.
    #[error("{}: witnesses.urls: {url:?}", path.display())]
    Witness {
        /// The settings' file.
        path: PathBuf,
        /// What stands there.
        url: String,
        /// What should.
        source: NoPlainUrl,
    },
    /// A value that cannot be.
    #[error("{}: {table}.{key} {wrong}", path.display())]
    Value {
        /// The settings' file.
        path: PathBuf,
        /// In which table.
        table: &'static str,
        /// Which key.
        key: &'static str,
        /// What is wrong with it.
        wrong: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: SocketAddr,
    x509: Option<X509>,
    http: Option<Http>,
    #[serde(default)]
    hub: Hub,
    #[serde(default)]
    witnesses: Witnesses,
    #[serde(default = "default_store")]
    store: PathBuf,
    threads: Option<NonZeroUsize>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    transport: Transport,
    #[serde(default)]
    log: Log,
    traces: Option<Traces>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Witnesses {
    urls: Vec<String>,
}

fn default_store() -> PathBuf {
    PathBuf::from("store")
}

impl Settings {
    /// Reads the file of the folder that `arguments` name, and puts their words above its own.
    ///
    /// # Errors
    /// [`SettingsError`], which names file and key.
    pub fn gather(arguments: &Arguments) -> Result<Self, SettingsError> {
        Self::read(arguments).map(|(settings, _)| settings)
    }

    /// As [`Self::gather`], with what stands in the file key by key.
    ///
    /// # Errors
    /// As there.
    pub fn read(arguments: &Arguments) -> Result<(Self, Keys), SettingsError> {
        let path = arguments.dir.join(FILE);
        let text = fs::read_to_string(&path)
            .map_err(|source| SettingsError::Read { path: path.clone(), source })?;
        let mut file = parse(&path, &text)?;
        if let Some(http) = &mut file.http {
            http.read(&arguments.dir).map_err(|(key, wrong)| SettingsError::Value {
                path: path.clone(),
                table: "http",
                key,
                wrong,
            })?;
        }
        let settings = Self {
            dir: arguments.dir.clone(),
            listen: arguments.listen.unwrap_or(file.listen),
            x509: file.x509.map(|x509| x509.in_folder(&arguments.dir)),
            http: file.http.map(|http| http.in_folder(&arguments.dir)),
            hub: file.hub,
            witnesses: witnesses(&path, &file.witnesses)?,
            // A path in the file is relative to the file, one on the command line to where it was written.
            store: arguments.store.clone().unwrap_or_else(|| arguments.dir.join(file.store)),
            threads: file.threads.unwrap_or_else(cores),
            limits: file.limits,
            transport: file.transport,
            log: file.log,
            traces: file.traces,
        };
        Ok((settings, Keys::of(&text)))
    }
}

fn parse(path: &Path, text: &str) -> Result<File, SettingsError> {
    let file: File = toml::from_str(text).map_err(|error| {
        let before = error.span().map_or(0, |span| span.start).min(text.len());
        let line = 1 + text.as_bytes()[..before].iter().filter(|byte| **byte == b'\n').count();
        // Some messages of the TOML reader have several lines; the first says it all.
        let message = error.message().lines().next().unwrap_or_default().to_owned();
        SettingsError::Malformed { path: path.to_owned(), line, message }
    })?;
    let faults = [
        ("http", file.http.as_ref().and_then(Http::fault)),
        ("limits", file.limits.fault()),
        ("log", file.log.fault()),
        ("traces", file.traces.as_ref().and_then(Traces::fault)),
    ];
    let fault = faults.into_iter().find_map(|(table, fault)| Some((table, fault?)));
    match fault {
        Some((table, (key, wrong))) => {
            Err(SettingsError::Value { path: path.to_owned(), table, key, wrong })
        }
        None => Ok(file),
    }
}

fn witnesses(path: &Path, witnesses: &Witnesses) -> Result<Vec<PlainUrl>, SettingsError> {
    let url = |text: &String| {
        let wrong =
            |source| SettingsError::Witness { path: path.to_owned(), url: text.clone(), source };
        text.parse().map_err(wrong)
    };
    witnesses.urls.iter().map(url).collect()
}

fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
