//! What this command serves over HTTP: a mirror's files, and a witness.
//!
//! Both are small, and either stands behind a proxy that ends TLS where it is to be reached from elsewhere. Callers are
//! bounded as those of the aggregator are ([`potluck_net::tcp`]).

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use potluck_net::tcp::{Caller, Leave, Manners, attend};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::failure::Failure;

/// A socket on which somebody listens.
pub(crate) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed = |error| Failure::system(format!("cannot listen on {address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Answers until the process ends.
pub(crate) async fn serve(listener: TcpListener, router: Router) {
    serve_with(Manners::default(), listener, router).await;
}

async fn serve_with(manners: Manners, listener: TcpListener, router: Router) {
    // Held for as long as this runs: nothing else ends it.
    let (_end, ended) = watch::channel(());
    let patience = manners.patience;
    let serve = |caller, leave| answer(caller, leave, patience, router.clone());
    attend(listener, manners, ended, serve).await;
}

/// Answers one caller.
async fn answer(caller: Caller, leave: Leave, patience: Duration, router: Router) {
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience)
            .serve_connection(TokioIo::new(caller), TowerToHyperService::new(router))
    );
    tokio::select! {
        // It holds the connection: polled again below unless it has completed.
        _ = connection.as_mut() => return,
        () = leave.asked() => (),
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// A short answer in words.
pub(crate) fn words(status: StatusCode, text: &'static str) -> Response {
    (status, text).into_response()
}

#[cfg(test)]
pub(crate) mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    use super::*;
    /// Far more than any machine needs.
    const LIMIT: Duration = Duration::from_secs(120);

    /// What becomes of slow callers of `router`, who begin as somebody who asks `path` does: one that goes silent after a
    /// byte, one within its body, one that never reads. None of them keeps the only place from one who behaves.
    pub(crate) fn slow_callers_are_cut(router: Router, path: &str) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (listener, address) = listen(([127, 0, 0, 1], 0).into()).await.unwrap();
            let short = Duration::from_millis(50);
            let manners = Manners { callers: 1, patience: short, ..Manners::default() };
            let serving = tokio::spawn(serve_with(manners, listener, router));
            let call = || async { TcpStream::connect(address).await.unwrap() };
            let halting = format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nx");
            for beginning in ["G", &halting] {
                let mut slow = call().await;
                slow.write_all(beginning.as_bytes()).await.unwrap();
                let mut rest = Vec::new();
                // An answer may come first (that nothing is taken here, say); then the end does.
                let _ = timeout(LIMIT, slow.read_to_end(&mut rest)).await.unwrap();
            }
            let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n");
            let mut greedy = call().await;
            let cut = async { while greedy.write_all(request.as_bytes()).await.is_ok() {} };
            timeout(LIMIT, cut).await.unwrap();
            let mut good = call().await;
            good.write_all(request.as_bytes()).await.unwrap();
            let mut status = [0; 12];
            timeout(LIMIT, good.read_exact(&mut status)).await.unwrap().unwrap();
            assert!(status.starts_with(b"HTTP/1.1 "), "{status:?}");
            serving.abort();
        });
    }
}
