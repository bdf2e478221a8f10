//! A client that holds on to one connection, with and without TLS.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Names in lower case.
    pub(super) head: Vec<(String, String)>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

/// A connection.
pub(super) struct Client<S: Read + Write>(BufReader<S>);

impl Client<TcpStream> {
    /// Without TLS.
    pub(super) fn plain(address: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(address).unwrap()))
    }
}

impl Client<StreamOwned<ClientConnection, TcpStream>> {
    /// Under TLS, by a certificate for `fed.example`; nothing where the server shows another.
    pub(super) fn secured(address: SocketAddr, certificate: &str) -> std::io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("fed.example").unwrap();
        let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = TcpStream::connect(address)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        Ok(Self(BufReader::new(StreamOwned::new(session, stream))))
    }
}

impl<S: Read + Write> Client<S> {
    /// Asks for a path with further lines of the head.
    pub(super) fn ask(&mut self, path: &str, lines: &str) -> Answer {
        let stream = self.0.get_mut();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: fed.example\r\n{lines}\r\n").unwrap();
        stream.flush().unwrap();
        let mut next = || {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let status = next().split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap();
        let mut head = Vec::new();
        loop {
            let line = next();
            let Some((name, value)) = line.split_once(": ") else { break };
            head.push((name.to_lowercase(), value.to_owned()));
        }
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.header("content-length").map_or(0, |it| it.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        answer.body = String::from_utf8(body).unwrap();
        answer
    }
}
