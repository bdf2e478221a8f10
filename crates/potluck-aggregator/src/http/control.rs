//! What of a running server over HTTP can be changed: who may ask how often, whose pages may read, the certificate, the cache.

use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use potluck_net::tcp::tls::{Certificate, Tls};

use super::{Shared, limit, routes};
use crate::config::Http;

/// How callers are spoken to, from the next one on.
pub(super) struct Spoken {
    routes: RwLock<Router>,
    tls: RwLock<Option<Tls>>,
}

impl Spoken {
    pub(super) fn new(shared: &Arc<Shared>, certificate: Option<&Certificate>) -> Self {
        let tls = certificate.map(Tls::new);
        Self { routes: RwLock::new(routes(Arc::clone(shared))), tls: RwLock::new(tls) }
    }

    pub(super) fn routes(&self) -> Router {
        self.routes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn tls(&self) -> Option<Tls> {
        self.tls.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows another certificate. Connections that are there go on as they began.
    fn show(&self, certificate: Option<&Certificate>) {
        let mut tls = self.tls.write().unwrap_or_else(PoisonError::into_inner);
        match (&*tls, certificate) {
            (Some(tls), Some(certificate)) => tls.replace(certificate),
            _ => *tls = certificate.map(Tls::new),
        }
    }
}

/// A handle by which a running server is changed.
#[derive(Clone)]
pub struct HttpControl {
    pub(super) shared: Arc<Shared>,
    pub(super) spoken: Arc<Spoken>,
}

impl HttpControl {
    /// Has other settings take effect. Callers who asked often before begin anew.
    pub fn apply(&self, http: &Http, certificate: Option<&Certificate>, cache_bytes: u64) {
        let limit = Arc::new(limit::Limit::of(http));
        *self.shared.limit.write().unwrap_or_else(PoisonError::into_inner) = limit;
        *self.shared.origins.write().unwrap_or_else(PoisonError::into_inner) = super::origins(http);
        let routes = routes(Arc::clone(&self.shared));
        *self.spoken.routes.write().unwrap_or_else(PoisonError::into_inner) = routes;
        self.shared.hub.set_cache_bytes(cache_bytes);
        self.show(certificate);
    }

    /// Shows another certificate from the next handshake on; without one, the next caller is spoken to without TLS.
    pub fn show(&self, certificate: Option<&Certificate>) {
        self.spoken.show(certificate);
    }
}
