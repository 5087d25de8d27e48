//! The parser on any page in the Prometheus text format.
#![no_main]

mod reread;

libfuzzer_sys::fuzz_target!(|page: &str| reread::check(page, vitals::exposition::Format::Text));
