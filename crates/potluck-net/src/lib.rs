//! Sockets for the federation's protocol: QUIC with TLS 1.3, mutual authentication by raw public keys.
//!
//! `potluck-wire` says what may be said; this room moves the bytes, and keeps files verified while it does
//! ([`blob`]). A client is a [`Client`] made by [`connect`]; a server is a [`Server`] over a [`Service`],
//! which knows the ledger and nothing of sockets. No host names, no early data, no resumption: a key is either
//! pinned or in the roster, and is asked for in every handshake. An organisation that runs an authority of its
//! own may ask for its certificates beside that ([`Pki`]).

pub mod archive;
pub mod blob;
pub mod client;
pub mod server;
pub mod service;

mod bridge;
mod stream;
mod throttle;
mod tls;
mod transport;

pub use client::{CallError, Client, ConnectError, Content, Transfer, connect, connect_x509};
pub use potluck_wire::{
    Blended, LedgerPage, PeerStatus, Ranges, Receipt, Status, UploadStatus, Wanted,
};
pub use server::{BindError, Limits, Server};
pub use service::{Offer, Service, StoredBlob, Upload};
pub use tls::x509::{Pki, PkiError};

#[cfg(test)]
mod tests;
