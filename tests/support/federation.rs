//! A federation on loopback: an operator, parties, an aggregator that can be killed and started again.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::checkpoint::{self, Shape};
use crate::programs::{Ended, Server, potluck};

/// The parties of every story.
pub const PARTIES: [&str; 3] = ["agency", "checkers", "readers"];

const CHARTER: &str = "name = 'news'\nrule = 'mean'\n\
    [parties.agency]\nweight = 1\n[parties.checkers]\nweight = 1\n[parties.readers]\nweight = 2\n\
    [access]\nexperts = 'anyone'\nsoups = 'anyone'\n";

/// A federation and where it keeps its things.
#[derive(Debug)]
pub struct Federation {
    home: tempfile::TempDir,
    shape: Shape,
    server: Option<Server>,
    /// Where the aggregator listens, over restarts too.
    pub address: String,
    /// By what an auditor knows it.
    pub log_key: String,
}

impl Federation {
    /// Founds one over a base of `shape` and starts its aggregator; nobody is admitted yet.
    ///
    /// # Errors
    /// Where the programs fail.
    pub fn found(shape: Shape) -> Result<Self> {
        Self::found_by(shape, "")
    }

    /// As [`Self::found`], by a charter with further tables.
    ///
    /// # Errors
    /// Where the programs fail.
    pub fn found_by(shape: Shape, tables: &str) -> Result<Self> {
        let home = tempfile::tempdir()?;
        checkpoint::write_base(&home.path().join("base"), shape)?;
        Self::found_in(home, shape, &format!("{CHARTER}{tables}"))
    }

    /// As [`Self::found`], by a charter that lets only the parties read experts and soups.
    ///
    /// # Errors
    /// Where the programs fail.
    pub fn closed(shape: Shape) -> Result<Self> {
        let home = tempfile::tempdir()?;
        checkpoint::write_base(&home.path().join("base"), shape)?;
        Self::found_in(home, shape, &CHARTER.replace("'anyone'", "'parties'"))
    }

    /// Founds one over the files of a folder, with every party admitted; `tables` are the charter's further ones.
    ///
    /// # Errors
    /// Where a file cannot be copied, or the programs fail.
    pub fn over(folder: &Path, tables: &str) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let base = home.path().join("base");
        fs::create_dir(&base)?;
        for file in fs::read_dir(folder)? {
            let file = file?;
            fs::copy(file.path(), base.join(file.file_name()))?;
        }
        let federation = Self::found_in(home, checkpoint::SMALL, &format!("{CHARTER}{tables}"))?;
        federation.admit_all();
        Ok(federation)
    }

    /// Founds one over the folder `base` of its home.
    fn found_in(home: tempfile::TempDir, shape: Shape, text: &str) -> Result<Self> {
        let (base, charter) = (home.path().join("base"), home.path().join("charter.toml"));
        fs::write(&charter, text)?;
        let operator = home.path().join("operator");
        let founded = potluck(&[
            "new".as_ref(),
            operator.as_os_str(),
            "--charter".as_ref(),
            charter.as_os_str(),
            "--base".as_ref(),
            base.as_os_str(),
        ])
        .succeeded();
        let log_key = founded["log_key"].as_str().context("new told no log key")?.to_owned();
        let server = Server::start(&operator, "127.0.0.1:0")?;
        let address = server.address.clone();
        Ok(Self { home, shape, server: Some(server), address, log_key })
    }

    /// One with every party admitted.
    ///
    /// # Errors
    /// Where the programs fail.
    pub fn with_parties(shape: Shape) -> Result<Self> {
        Self::with_parties_by(shape, "")
    }

    /// As [`Self::with_parties`], by a charter with further tables.
    ///
    /// # Errors
    /// Where the programs fail.
    pub fn with_parties_by(shape: Shape, tables: &str) -> Result<Self> {
        let federation = Self::found_by(shape, tables)?;
        federation.admit_all();
        Ok(federation)
    }

    fn admit_all(&self) {
        for party in PARTIES {
            let key = self.join(party, party);
            self.operator(&["admit"], &[party, &key]).succeeded();
        }
    }

    /// One with every party's expert in and a round agreed on.
    ///
    /// # Errors
    /// Where the programs fail.
    pub fn agreed(shape: Shape) -> Result<Self> {
        Self::agreed_by(shape, "")
    }

    /// As [`Self::agreed`], by a charter with further tables.
    ///
    /// # Errors
    /// Where the programs fail.
    pub fn agreed_by(shape: Shape, tables: &str) -> Result<Self> {
        let federation = Self::with_parties_by(shape, tables)?;
        for party in PARTIES {
            federation.push(party, &federation.expert(party)?).succeeded();
        }
        federation.agree();
        Ok(federation)
    }

    /// Opens a round over what is in, in which each party wants its own expert alone.
    ///
    /// # Panics
    /// Where a program fails.
    pub fn agree(&self) {
        self.operator(&["round", "open"], &[]).succeeded();
        for party in PARTIES {
            self.propose(party, &format!("{party}=1{}", zeros(party))).succeeded();
        }
    }

    /// A path in its temporary home.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.home.path().join(name)
    }

    /// The operator's and the aggregator's folder.
    pub fn operator_dir(&self) -> PathBuf {
        self.path("operator")
    }

    /// Makes a party's key in folder `name`; returns the public key.
    ///
    /// # Panics
    /// Where the program fails.
    pub fn join(&self, name: &str, party: &str) -> String {
        let dir = self.path(name);
        let joined = potluck(&[
            "join".as_ref(),
            dir.as_os_str(),
            "--party".as_ref(),
            party.as_ref(),
            "--address".as_ref(),
            self.address.as_ref(),
            "--log-key".as_ref(),
            self.log_key.as_ref(),
        ])
        .succeeded();
        joined["key"].as_str().expect("join tells the key").to_owned()
    }

    /// Runs a command of the operator's.
    pub fn operator(&self, command: &[&str], rest: &[&str]) -> Ended {
        let dir = self.operator_dir().display().to_string();
        let place = ["--dir", &dir, "--address", &self.address];
        potluck(&[command, &place[..], rest].concat())
    }

    /// Has the aggregator move so many bytes of content a second for each party, from its next start on: slow enough to be
    /// looked at, or killed meanwhile.
    ///
    /// # Errors
    /// Where its configuration cannot be written.
    pub fn slow_down(&self, rate: u64) -> Result<()> {
        let config = self.operator_dir().join("aggregator.toml");
        let text = fs::read_to_string(&config)?;
        let limits = format!("[limits]\nbytes_per_second_per_party = {rate}");
        Ok(fs::write(&config, text.replacen("[limits]", &limits, 1))?)
    }

    /// Starts the aggregator again with HTTP on a port of its own, on which as many requests are answered as come.
    ///
    /// # Errors
    /// Where its configuration cannot be written, or it does not open.
    pub fn serve_http(&mut self) -> Result<SocketAddr> {
        // Free a moment ago; nothing else here asks for one by its number.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = self.operator_dir().join("aggregator.toml");
        let text = fs::read_to_string(&config)?;
        let http = format!("\n[http]\nlisten = \"{address}\"\nrequests_per_second = 0\n");
        fs::write(&config, text + &http)?;
        self.restart()?;
        Ok(address)
    }

    /// What a command of the operator's says to people.
    pub fn operator_words(&self, command: &[&str]) -> String {
        let mut said = crate::programs::program("potluck");
        said.args(command).arg("--dir").arg(self.operator_dir());
        crate::programs::end({
            said.args(["--address", &self.address]);
            said
        })
        .stdout
    }

    /// Writes a party's expert and returns its folder.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn expert(&self, party: &str) -> Result<PathBuf> {
        let seed = 10 + PARTIES.iter().position(|name| *name == party).unwrap_or(9) as u64;
        let outbox = self.path(format!("outbox-{party}"));
        checkpoint::write_expert(&outbox, self.shape, seed)?;
        Ok(outbox)
    }

    /// A party pushes what stands in `outbox`, whatever it is.
    pub fn push(&self, party: &str, outbox: &Path) -> Ended {
        potluck(&self.push_args(party, outbox))
    }

    /// The arguments of a push without the party's own check.
    pub fn push_args(&self, party: &str, outbox: &Path) -> Vec<String> {
        let (dir, outbox) = (self.path(party).display().to_string(), outbox.display().to_string());
        ["push", "--dir", &dir, "--no-check", &outbox].map(str::to_owned).to_vec()
    }

    /// A party pushes what another trainer left, which is brought into the form of the federation's base.
    pub fn push_foreign(&self, party: &str, given: &Path) -> Ended {
        let (dir, base) = (self.path(party), self.path("base"));
        let args: [&std::ffi::OsStr; 6] = [
            "push".as_ref(),
            "--dir".as_ref(),
            dir.as_os_str(),
            "--base".as_ref(),
            base.as_os_str(),
            given.as_os_str(),
        ];
        potluck(&args)
    }

    /// Where the aggregator keeps the content of that BLAKE3.
    pub fn blob(&self, blake3: &str) -> PathBuf {
        self.operator_dir().join("store/blobs").join(&blake3[..2]).join(blake3)
    }

    /// A party proposes λ.
    pub fn propose(&self, party: &str, lambda: &str) -> Ended {
        let dir = self.path(party).display().to_string();
        potluck(&["round", "propose", "--dir", &dir, lambda])
    }

    /// A stranger who knows the address and the log's key runs a command.
    pub fn stranger(&self, command: &[&str], rest: &[&str]) -> Ended {
        let place = ["--address", &self.address, "--log-key", &self.log_key];
        potluck(&[command, &place[..], rest].concat())
    }

    /// The log's size and root, as JSON.
    ///
    /// # Panics
    /// Where the ledger cannot be read.
    pub fn checkpoint(&self) -> Value {
        self.stranger(&["ledger"], &[]).succeeded()["checkpoint"].clone()
    }

    /// What the running aggregator has said so far in its log.
    ///
    /// # Panics
    /// Where none runs.
    pub fn log(&self) -> String {
        self.server.as_ref().expect("an aggregator runs").log()
    }

    /// Sends the running aggregator a signal.
    ///
    /// # Errors
    /// Where none runs.
    pub fn signal(&self, name: &str) -> Result<()> {
        self.server.as_ref().context("no aggregator runs")?.signal(name)
    }

    /// Kills the aggregator as a power cut would.
    pub fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }

    /// Asks the aggregator to stop, and waits until it has; its exit code.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn stop(&mut self) -> Result<Option<i32>> {
        self.server.take().context("no aggregator runs")?.stop()
    }

    /// Starts the aggregator again, where it listened before.
    ///
    /// # Errors
    /// Where it does not open.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        self.server = Some(Server::start(&self.operator_dir(), &self.address)?);
        Ok(())
    }
}

/// The other parties with weight zero, as λ must name all.
fn zeros(party: &str) -> String {
    PARTIES.iter().filter(|other| **other != party).map(|other| format!(",{other}=0")).collect()
}
