//! Flags that say where: a member's folder, or an address and a log key.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use potluck_core::{PrivateKey, PublicKey, Signer};
use potluck_log::VerifierKey;
use potluck_net::{Client, Congestion, Pki, Tuning, Window, connect_tuned};

use crate::failure::{Failure, warn};
use crate::folder::{Folder, random_key, verifier_key};
use crate::ledger::Memory;
use crate::patience::connecting;

/// Where a member acts from.
#[derive(Debug, Args)]
pub(crate) struct Member {
    /// Your folder, as `potluck join` or `potluck new` made it
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Where the aggregator is, if not where the folder says
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<String>,
}

/// Where a reader reads: with a member's folder, or as a stranger.
#[derive(Debug, Args)]
pub(crate) struct Reader {
    /// Your folder, as `potluck join` or `potluck new` made it [default: this one]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Where the aggregator is; with --log-key, no folder is needed
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) address: Option<String>,
    /// The log's public key, as the operator gave it out (name+id+key)
    #[arg(long, value_name = "KEY")]
    pub(crate) log_key: Option<String>,
}

/// How a command that moves checkpoints uses its line.
#[derive(Debug, Args)]
pub(crate) struct Line {
    /// MiB under way at once: the line's bandwidth times its delay (125 MB/s × 0.2 s = 25 MB)
    ///
    /// The smaller of yours and the aggregator's counts. It takes up to twice as much memory.
    #[arg(long, value_name = "MIB", default_value = "12")]
    window: Window,
    /// Over how many connections at once: several carry more where the line loses packets
    ///
    /// Each brings parts of the file. They count among the connections that the aggregator lets you have.
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=6))]
    connections: u8,
    /// By which rule to send
    #[arg(long, value_name = "RULE", default_value = "cubic")]
    congestion: Rule,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rule {
    /// Slows down when packets are lost, as TCP does
    Cubic,
    /// Keeps its rate on lossy lines, at the expense of others on them; experimental
    Bbr,
}

impl Line {
    /// Over how many connections.
    pub(crate) fn connections(&self) -> usize {
        self.connections.into()
    }

    /// What was chosen.
    pub(crate) fn tuning(&self) -> Tuning {
        let congestion = match self.congestion {
            Rule::Cubic => Congestion::Cubic,
            Rule::Bbr => Congestion::Bbr,
        };
        Tuning { window: self.window, congestion }
    }
}

/// Says what this machine lacks for large transfers.
pub(crate) fn warn_of_shortfall(client: &Client) {
    if let Some(shortfall) = client.shortfall() {
        warn(shortfall);
    }
}

/// All that is needed to connect, and to judge what comes.
pub(crate) struct Door {
    /// Where the aggregator is.
    pub(crate) address: String,
    /// The pinned log key: it is the server's identity and signs the checkpoints.
    pub(crate) log: VerifierKey,
    /// With which key to connect.
    pub(crate) identity: PrivateKey,
    /// With which certificates beside it, where the folder names some.
    pub(crate) pki: Option<Pki>,
    /// What was seen before.
    pub(crate) memory: Option<Memory>,
    /// What cosigns checkpoints in the reader's name, where the reader is a witness.
    pub(crate) witness: Option<Box<dyn Signer>>,
    /// How to use the line.
    pub(crate) tuning: Tuning,
}

impl Door {
    /// A reader who is nobody there and remembers nothing.
    pub(crate) fn stranger(address: String, log: VerifierKey, identity: PrivateKey) -> Self {
        let tuning = Tuning::default();
        Self { address, log, identity, pki: None, memory: None, witness: None, tuning }
    }

    /// Connects; waits a while for a place where there is none.
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        let (server, pki) = (self.server()?, self.pki.as_ref());
        let connecting = connecting(async || {
            connect_tuned(&self.address, &server, &self.identity, pki, &self.tuning).await
        });
        Ok(connecting.await?)
    }

    /// So many more connections, or as many as can be had: with fewer it takes longer, and nothing else.
    pub(crate) async fn connect_more(&self, count: usize) -> Vec<Client> {
        let mut clients = Vec::new();
        while clients.len() < count {
            match self.connect().await {
                Ok(client) => clients.push(client),
                Err(failure) => {
                    let short = count - clients.len();
                    warn(format_args!("{failure}: going on with {short} connections fewer"));
                    break;
                }
            }
        }
        clients
    }

    /// The server's key on the network.
    pub(crate) fn server(&self) -> Result<PublicKey, Failure> {
        PublicKey::from_bytes(self.log.public_key().as_bytes()).map_err(Failure::input)
    }
}

impl Member {
    /// The door of a folder.
    pub(crate) fn door(&self, folder: &Folder) -> Result<Door, Failure> {
        Ok(Door {
            address: self.address.clone().unwrap_or_else(|| folder.address().to_owned()),
            log: folder.log_key().clone(),
            identity: folder.identity()?,
            pki: folder.pki()?,
            memory: Some(folder.memory()),
            witness: folder.witness()?,
            tuning: Tuning::default(),
        })
    }
}

impl Reader {
    /// The door: a stranger's where address and log key are given without a folder, else a member's.
    pub(crate) fn door(&self) -> Result<Door, Failure> {
        self.door_to(None)
    }

    /// As [`Self::door`], at another address than the flag's or the folder's, where there is one.
    pub(crate) fn door_to(&self, address: Option<&str>) -> Result<Door, Failure> {
        let address = address.map(str::to_owned).or_else(|| self.address.clone());
        let log = self.log_key.as_deref().map(verifier_key).transpose();
        let log = log.map_err(|error| Failure::input(format!("--log-key: {error}")))?;
        match (&self.dir, address, log) {
            (None, Some(address), Some(log)) => {
                let identity = random_key()?;
                Ok(Door::stranger(address, log, identity))
            }
            (dir, address, log) => {
                let dir = dir.clone().unwrap_or_else(|| PathBuf::from("."));
                let folder = Folder::open(&dir)?;
                if log.is_some_and(|log| log != *folder.log_key()) {
                    return Err(Failure::input(format!(
                        "--log-key is another than the log_key of {folder}"
                    )));
                }
                Member { dir, address }.door(&folder)
            }
        }
    }
}
