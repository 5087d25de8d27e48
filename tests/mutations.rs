//! The checks of the fuzz targets (tests/fuzz) on fixtures that were changed at random, with nothing but the standard
//! compiler. Each runs for a second, or for `FUZZ_SECONDS` of the environment; `FUZZ_SEED` begins elsewhere.
#![allow(clippy::unwrap_used)]

#[path = "fuzz/targets/files.rs"]
mod files;
#[path = "fuzz/targets/messages.rs"]
mod messages;
#[path = "fuzz/targets/reread.rs"]
mod reread;
#[path = "fuzz/targets/values.rs"]
mod values;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use files::{Family, Host, hosts};
use vitals::exposition::Format;

#[test]
fn key_value_files() {
    fuzz_files(Family::KeyValueFiles);
}

#[test]
fn column_tables() {
    fuzz_files(Family::ColumnTables);
}

#[test]
fn sysfs_attributes() {
    fuzz_files(Family::SysfsAttributes);
}

#[test]
fn mount_tables() {
    fuzz_files(Family::MountTables);
}

#[test]
fn textfiles() {
    fuzz_files(Family::Textfiles);
}

#[test]
fn parse_text() {
    fuzz("parse_text", &pages(), |page| reread::check(&String::from_utf8_lossy(page), Format::Text));
}

#[test]
fn parse_openmetrics() {
    fuzz("parse_openmetrics", &pages(), |page| {
        reread::check(&String::from_utf8_lossy(page), Format::OpenMetrics);
    });
}

#[test]
fn write_value() {
    let seeds: Vec<Vec<u8>> = [0.0, 1.0, 0.1, 1e21, f64::MAX, f64::MIN_POSITIVE, f64::INFINITY, f64::NAN]
        .map(|value: f64| value.to_le_bytes().to_vec())
        .to_vec();
    fuzz("write_value", &seeds, |bytes| {
        if let Some(bits) = bytes.first_chunk() {
            values::check(u64::from_le_bytes(*bits));
        }
    });
}

#[test]
fn netlink_messages() {
    let attribute = |kind: u16, content: &[u8]| {
        let length = u16::try_from(content.len() + 4).unwrap();
        let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), content].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    let message = |kind: u16, payload: &[u8]| {
        let length = u32::try_from(payload.len() + 16).unwrap();
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[2, 0], &[7, 0, 0, 0], &[0; 4], payload].concat()
    };
    let nested = attribute(18, &attribute(1, &attribute(2, b"0123456789abcdef")));
    let link = message(16, &[&[0; 16][..], &attribute(3, b"eth0\0"), &nested].concat());
    let (done, error) = (message(3, &[0; 4]), message(2, &(-1i32).to_ne_bytes()));
    fuzz("netlink_messages", &[[link.clone(), link, done].concat(), error], messages::check);
}

fn fuzz_files(family: Family) {
    let host = Host::new(family);
    fuzz(&format!("{family:?}"), &host.seeds(), |data| {
        let problem = catch_unwind(AssertUnwindSafe(|| host.check(data)));
        if let Err(problem) = problem {
            eprintln!("with this in the place of {:?}:", host.file(data));
            resume_unwind(problem);
        }
    });
}

/// Pages as collectors write them.
fn pages() -> Vec<Vec<u8>> {
    let golden = std::fs::read_dir(hosts::folder("golden/server")).unwrap();
    let mut paths: Vec<_> = golden.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Runs `check` on changed seeds until the time is over; says what the bytes were if it panics.
fn fuzz(name: &str, seeds: &[Vec<u8>], check: impl Fn(&[u8])) {
    let given = |variable: &str, otherwise: u64| {
        std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
    };
    let end = Instant::now() + Duration::from_secs(given("FUZZ_SECONDS", 1));
    let mut random = Random(given("FUZZ_SEED", 1) | 1 << 32);
    let mut runs = 0;
    while Instant::now() < end {
        let mut data = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(6) {
            random.change(&mut data, seeds);
        }
        if let Err(problem) = catch_unwind(AssertUnwindSafe(|| check(&data))) {
            eprintln!("{name}, run {runs}: b\"{}\"", data.escape_ascii());
            resume_unwind(problem);
        }
        runs += 1;
    }
    println!("{name}: {runs} runs");
    assert!(runs > 20, "{name}: only {runs} runs");
}

/// Pieces that parsers stumble over.
const PIECES: &[&[u8]] = &[
    b"0",
    b"-1",
    b"-",
    b"+",
    b".",
    b"1e999",
    b"nan",
    b"99999999999999999999",
    b"18446744073709551615",
    b"0x",
    b"max",
    b"4294967296",
    b"-9223372036854775808",
    b"\0",
    b"\xff\xfe",
    b"\xc3",
    b"\n",
    b"\n\n",
    b" ",
    b"\t",
    b":",
    b"=",
    b",",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b"#",
    b"/",
    b"kB",
    b"%",
];

/// Xorshift: the same changes in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end.max(1)
    }

    /// A range of `data`, mostly a short one, that may be empty.
    fn range(&mut self, data: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(data.len() + 1);
        let longest = if self.below(4) == 0 { data.len() } else { 12 };
        start..(start + self.below(longest + 1)).min(data.len())
    }

    fn change(&mut self, data: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let range = self.range(data);
        match self.below(8) {
            0 => drop(data.drain(range)),
            1 => data.truncate(range.start),
            2 => data.get_mut(range).into_iter().flatten().for_each(|byte| *byte = self.next() as u8),
            3 => {
                let other = seeds[self.below(seeds.len())].clone();
                let piece = self.range(&other);
                drop(data.splice(range, other[piece].iter().copied()));
            }
            4 => {
                let copy = data[range.clone()].to_vec();
                drop(data.splice(range.end..range.end, copy));
            }
            5 => {
                // A number becomes another one.
                let digits =
                    data.iter().skip(range.start).position(u8::is_ascii_digit).map(|at| at + range.start);
                let Some(start) = digits else { return };
                let length = data[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let piece = PIECES[self.below(13)];
                drop(data.splice(start..start + length, piece.iter().copied()));
            }
            6 => {
                let lines: Vec<&[u8]> = data.split_inclusive(|&byte| byte == b'\n').collect();
                let line = lines.get(self.below(lines.len())).map(|line| line.to_vec());
                drop(data.splice(range.start..range.start, line.unwrap_or_default()));
            }
            _ => drop(data.splice(range, PIECES[self.below(PIECES.len())].iter().copied())),
        }
    }
}
