//! `[http]`: where readers are served over HTTP, and what each of them may cost.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::morl::{self, Runs};

/// Where and how it is served over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Pages of which other origins may read answers in a browser.
    #[serde(default)]
    pub cors: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    #[serde(default)]
    pub proxies: Vec<IpAddr>,
    /// How many requests a second one address, or one token, may make on end; 0 for as many as come.
    #[serde(default = "requests")]
    pub requests_per_second: u32,
    /// How many it may make at once.
    #[serde(default = "burst")]
    pub burst: u32,
    /// A file with runs of multi-objective training, for the picture of the front.
    #[serde(default)]
    pub morl: Option<PathBuf>,
    /// What stands in it.
    #[serde(skip)]
    pub runs: Option<Runs>,
}

impl Http {
    /// At this address, the rest as where nothing is said.
    pub fn at(listen: SocketAddr) -> Self {
        let (cors, proxies) = (Vec::new(), Vec::new());
        let (requests_per_second, burst) = (requests(), burst());
        Self { listen, cors, proxies, requests_per_second, burst, morl: None, runs: None }
    }

    /// Reads the files that it names, relative to `folder`; else the key, and what is wrong with it.
    pub(super) fn read(&mut self, folder: &Path) -> Result<(), (&'static str, String)> {
        let runs = self.morl.as_ref().map(|file| morl::read(&folder.join(file))).transpose();
        self.runs = runs.map_err(|wrong| ("morl", wrong))?;
        Ok(())
    }

    /// The first value that cannot be: its key, and what is wrong with it.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        if self.requests_per_second > 0 && self.burst == 0 {
            return Some(("burst", "is 0, which would refuse every request".to_owned()));
        }
        let is_origin = |text: &str| {
            let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b);
            host.is_some_and(|host| !host.is_empty() && host.bytes().all(allowed))
        };
        let wrong = self.cors.iter().find(|origin| !is_origin(origin))?;
        Some(("cors", format!("{wrong:?} is no origin, such as https://board.example")))
    }
}

fn requests() -> u32 {
    100
}

fn burst() -> u32 {
    1000
}
