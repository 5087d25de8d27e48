//! A value as it is written reads back as the same float.
#![no_main]

mod values;

libfuzzer_sys::fuzz_target!(|bits: u64| values::check(bits));
