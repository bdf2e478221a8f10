//! The keys by which a server is known: one, or the ones before it too, for whoever pinned those.
//!
//! A client says which key it pinned, by a server name made of the key's id (RFC 6066 §3); a server that holds
//! that key proves it, and another proves its latest. A name decides which key is proved, never who is let in.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use potluck_core::{PrivateKey, PublicKey};
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Own;

/// So many digits of a key's id stand in its name: a label of the DNS has at most 63 characters.
const DIGITS: usize = 32;

/// The keys that a server proves, in the order in which they came; more may come while it runs.
#[derive(Clone, Default)]
pub struct Identities(Arc<RwLock<Vec<Named>>>);

/// A key by its name.
type Named = (String, Arc<CertifiedKey>);

impl Identities {
    /// Takes in a key, which is what clients see that ask for none that is here.
    pub fn add(&self, key: &PrivateKey) {
        let name = name_of(&key.public());
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|(other, _)| *other != name);
        keys.push((name, proving(key)));
    }

    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let named = keys.iter().find(|(known, _)| Some(known.as_str()) == name);
        named.or(keys.last()).map(|(_, key)| Arc::clone(key))
    }
}

impl From<&PrivateKey> for Identities {
    fn from(key: &PrivateKey) -> Self {
        let identities = Self::default();
        identities.add(key);
        identities
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identities")
    }
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name())
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }
}

/// The server name by which a client asks for the key that it pinned.
pub(crate) fn name_of(key: &PublicKey) -> String {
    let id = key.id().to_string();
    // An id has 64 digits, all of one byte.
    format!("k{}", &id[..DIGITS])
}

/// What proves a key in a handshake.
pub(super) fn proving(key: &PrivateKey) -> Arc<CertifiedKey> {
    let spki = CertificateDer::from(key.public().spki().to_vec());
    Arc::new(CertifiedKey::new(vec![spki], Arc::new(Own::copy(key))))
}
