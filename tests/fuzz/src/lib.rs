//! What the readers of hostile bytes promise, whatever the bytes: one function a reader, which panics where a
//! promise is broken.
//!
//! The fuzz targets call them with bytes that the fuzzer makes up; on every run of the tests they are called with the
//! files of the corpus: [`soup`] by `crates/potluck-soup/tests/corpus.rs`, [`ledger`] by
//! `crates/potluck-wire/tests/corpus.rs`, [`net`] by `crates/potluck-net/tests/corpus.rs`.

#[path = "soup/promises.rs"]
pub mod soup;

#[path = "ledger/promises.rs"]
pub mod ledger;

#[path = "net/promises.rs"]
pub mod net;
