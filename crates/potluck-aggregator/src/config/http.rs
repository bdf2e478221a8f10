//! `[http]`: where readers are served over HTTP, by which certificate, and what each of them may cost.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use potluck_net::tcp::tls::{Certificate, Fault};

use serde::Deserialize;

use super::morl::{self, Runs};

/// The largest file of a certificate or key, in bytes.
const MAX: u64 = 1 << 20;

/// Where and how it is served over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The certificate by which it is served over TLS, in PEM: the server's own first, then those between it and an authority.
    pub certificate: Option<PathBuf>,
    /// Its private key, in PEM.
    pub key: Option<PathBuf>,
    /// By which name clients call, if the certificate is to be looked at for it.
    pub name: Option<String>,
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
        let (certificate, key, name) = (None, None, None);
        let (requests_per_second, burst) = (requests(), burst());
        let (morl, runs) = (None, None);
        Self {
            listen,
            certificate,
            key,
            name,
            cors,
            proxies,
            requests_per_second,
            burst,
            morl,
            runs,
        }
    }

    /// Reads the figures that it names, relative to `folder`; else the key, and what is wrong with it.
    pub(super) fn read(&mut self, folder: &Path) -> Result<(), (&'static str, String)> {
        let runs = self.morl.as_ref().map(|file| morl::read(&folder.join(file))).transpose();
        self.runs = runs.map_err(|wrong| ("morl", wrong))?;
        Ok(())
    }

    /// As seen from the federation's folder.
    pub(super) fn in_folder(self, dir: &Path) -> Self {
        let seen = |path: Option<PathBuf>| path.map(|path| dir.join(path));
        Self { certificate: seen(self.certificate), key: seen(self.key), ..self }
    }

    /// The files by which it is served over TLS, if it is.
    pub fn files(&self) -> Option<(&Path, &Path)> {
        // One is not there without the other.
        Some((self.certificate.as_deref()?, self.key.as_deref()?))
    }

    /// Reads the certificate and its key.
    ///
    /// # Errors
    /// Which of the keys is wrong, and how.
    pub(super) fn secured(&self) -> Result<Option<Certificate>, (&'static str, String)> {
        let Some((certificate, key)) = self.files() else { return Ok(None) };
        let unread = |path: &Path, error: io::Error| {
            format!("names {}, which cannot be read: {error}", path.display())
        };
        let text =
            read(certificate).map_err(|error| ("certificate", unread(certificate, error)))?;
        let secret = read(key).map_err(|error| ("key", unread(key, error)))?;
        let made = Certificate::new(&text, &secret).map_err(|error| {
            let (name, path) = match error.fault() {
                Fault::Certificate => ("certificate", certificate),
                Fault::Key => ("key", key),
            };
            (name, format!("names {}, which {}", path.display(), crate::in_full(&error)))
        })?;
        Ok(Some(made))
    }

    /// The first value that cannot be: its key, and what is wrong with it.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        if self.requests_per_second > 0 && self.burst == 0 {
            return Some(("burst", "is 0, which would refuse every request".to_owned()));
        }
        match (&self.certificate, &self.key) {
            (Some(_), None) => {
                return Some(("key", "is missing beside the certificate".to_owned()));
            }
            (None, Some(_)) => {
                return Some(("certificate", "is missing beside the key".to_owned()));
            }
            _ => {}
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

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn requests() -> u32 {
    100
}

fn burst() -> u32 {
    1000
}
