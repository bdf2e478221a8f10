//! Feeds `potluck_fuzz::net::content` with whatever the fuzzer thinks of.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| potluck_fuzz::net::content(bytes));
