//! The parser on any page in OpenMetrics.
#![no_main]

mod reread;

libfuzzer_sys::fuzz_target!(|page: &str| reread::check(page, vitals::exposition::Format::OpenMetrics));
