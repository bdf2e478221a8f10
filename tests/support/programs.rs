//! The product's programs, started as people start them.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use serde_json::Value;

/// A program that ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// The last line on standard output as JSON; null where it is none.
    pub fn json(&self) -> Value {
        let last = self.stdout.lines().last();
        last.and_then(|line| serde_json::from_str(line).ok()).unwrap_or(Value::Null)
    }

    /// The code of the refusal or error that `--json` printed.
    pub fn error_code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The sentence of the refusal or error that `--json` printed.
    pub fn error(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
    }

    /// The JSON of a success.
    ///
    /// # Panics
    /// Where the program failed; the text repeats what it said.
    pub fn succeeded(self) -> Value {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.json()
    }
}

/// The folder in which the programs stand.
///
/// # Panics
/// Where there is none: a test without the product proves nothing.
pub fn bin_dir() -> PathBuf {
    if let Some(dir) = std::env::var_os("POTLUCK_BIN_DIR") {
        return PathBuf::from(dir);
    }
    let here = std::env::current_exe().expect("a running test has a path");
    let dir = here.ancestors().nth(2).expect("cargo puts tests into target/PROFILE/deps");
    assert!(dir.join("potluck").exists(), "build the programs first: cargo xtask test");
    dir.to_path_buf()
}

/// A program of the product.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(bin_dir().join(name));
    command.stdin(Stdio::null());
    command
}

/// Runs `potluck` with `--json` to its end.
///
/// # Panics
/// Where it cannot be started.
pub fn potluck<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Ended {
    let mut command = program("potluck");
    command.args(args).arg("--json");
    end(command)
}

/// Runs a command to its end.
///
/// # Panics
/// Where it cannot be started.
pub fn end(mut command: Command) -> Ended {
    let output = command.output().expect("the programs were built");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A running aggregator. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: Arc<Mutex<String>>,
    /// Where it listens.
    pub address: String,
}

impl Server {
    /// Starts it over `dir` and waits until it listens.
    ///
    /// # Errors
    /// Where it ends before; the text repeats what it said.
    pub fn start(dir: &Path, listen: &str) -> Result<Self> {
        let mut command = program("potluck-aggregator");
        command.arg("--dir").arg(dir).args(["--listen", listen]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("standard output was piped")?;
        let stderr = child.stderr.take().context("standard error was piped")?;
        let log = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&log);
        let reading = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = written.lock().unwrap_or_else(PoisonError::into_inner);
                log.push_str(&line);
                log.push('\n');
            }
        });
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let Some(address) = line.trim().strip_prefix("listening on ") else {
            let status = child.wait()?;
            let _ = reading.join();
            let said = log.lock().unwrap_or_else(PoisonError::into_inner);
            anyhow::bail!("the aggregator ended with {status}: {said}");
        };
        Ok(Self { child, log, address: address.to_owned() })
    }

    /// What it has said so far on standard error.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// Where it is not there any more.
    pub fn signal(&self, name: &str) -> Result<()> {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status()?;
        anyhow::ensure!(sent.success(), "the aggregator is not there any more");
        Ok(())
    }

    /// Kills it at once, as a power cut would.
    pub fn kill(mut self) {
        self.kill_now();
    }

    /// Asks it to stop, and waits until it has; its exit code.
    ///
    /// # Errors
    /// Where no signal can be sent.
    pub fn stop(mut self) -> Result<Option<i32>> {
        self.signal("-TERM")?;
        Ok(self.child.wait()?.code())
    }

    fn kill_now(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill_now();
    }
}
