//! One caller: under TLS where there is a certificate, then spoken to in the version of HTTP that was agreed on.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use potluck_net::tcp::tls::Version;
use potluck_net::tcp::{Caller, Leave};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tower::Service as _;

use super::control::Spoken;
use super::limit;

/// Requests at once on a connection: a browser's first view is a dozen files.
const STREAMS: u32 = 32;

/// Bytes of an answer that wait for a slow reader, of each request: a streamed soup has its own bound above that.
const WAITING: usize = 256 << 10;

/// Serves one caller until it leaves, or is asked to.
pub(super) async fn serve(caller: Caller, leave: Leave, patience: Duration, spoken: Arc<Spoken>) {
    let from = limit::From(caller.address());
    let Some(tls) = spoken.tls() else {
        return speak(caller, Version::Http1, leave, patience, (from, spoken)).await;
    };
    match timeout(patience, tls.accept(caller)).await {
        Ok(Ok((stream, version))) => {
            speak(stream, version, leave, patience, (from, spoken)).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, from = %from.0, "no TLS with a caller"),
        Err(_) => tracing::debug!(from = %from.0, "a caller's TLS took too long"),
    }
}

async fn speak<S>(
    stream: S,
    version: Version,
    leave: Leave,
    patience: Duration,
    (from, spoken): (limit::From, Arc<Spoken>),
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(from);
        // As they are when it comes: settings may have changed since the connection began.
        spoken.routes().call(request)
    });
    match version {
        Version::Http1 => {
            let mut connection = pin!(
                http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(patience)
                    .serve_connection(TokioIo::new(stream), answer)
            );
            tokio::select! {
                // It holds the connection: polled again below unless it has completed.
                _ = connection.as_mut() => return,
                () = leave.asked() => (),
            }
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
        Version::Http2 => {
            let mut connection = pin!(
                http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(STREAMS)
                    .max_send_buf_size(WAITING)
                    .serve_connection(TokioIo::new(stream), answer)
            );
            tokio::select! {
                // It holds the connection: polled again below unless it has completed.
                _ = connection.as_mut() => return,
                () = leave.asked() => (),
            }
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
