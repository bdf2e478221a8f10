//! What this command serves over HTTP: a mirror's files, and a witness.
//!
//! Both are small, and either stands behind a proxy that ends TLS where it is to be reached from elsewhere.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;

use crate::failure::Failure;

/// A socket on which somebody listens.
pub(crate) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed = |error| Failure::system(format!("cannot listen on {address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Answers until the process ends.
pub(crate) async fn serve(listener: TcpListener, router: Router) -> Result<(), Failure> {
    axum::serve(listener, router)
        .await
        .map_err(|error| Failure::system(format!("cannot serve any longer: {error}")))
}

/// A short answer in words.
pub(crate) fn words(status: StatusCode, text: &'static str) -> Response {
    (status, text).into_response()
}
