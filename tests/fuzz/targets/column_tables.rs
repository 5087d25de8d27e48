//! Any bytes in the place of one of the files that `Family::ColumnTables` are.
#![no_main]

mod files;

libfuzzer_sys::fuzz_target!(|data: &[u8]| files::check(files::Family::ColumnTables, data));
