//! Feeds `potluck_fuzz::soup::adapter_config` with whatever the fuzzer thinks of.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| potluck_fuzz::soup::adapter_config(bytes));
