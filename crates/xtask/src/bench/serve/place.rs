//! Where the bench works: programs, a federation with three experts, and its server.

use std::cell::Cell;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Extent;
use crate::bench::federation::{self, Federation};
use crate::bench::measure::remove;
use crate::toolchain::{Toolchain, output_of, run, target_dir};

/// Whose experts there are.
const PARTIES: [&str; 3] = ["agency", "checkers", "readers"];

/// A folder with programs and a federation in place.
pub(super) struct Place {
    dir: PathBuf,
    federation: PathBuf,
    /// How many λ were asked for.
    asked: Cell<u32>,
}

impl Place {
    /// Builds the programs and founds what is not there: 4 GB of experts and base, and a soup.
    ///
    /// # Errors
    /// When something cannot be built, or the disk is full.
    pub(super) fn set_up(
        toolchain: &Toolchain,
        dir: Option<PathBuf>,
        extent: &Extent,
    ) -> Result<Self> {
        let dir = dir.unwrap_or_else(|| target_dir().join("bench/serve"));
        let bin = dir.join("bin");
        fs::create_dir_all(&bin).with_context(|| bin.display().to_string())?;
        let programs = toolchain.build_programs()?;
        // Copies, so that a build elsewhere does not change a contender in the middle.
        for name in ["potluck", "potluck-aggregator"] {
            fs::copy(programs.join(name), bin.join(name))?;
        }
        fs::copy(toolchain.build_bench("potluck-aggregator", "serve")?, bin.join("serve"))?;
        let federation = dir.join(format!("federation-{}", extent.each_mib));
        let place = Self { dir, federation, asked: Cell::new(0) };
        if !place.federation.join("whole").exists() {
            place.found(extent.each_mib)?;
        }
        Ok(place)
    }

    fn found(&self, each_mib: u64) -> Result<()> {
        eprintln!("founding a federation with three experts of {each_mib} MiB (once)");
        let parties = PARTIES.map(str::to_owned);
        let bin = self.bin();
        let founded = Federation::found(&bin, &self.federation, &parties, each_mib)?;
        for (seed, party) in (1..).zip(PARTIES) {
            let outbox = founded.expert(party, seed)?;
            let pushed = founded.push(party, &outbox)?.wait_with_output()?;
            ensure!(pushed.status.success(), "a push failed: {pushed:?}");
            remove(&outbox)?;
        }
        drop(founded);
        self.link_experts()?;
        run(self
            .mix(&self.lambda())
            .arg("--base")
            .arg(self.federation.join("base"))
            .arg("--out")
            .arg(self.mixed()))?;
        fs::write(self.federation.join("whole"), "")?;
        Ok(())
    }

    /// Gives the experts in the store the names by which `potluck mix` knows weights, so that both read the same files.
    fn link_experts(&self) -> Result<()> {
        let server = self.serve()?;
        let experts = server.json("/api/v1/experts")?;
        for expert in experts["items"].as_array().context("no experts")? {
            let party = expert["party"].as_str().context("an expert of nobody")?;
            let blake3 = expert["files"][0]["blake3"].as_str().context("no digest")?;
            let blob = self.federation.join("operator/store/blobs").join(&blake3[..2]).join(blake3);
            let link = self.expert(party);
            fs::create_dir_all(link.parent().context("it has a folder")?)?;
            std::os::unix::fs::symlink(fs::canonicalize(blob)?, link)?;
        }
        Ok(())
    }

    fn bin(&self) -> PathBuf {
        self.dir.join("bin")
    }

    fn expert(&self, party: &str) -> PathBuf {
        self.federation.join("experts").join(party).join("model.safetensors")
    }

    /// The files that a soup is mixed of.
    pub(super) fn experts(&self) -> Vec<PathBuf> {
        PARTIES.map(|party| self.expert(party)).to_vec()
    }

    /// The first soup of all, as `potluck mix` made it with its recipe.
    pub(super) fn mixed(&self) -> PathBuf {
        self.federation.join("mixed/model.safetensors")
    }

    /// A file or folder of the bench's own.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The reader.
    pub(super) fn reader(&self, task: &str) -> Command {
        let mut reader = Command::new(self.bin().join("serve"));
        reader.arg(task);
        reader
    }

    /// Runs the reader and reads what it tells.
    pub(super) fn told(reader: &mut Command) -> Result<Value> {
        let told = output_of(reader)?;
        let last = told.lines().last().context("the reader told nothing")?;
        serde_json::from_str(last).with_context(|| format!("no JSON: {last:?}"))
    }

    /// `potluck mix` of some λ, to which the output is added.
    pub(super) fn mix(&self, lambda: &str) -> Command {
        let mut mix = Command::new(self.bin().join("potluck"));
        mix.args(["mix", "--lambda", lambda]);
        for party in PARTIES {
            mix.arg("--expert").arg(format!("{party}={}", self.expert(party).display()));
        }
        mix
    }

    /// The λ of [`Self::mixed`].
    pub(super) fn lambda(&self) -> String {
        lambda(0)
    }

    /// One that nobody asked for before.
    pub(super) fn unseen(&self) -> String {
        self.asked.set(self.asked.get() + 1);
        lambda(self.asked.get())
    }

    /// Starts the aggregator over the experts.
    pub(super) fn serve(&self) -> Result<Server> {
        let home = self.federation.join("operator");
        let http = free()?;
        let settings = format!(
            "listen = \"127.0.0.1:0\"\n[http]\nlisten = \"{http}\"\nrequests_per_second = 0\n"
        );
        fs::write(home.join("aggregator.toml"), settings)?;
        Server::start(&self.bin(), &home, http)
    }

    /// Starts the aggregator of another folder, which serves at `http`.
    pub(super) fn serve_other(&self, home: &Path, http: SocketAddr) -> Result<Server> {
        Server::start(&self.bin(), home, http)
    }
}

/// Shares in parts per million, others for each number.
fn lambda(number: u32) -> String {
    let [agency, checkers, readers] = PARTIES;
    let (first, second) = (200_000 + number, 300_000 + 2 * number);
    format!("{agency}={first},{checkers}={second},{readers}={}", 1_000_000 - first - second)
}

/// Where the weights of a λ are served.
pub(super) fn weights(lambda: &str) -> String {
    format!("/bench/model/resolve/{lambda}/model.safetensors")
}

/// An address that is free now; nobody else on this machine is given it so soon.
pub(super) fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// An aggregator that serves over HTTP, until it is dropped.
pub(super) struct Server {
    pub(super) process: Child,
    pub(super) address: SocketAddr,
}

impl Server {
    fn start(programs: &Path, home: &Path, address: SocketAddr) -> Result<Self> {
        let (process, _) = federation::start(programs, home, "127.0.0.1:0")?;
        let server = Self { process, address };
        wait_for(address)?;
        Ok(server)
    }

    /// What stands at a path.
    pub(super) fn json(&self, path: &str) -> Result<Value> {
        let mut stream = TcpStream::connect(self.address)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        serde_json::from_str(body).with_context(|| format!("{path}: {answer}"))
    }

    /// The most memory that it held so far, in bytes.
    pub(super) fn peak_rss(&self) -> Result<u64> {
        federation::peak_rss(&self.process)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until somebody listens.
pub(super) fn wait_for(address: SocketAddr) -> Result<()> {
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        ensure!(begun.elapsed() < Duration::from_secs(60), "nobody listens at {address}");
        sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// The processor time of a process and of all its threads so far, in seconds.
pub(super) fn cpu_seconds(process: &Child) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.id()))?;
    // The second field is the program's name, which may hold anything, and ends with the last parenthesis.
    let (_, rest) = stat.rsplit_once(')').context("no stat")?;
    let ticks = |field: usize| -> Result<f64> {
        Ok(rest.split_whitespace().nth(field - 3).context("a short stat")?.parse()?)
    };
    // User and system time, in ticks of which Linux tells user space that there are a hundred a second.
    Ok((ticks(14)? + ticks(15)?) / 100.0)
}
