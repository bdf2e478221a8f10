//! `[x509]`: a second address, for those who come with certificates of an organisation's own.
//!
//! The server's certificate is that of the log's key, which is what clients pin; so there is no key to name here.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use potluck_net::{Pki, PkiError};
use serde::Deserialize;

/// The largest file of certificates, in bytes: a bundle of authorities with room to spare.
const MAX: u64 = 1 << 20;

/// Where certificates are asked for, and which.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct X509 {
    /// Where to listen beside the usual address.
    pub listen: SocketAddr,
    /// The authority's certificates, in PEM.
    pub ca: PathBuf,
    /// The log key's certificate, and those between it and the authority, in PEM.
    pub certificate: PathBuf,
}

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum X509Error {
    /// A file cannot be read.
    #[error("cannot read the certificates {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The files hold nothing that can be used.
    #[error("x509: {} and {} cannot be used", ca.display(), certificate.display())]
    Unusable {
        /// The authority's.
        ca: PathBuf,
        /// The server's own.
        certificate: PathBuf,
        /// Why.
        source: PkiError,
    },
}

impl X509 {
    /// As seen from the federation's folder.
    pub(super) fn in_folder(self, dir: &Path) -> Self {
        Self { ca: dir.join(self.ca), certificate: dir.join(self.certificate), ..self }
    }

    /// Reads the certificates.
    ///
    /// # Errors
    /// [`X509Error`], which names the files.
    pub fn read(&self) -> Result<Pki, X509Error> {
        let (ca, certificate) = (read(&self.ca)?, read(&self.certificate)?);
        Pki::new(&ca, &certificate).map_err(|source| X509Error::Unusable {
            ca: self.ca.clone(),
            certificate: self.certificate.clone(),
            source,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, X509Error> {
    let failed = |source| X509Error::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
