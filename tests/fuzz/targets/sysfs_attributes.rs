//! Any bytes in the place of one of the files that `Family::SysfsAttributes` are.
#![no_main]

mod files;

libfuzzer_sys::fuzz_target!(|data: &[u8]| files::check(files::Family::SysfsAttributes, data));
