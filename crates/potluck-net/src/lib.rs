//! Sockets for the federation's protocol: QUIC with TLS 1.3, mutual authentication by raw public keys.
//!
//! `potluck-wire` says what may be said; this room moves the bytes, and keeps files verified while it does
//! ([`blob`]). A client is a [`Client`] made by [`connect`]; a server is a [`Server`] over a [`Service`],
//! which knows the ledger and nothing of sockets. No host names, no early data, no resumption: a key is either
//! pinned or in the roster, and is asked for in every handshake. An organisation that runs an authority of its
//! own may ask for its certificates beside that ([`Pki`]).
//!
//! What is served to anybody at all goes over TCP instead, in whatever the program speaks: [`tcp`] bounds what such
//! callers cost.

pub mod archive;
#[doc(hidden)]
pub mod bare;
pub mod blob;
pub mod client;
pub mod pieces;
pub mod server;
pub mod service;
pub mod tcp;

mod bridge;
mod request;
mod runtime;
mod stream;
mod telling;
mod throttle;
mod tls;
mod transport;
mod tuning;

pub use client::{
    CallError, Client, ConnectError, Content, Transfer, connect, connect_tuned, connect_x509,
};
pub use potluck_wire::{
    Blended, Compared, LedgerPage, PeerStatus, Ranges, Receipt, Status, UploadStatus, Wanted,
};
pub use request::RequestId;
pub use runtime::{client_runtime, server_runtime};
pub use server::{BindError, Limits, Server, Watch};
pub use service::{Offer, Service, Share, StoredBlob, Upload};
pub use tls::identities::Identities;
pub use tls::x509::{Pki, PkiError};
pub use transport::{Shortfall, probe};
pub use tuning::{Congestion, NoWindow, Tuning, Window};

#[cfg(test)]
mod tests;
