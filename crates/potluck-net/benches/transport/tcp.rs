//! TLS 1.3 over TCP by tokio-rustls, with AES-128-GCM: from memory into memory, each end with a thread of its own.

use std::sync::Arc;
use std::thread;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::clock::{Start, Taken};
use crate::quic::{PIECE, memory, pieces, reactor};

pub(crate) fn transfer(bytes: u64) -> Taken {
    let (server, client) = configs();
    let memory = memory();
    let runtime = reactor();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let receiver = thread::spawn(move || {
        runtime.block_on(async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = TlsAcceptor::from(server).accept(stream).await.unwrap();
            let (mut buffer, mut count) = (vec![0; 4 * PIECE], 0);
            loop {
                match stream.read(&mut buffer).await.unwrap() {
                    0 => break,
                    length => count += length as u64,
                }
            }
            assert_eq!(count, bytes);
            // The answer after which the sender knows that all is there.
            stream.write_all(b"!").await.unwrap();
            stream.shutdown().await.unwrap();
        });
    });
    let taken = reactor().block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(client).connect(name, stream).await.unwrap();
        let start = Start::now();
        for piece in pieces(bytes, memory.len()) {
            stream.write_all(&memory[piece]).await.unwrap();
        }
        stream.shutdown().await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
        start.taken()
    });
    receiver.join().unwrap();
    taken
}

fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let cipher_suites = vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256];
    let provider = Arc::new(CryptoProvider { cipher_suites, ..ring::default_provider() });
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}
