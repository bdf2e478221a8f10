//! Who gets in, and what those are told who do not.

use std::time::Instant;

use potluck_core::Code;

use super::*;
use crate::{BindError, CallError, ConnectError};

#[tokio::test]
async fn a_party_gets_in_and_is_answered() {
    let running = Running::start(Limits::default());
    let client = running.client().await;
    assert_eq!(client.ledger(3).await.unwrap().checkpoint, "from 3");
    let envelope = toy::envelope(&[], &party_key());
    let receipt = client.append(&envelope).await.unwrap();
    assert_eq!(receipt.record, envelope.sha256().to_string());
    let other = toy::envelope(&[], &key_of(9).0);
    let refused = client.append(&other).await.unwrap_err();
    assert!(
        matches!(refused, CallError::Refused(refusal) if refusal.code == Code::SignatureInvalid)
    );
    client.close().await;
    running.stop().await;
}

#[tokio::test]
async fn a_stranger_is_refused_within_the_handshake() {
    let running = Running::start(Limits::default());
    let (stranger, _) = key_of(9);
    let address = running.address.to_string();
    let refused = connect(&address, &server_key().public(), &stranger).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Rejected { .. }), "{refused:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_server_with_another_key_is_not_spoken_to() {
    let running = Running::start(Limits::default());
    let (_, other) = key_of(9);
    let address = running.address.to_string();
    let refused = connect(&address, &other, &party_key()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::WrongServer { .. }), "{refused:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_server_of_two_keys_proves_the_one_that_is_pinned() {
    let ((old, old_public), (new, new_public), (_, other)) = (key_of(21), key_of(22), key_of(23));
    let identities = crate::Identities::from(&old);
    let toy: Arc<dyn crate::Service> = Arc::new(Toy::admitting([party_key().public()]));
    let any = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(any, &identities, toy, Limits::default()).unwrap();
    let address = server.local_addr().to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(server.run(async { _ = stopped.await }));
    let reach = async |server: &PublicKey| connect(&address, server, &party_key()).await;
    assert!(matches!(reach(&new_public).await, Err(ConnectError::WrongServer { .. })));
    // It came while the server ran.
    identities.add(&new);
    for key in [&old_public, &new_public] {
        assert!(reach(key).await.is_ok());
    }
    assert!(matches!(reach(&other).await, Err(ConnectError::WrongServer { .. })));
    drop(stop);
    within(ended).await.unwrap();
}

#[tokio::test]
async fn weak_keys_no_keys_and_other_protocols_do_not_get_in() {
    let running = Running::with(Toy::admitting([party_key().public()]), Limits::default());
    for crypto in crate::tls::tests::bad_clients(&party_key(), server_key().public()) {
        let tuning = crate::Tuning::default();
        let (endpoint, _) =
            crate::transport::dial(running.address, Arc::new(crypto), &tuning).unwrap();
        let connecting = endpoint.connect(running.address, "potluck").unwrap();
        let greeted = async { connecting.await?.accept_uni().await.map(|_| ()) };
        within(greeted).await.unwrap_err();
    }
    running.client().await;
    running.stop().await;
}

#[tokio::test]
async fn a_client_of_another_version_is_told_which_one_is_spoken() {
    let running = Running::start(Limits::default());
    let names = [&b"potluck/2"[..], b"potluck"];
    let (server, party) = (server_key().public(), party_key());
    let told = crate::bare::told(running.address, server, &party, &names);
    assert_eq!(within(told).await.unwrap(), "potluck/1");
    running.stop().await;
}

#[tokio::test]
async fn a_server_of_another_version_is_named_in_a_sentence() {
    for (reason, sentence) in [
        (&b"potluck/2 potluck/3"[..], "speaks potluck/2, potluck/3, and this program potluck/1"),
        (b"\x07", "speaks another version of the protocol, and this program potluck/1"),
    ] {
        let server = crate::bare::listen(&server_key(), crate::Tuning::default()).unwrap();
        let address = server.local_addr().unwrap().to_string();
        let closing = async {
            let connection = server.accept().await.unwrap().await.unwrap();
            let code = quinn::VarInt::from_u32(potluck_wire::version::UNSPOKEN);
            connection.close(code, reason);
            server.wait_idle().await;
        };
        let (server, party) = (server_key().public(), party_key());
        let connecting = async { connect(&address, &server, &party).await.unwrap_err() };
        let (refused, ()) = within(async { tokio::join!(connecting, closing) }).await;
        assert!(matches!(refused, ConnectError::Version { .. }), "{refused:?}");
        assert!(refused.to_string().ends_with(sentence), "{refused}");
    }
}

#[tokio::test]
async fn a_closed_port_is_unreachable_at_once() {
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let begun = Instant::now();
    let address = closed.to_string();
    let refused = connect(&address, &server_key().public(), &party_key()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Unreachable { .. }), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn what_is_no_address_is_said_to_be_none() {
    for address in ["nonsense", "127.0.0.1", "127.0.0.1:0", "host.invalid:1", ""] {
        let refused = connect(address, &server_key().public(), &party_key()).await.unwrap_err();
        assert!(matches!(refused, ConnectError::Address { .. }), "{address}: {refused:?}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_said_to_be_in_use() {
    let running = Running::start(Limits::default());
    let service: Arc<dyn crate::Service> = running.toy.clone();
    let refused =
        Server::bind(running.address, &(&server_key()).into(), service, Limits::default());
    assert!(matches!(refused.err().unwrap(), BindError::AddressInUse(at) if at == running.address));
    running.stop().await;
}

#[tokio::test]
async fn an_address_that_is_full_stays_out() {
    let running = Running::start(Limits { per_address: 1, ..Limits::default() });
    let first = running.client().await;
    let address = running.address.to_string();
    let refused = connect(&address, &server_key().public(), &party_key()).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Full { .. }), "{refused:?}");
    first.ledger(0).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_status_counts_the_connections_of_each_key() {
    let (other, public) = key_of(9);
    let running = Running::with(Toy::admitting([party_key().public(), public]), Limits::default());
    let (first, _second) = (running.client().await, running.client().await);
    let _other = running.client_as(&other).await;
    let status = first.status().await.unwrap();
    let mut seen: Vec<_> = status.peers.iter().map(|it| (&*it.name, it.connections)).collect();
    seen.sort();
    assert_eq!(seen, [("another", 1), ("you", 2)]);
    running.stop().await;
}

#[tokio::test]
async fn the_newest_connection_of_a_key_ends_its_oldest() {
    let running = Running::start(Limits { per_key: 1, ..Limits::default() });
    let first = running.client().await;
    let second = running.client().await;
    within(first.connection.closed()).await;
    let lost = first.ledger(0).await.unwrap_err();
    assert!(matches!(lost, CallError::Lost { .. }), "{lost:?}");
    assert!(lost.to_string().contains("replaced by a newer connection of this key"), "{lost}");
    second.ledger(0).await.unwrap();
    running.stop().await;
}

#[tokio::test]
async fn a_shutdown_ends_idle_connections_and_returns() {
    let running = Running::start(Limits::default());
    let client = running.client().await;
    running.stop().await;
    let lost = client.ledger(0).await.unwrap_err();
    assert!(matches!(lost, CallError::Lost { .. }), "{lost:?}");
}

#[tokio::test]
async fn a_blend_is_answered_or_refused_and_a_bug_in_it_ends_nothing_else() {
    let running = Running::start(Limits::default());
    let client = running.client().await;
    assert_eq!(client.blend(1, |_, _| ()).await.unwrap().soup.size, 10);
    let refused = client.blend(2, |_, _| ()).await.unwrap_err();
    assert!(matches!(refused, CallError::Refused(refusal) if refusal.code == Code::RoundWrong));
    running.stop().await;

    let toy = Toy { clumsy: true, ..Toy::admitting([party_key().public()]) };
    let running = Running::with(toy, Limits::default());
    let client = running.client().await;
    let refused = client.blend(1, |_, _| ()).await.unwrap_err();
    assert!(matches!(refused, CallError::Refused(refusal) if refusal.code == Code::Internal));
    client.ledger(0).await.unwrap();
    running.stop().await;
}
