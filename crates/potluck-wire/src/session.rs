//! Which message may follow which.
//!
//! ```text
//! ledger   →  ledger, entry × count
//! append   →  receipt
//! submit   →  progress*, ( receipt | offer )
//!   offer: [ compare, then hashes from the client, progress* ], wanted, then content from the client, progress*, receipt
//! fetch    →  found, then content from the server
//! bring    →  progress*, wanted, [content →] progress*, brought
//! blend    →  progress*, blended
//! status   →  status
//! any      →  … refused, at any place where the server speaks
//! ```
//!
//! On the server a reply exists only as a method of the state that may send it, and takes that state, so that
//! a message in the wrong place does not compile. On the client, which must expect anything, a call's `on`
//! takes each reply and reports a violation.

pub mod client;
pub mod server;

#[cfg(test)]
mod tests;
