//! Any bytes as a datagram of netlink.
#![no_main]

mod messages;

libfuzzer_sys::fuzz_target!(|datagram: &[u8]| messages::check(datagram));
