//! The threads on which the network is awaited: few, for who has no thread has no switches.
//!
//! Packets are sent, received, encrypted and decrypted there; files and their hashes are the business of blocking threads beside
//! them ([`blob`](crate::blob)). With a thread for each core, which is tokio's default, a connection's task wanders from one to
//! another, and each wakes others to look for work that one could do: twice the switches of threads for a transfer, and a
//! twentieth of its processor time.

use std::io;
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Runtime};

/// For a server: half of the cores, as of an upload's processor time the network takes half; two at least, so that
/// whoever reads over HTTP does not wait behind whoever uploads.
///
/// # Errors
/// Where the system gives no threads.
pub fn server_runtime() -> io::Result<Runtime> {
    let cores = available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread().worker_threads((cores / 2).max(2)).enable_all().build()
}

/// For a client: one thread, which encrypts what one connection carries. Whoever awaits may block beside it.
///
/// # Errors
/// Where the system gives no threads.
pub fn client_runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
}
