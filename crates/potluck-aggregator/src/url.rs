//! Addresses of those whom this program asks itself, in plain HTTP: witnesses, a collector of traces.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;

/// An `http` URL without query; a path is put behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainUrl {
    host: String,
    port: u16,
    path: String,
}

/// Not such an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an address reads http://host[:port][/path] here; https needs a proxy")]
pub struct NoPlainUrl;

impl FromStr for PlainUrl {
    type Err = NoPlainUrl;

    fn from_str(text: &str) -> Result<Self, NoPlainUrl> {
        let uri: Uri = text.parse().map_err(|_| NoPlainUrl)?;
        let is_http = uri.scheme_str() == Some("http") && uri.query().is_none();
        let authority = uri.authority().filter(|it| is_http && !it.as_str().contains('@'));
        let authority = authority.ok_or(NoPlainUrl)?;
        let path = uri.path().trim_end_matches('/').to_owned();
        let (host, port) = (authority.host().to_owned(), authority.port_u16().unwrap_or(80));
        Ok(Self { host, port, path })
    }
}

impl PlainUrl {
    /// Host and port, as a socket takes them.
    pub fn place(&self) -> (&str, u16) {
        (self.host.trim_start_matches('[').trim_end_matches(']'), self.port)
    }

    /// Host and port, as the header `Host` has them.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The path, which does not end with a slash.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for PlainUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}{}", self.host, self.port, self.path)
    }
}
