//! Client and server over real sockets on the loopback, with a toy service between them.

mod compare;
mod download;
mod fairness;
mod handshake;
mod hostile;
mod line;
mod lossy;
mod many;
mod pieces;
mod simulated;
mod slow;
mod toy;
mod upload;
mod weather;
mod x509;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use potluck_core::{PrivateKey, PublicKey};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{Client, Limits, Server, connect};
use toy::Toy;

/// The longest that any state is waited for.
const LIMIT: Duration = Duration::from_secs(20);

fn server_key() -> PrivateKey {
    PrivateKey::from_seed(&[1; 32])
}

fn party_key() -> PrivateKey {
    PrivateKey::from_seed(&[2; 32])
}

/// A server that runs until it is stopped.
struct Running {
    address: SocketAddr,
    toy: Arc<Toy>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Running {
    fn start(limits: Limits) -> Self {
        Self::with(Toy::admitting([party_key().public()]), limits)
    }

    fn with(toy: Toy, limits: Limits) -> Self {
        let toy = Arc::new(toy);
        let any = "127.0.0.1:0".parse().unwrap();
        let service: Arc<dyn crate::Service> = toy.clone();
        let server = Server::bind(any, &(&server_key()).into(), service, limits).unwrap();
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { address, toy, stop, ended }
    }

    async fn client(&self) -> Client {
        self.client_as(&party_key()).await
    }

    async fn client_as(&self, key: &PrivateKey) -> Client {
        connect(&self.address.to_string(), &server_key().public(), key).await.unwrap()
    }

    /// A client, once a full server has a place for it. A goodbye can be lost where the processor is busy; the server
    /// then misses its peer after [`crate::transport::IDLE`].
    async fn client_when_there_is_room(&self) -> Client {
        let address = self.address.to_string();
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        let placed = async {
            loop {
                beat.tick().await;
                match connect(&address, &server_key().public(), &party_key()).await {
                    Err(crate::ConnectError::Full { .. }) => {}
                    other => break other.unwrap(),
                }
            }
        };
        tokio::time::timeout(crate::transport::IDLE + LIMIT, placed).await.expect("a place is free")
    }

    /// A connection without the client's manners.
    async fn raw(&self) -> (quinn::Endpoint, quinn::Connection) {
        self.raw_as(&party_key()).await
    }

    async fn raw_as(&self, key: &PrivateKey) -> (quinn::Endpoint, quinn::Connection) {
        let crypto = crate::tls::client(key, server_key().public());
        let tuning = crate::Tuning::default();
        let (endpoint, _) =
            crate::transport::dial(self.address, Arc::new(crypto), &tuning).unwrap();
        let connection = endpoint.connect(self.address, "potluck").unwrap().await.unwrap();
        (endpoint, connection)
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        within(self.ended).await.unwrap();
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("the state is reached in time")
}

fn key_of(seed: u8) -> (PrivateKey, PublicKey) {
    let key = PrivateKey::from_seed(&[seed; 32]);
    let public = key.public();
    (key, public)
}
