//! Handshakes of real clients over a pipe.

use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

/// A certificate for `host`, and its text and key.
fn made(host: &str) -> (Certificate, String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().self_signed(&key);
    let (text, key) = (certificate.unwrap().pem(), key.serialize_pem());
    (Certificate::new(text.as_bytes(), key.as_bytes()).unwrap(), text, key)
}

/// A client that trusts one certificate and speaks these.
fn client(trusted: &str, spoken: &[&[u8]]) -> TlsConnector {
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = spoken.iter().map(|name| name.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

async fn shake(
    tls: &Tls,
    client: &TlsConnector,
) -> io::Result<(Secured<DuplexStream>, Version, tokio_rustls::client::TlsStream<DuplexStream>)> {
    let (near, far) = duplex(64 << 10);
    let name = ServerName::try_from("fed.example").unwrap();
    let (accepted, called) = tokio::join!(tls.accept(near), client.connect(name, far));
    let ((stream, version), called) = (accepted?, called?);
    Ok((stream, version, called))
}

#[tokio::test]
async fn a_certificate_is_replaced_under_connections_that_last() {
    let (first, first_text, _) = made("fed.example");
    let (second, second_text, _) = made("fed.example");
    let tls = Tls::new(&first);
    let (mut near, version, mut far) =
        shake(&tls, &client(&first_text, &[b"h2", b"http/1.1"])).await.unwrap();
    assert_eq!(version, Version::Http2);
    tls.replace(&second);
    assert!(shake(&tls, &client(&first_text, &[])).await.is_err(), "it shows the second");
    let (_, version, _) = shake(&tls, &client(&second_text, &[b"http/1.1"])).await.unwrap();
    assert_eq!(version, Version::Http1);
    far.write_all(b"still here").await.unwrap();
    far.flush().await.unwrap();
    let mut heard = [0; 10];
    near.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"still here");
}

#[tokio::test]
async fn a_server_of_ones_own_is_asked_whatever_its_certificate_says() {
    let (certificate, _, _) = made("fed.example");
    let (near, far) = duplex(64 << 10);
    let tls = Tls::new(&certificate);
    let (accepted, called) = tokio::join!(tls.accept(near), call_own(far));
    assert_eq!(accepted.unwrap().1, Version::Http1);
    called.unwrap();
}

#[test]
fn what_is_wrong_with_which_file_is_told() {
    let (certificate, text, key) = made("fed.example");
    let (_, _, other) = made("fed.example");
    let fault = |text: &str, key: &str| {
        let error = Certificate::new(text.as_bytes(), key.as_bytes()).unwrap_err();
        (error.fault(), error.to_string())
    };
    assert_eq!(fault(&text, &other), (Fault::Key, "holds the key of another certificate".into()));
    assert!(fault(&text, "").1.starts_with("is no PEM with a private key"));
    assert_eq!(fault(&text, &text).0, Fault::Key);
    assert_eq!(fault(&key, &key).0, Fault::Certificate);
    assert_eq!(fault("", &key).0, Fault::Certificate);

    assert_eq!(certificate.names(), ["fed.example"]);
    assert!(certificate.is_for("fed.example") && !certificate.is_for("example.org"));
    let (begins, ends) = certificate.validity();
    let day = Duration::from_secs(86_400);
    assert!(begins < SystemTime::now() && ends > SystemTime::now() + day);
}
