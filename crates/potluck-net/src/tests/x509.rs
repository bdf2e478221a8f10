//! Certificates are asked for beside all else: authority, time, key, each is missed by a name of its own.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

use super::*;
use crate::{BindError, ConnectError, Pki, PkiError, connect_x509};

/// An organisation's authority.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str, algorithm: &'static rcgen::SignatureAlgorithm) -> Self {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn certify(&self, key: &PrivateKey) -> String {
        self.certify_in(key, (2000, 2090))
    }

    /// A certificate from the first day of one year to that of another.
    fn certify_in(&self, key: &PrivateKey, (from, to): (i32, i32)) -> String {
        let own =
            KeyPair::from_pkcs8_pem_and_sign_algo(&key.to_pem(), &rcgen::PKCS_ED25519).unwrap();
        let mut params = CertificateParams::default();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        params.signed_by(&own, &self.issuer).unwrap().pem()
    }

    fn pki(&self, certificate: &str) -> Pki {
        Pki::new(self.pem.as_bytes(), certificate.as_bytes()).unwrap()
    }

    fn pki_of(&self, key: &PrivateKey) -> Pki {
        self.pki(&self.certify(key))
    }
}

fn authority() -> Authority {
    // Authorities are seldom Ed25519 yet.
    Authority::new("Kitchen CA", &rcgen::PKCS_ECDSA_P256_SHA256)
}

/// A server that listens both ways, and where it asks for certificates.
fn start(pki: &Pki) -> (Running, SocketAddr) {
    let any = "127.0.0.1:0".parse().unwrap();
    let toy = Arc::new(Toy::admitting([party_key().public()]));
    let service: Arc<dyn crate::Service> = toy.clone();
    let server = Server::bind(any, &(&server_key()).into(), service, Limits::default()).unwrap();
    let server = server.with_x509(any, &server_key(), pki).unwrap();
    let (address, x509) = (server.local_addr(), server.x509_addr().unwrap());
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    (Running { address, toy, stop, ended }, x509)
}

async fn knock(at: SocketAddr, key: &PrivateKey, pki: &Pki) -> Result<Client, ConnectError> {
    connect_x509(&at.to_string(), &server_key().public(), key, pki).await
}

#[tokio::test]
async fn both_ways_lead_in_side_by_side() {
    let ca = authority();
    let (running, x509) = start(&ca.pki_of(&server_key()));
    let with = knock(x509, &party_key(), &ca.pki_of(&party_key())).await.unwrap();
    let without = running.client().await;
    assert_eq!(with.ledger(3).await.unwrap().checkpoint, "from 3");
    assert_eq!(without.ledger(3).await.unwrap().checkpoint, "from 3");
    // Who it is comes from the certificate's key: an envelope of that key is taken.
    with.append(&toy::envelope(&[], &party_key())).await.unwrap();
    running.stop().await;
    with.ledger(0).await.unwrap_err();
}

#[tokio::test]
async fn an_authority_cannot_add_a_party() {
    let ca = authority();
    let (running, x509) = start(&ca.pki_of(&server_key()));
    let (stranger, _) = key_of(9);
    let refused = knock(x509, &stranger, &ca.pki_of(&stranger)).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Rejected { .. }), "{refused:?}");
    running.stop().await;
}

#[tokio::test]
async fn an_authority_cannot_stand_in_for_the_server() {
    let ca = authority();
    let (running, x509) = start(&ca.pki_of(&server_key()));
    let (address, other) = (x509.to_string(), key_of(9).1);
    let pki = ca.pki_of(&party_key());
    let refused = connect_x509(&address, &other, &party_key(), &pki).await.unwrap_err();
    assert!(matches!(refused, ConnectError::WrongServer { .. }), "{refused:?}");
    running.stop().await;
}

#[tokio::test]
async fn each_fault_of_a_certificate_has_its_name() {
    let (ca, other) = (authority(), Authority::new("Other CA", &rcgen::PKCS_ED25519));
    let (running, x509) = start(&ca.pki_of(&server_key()));
    let key = party_key();
    let ours = |error: ConnectError| match error {
        ConnectError::OurCertificate { reason, .. } => reason,
        error => panic!("{error:?}"),
    };
    let foreign = ca.pki(&other.certify(&key));
    let refused = knock(x509, &key, &foreign).await.unwrap_err();
    assert_eq!(ours(refused), "another authority signed it");
    let expired = ca.pki(&ca.certify_in(&key, (2000, 2001)));
    let refused = knock(x509, &key, &expired).await.unwrap_err();
    assert_eq!(ours(refused), "it is out of its time");
    let early = ca.pki(&ca.certify_in(&key, (2089, 2090)));
    let refused = knock(x509, &key, &early).await.unwrap_err();
    assert_eq!(ours(refused), "it is out of its time");

    // The same authority's name over another key.
    let forger = Authority::new("Kitchen CA", &rcgen::PKCS_ECDSA_P256_SHA256);
    let refused = knock(x509, &key, &ca.pki(&forger.certify(&key))).await.unwrap_err();
    assert!(matches!(refused, ConnectError::OurCertificate { .. }), "{refused:?}");

    let theirs = knock(x509, &key, &other.pki_of(&key)).await.unwrap_err();
    assert!(
        matches!(
            theirs,
            ConnectError::ServerCertificate { reason: "another authority signed it", .. }
        ),
        "{theirs:?}"
    );
    running.stop().await;
}

#[tokio::test]
async fn raw_keys_and_certificates_do_not_mix() {
    let ca = authority();
    let (running, x509) = start(&ca.pki_of(&server_key()));
    let at = x509.to_string();
    let raw = connect(&at, &server_key().public(), &party_key()).await.unwrap_err();
    assert!(matches!(raw, ConnectError::Handshake { .. }), "{raw:?}");
    let pki = ca.pki_of(&party_key());
    let certified = knock(running.address, &party_key(), &pki).await.unwrap_err();
    assert!(matches!(certified, ConnectError::Handshake { .. }), "{certified:?}");
    // Nor does anybody get in who shows nothing at all.
    let crypto = crate::tls::x509::tests::keyless(&pki, server_key().public());
    let tuning = crate::Tuning::default();
    let (endpoint, _) = crate::transport::dial(x509, Arc::new(crypto), &tuning).unwrap();
    let connecting = endpoint.connect(x509, "potluck").unwrap();
    let greeted = async { connecting.await?.accept_uni().await.map(|_| ()) };
    let refused = within(greeted).await.unwrap_err();
    let refused = crate::client::explain(refused, &at);
    assert!(
        matches!(refused, ConnectError::OurCertificate { reason: "none was shown", .. }),
        "{refused:?}"
    );
    running.stop().await;
}

#[test]
fn certificates_are_checked_before_anything_is_bound() {
    let ca = authority();
    let certificate = ca.certify(&party_key());
    let pki = |authority: &str, own: &str| Pki::new(authority.as_bytes(), own.as_bytes());
    assert!(matches!(pki("", &certificate), Err(PkiError::AuthorityText(_))));
    assert!(matches!(pki(&ca.pem, "nonsense"), Err(PkiError::CertificateText(_))));
    let many = certificate.repeat(65);
    assert!(matches!(pki(&ca.pem, &many), Err(PkiError::CertificateText(None))));
    let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(pki(&ca.pem, garbled), Err(PkiError::Certificate(_))));
    assert!(matches!(pki(garbled, &certificate), Err(PkiError::Authority(_))));
    // The authority's own key is none of ours.
    assert!(matches!(pki(&ca.pem, &ca.pem), Err(PkiError::Key(_))));
    let other = pki(&ca.pem, &certificate).unwrap().certifies(&server_key().public());
    assert!(matches!(other, Err(PkiError::OtherKey { .. })));
}

#[tokio::test]
async fn a_certificate_of_another_key_binds_nothing() {
    let any = "127.0.0.1:0".parse().unwrap();
    let service: Arc<dyn crate::Service> = Arc::new(Toy::admitting([]));
    let server = Server::bind(any, &(&server_key()).into(), service, Limits::default()).unwrap();
    let refused = server.with_x509(any, &server_key(), &authority().pki_of(&party_key()));
    assert!(matches!(refused.err().unwrap(), BindError::Pki(PkiError::OtherKey { .. })));
}
