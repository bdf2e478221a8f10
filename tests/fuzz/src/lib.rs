//! What the readers of hostile files promise, whatever the bytes: one function a reader, which panics where a
//! promise is broken.
//!
//! The fuzz targets call them with bytes that the fuzzer makes up, `crates/potluck-soup/tests/corpus.rs` with the
//! files of the corpus, on every run of the tests.

mod header;
mod index;
mod adapter_config;

pub use adapter_config::adapter_config;
pub use header::header;
pub use index::index;

/// An error and its causes can be shown: each in a line that no file can make long, without a character that a
/// terminal would obey or hide.
fn is_presentable(error: &dyn std::error::Error) {
    let shown = error.to_string();
    assert!(shown.len() < 4096, "an error of {} bytes", shown.len());
    let inert = |c: char| "\"'\\".contains(c) || c.escape_debug().eq([c]);
    assert!(shown.chars().all(inert), "an error that would be obeyed: {shown:?}");
    if let Some(cause) = error.source() {
        is_presentable(cause);
    }
}
