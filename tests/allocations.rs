//! A gather that finds what the last one found asks for next to no memory: everything that collectors need is made
//! once and used again.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::big_host::{Attributes, BigHost, FULL};
use common::hosts;
use vitals::collectors::{COLLECTORS, Context, Settings, Spec};
use vitals::exposition::Exposition;

/// How often a collector may ask for memory in one gather.
const BOUND: u64 = 4;

/// Collectors that may ask more often, and how often on the largest of the hosts below.
const EXCEPTIONS: &[(&str, u64, &str)] = &[
    ("mountstats", 12, "off by default; two tables of mounts are matched anew each time"),
    ("netdev", 200, "a string for each interface's name"),
    ("textfile", 200, "the files are other people's: they are read and parsed anew each time"),
];

/// Gathers before the first that counts; and those that count, of which the best one is taken: a host that is alive
/// has a file that outgrows its buffer now and then, or a process that has just come.
const WARM_UP: usize = 4;
const COUNTED: usize = 5;

#[test]
fn on_the_fixture_host() {
    let mut settings = hosts::settings(&hosts::folder("fixtures/server"));
    hosts::read_files(&mut settings);
    let textfiles = hosts::folder("fixtures/server/textfile").display().to_string();
    hosts::set_flags(&mut settings, "textfile", &[("textfile.directory", &textfiles)]);
    hold("fixture host", &settings, hosts::is_from_files);
}

/// What a gather asks for may not grow with the number of devices.
#[test]
fn on_a_host_with_many_devices() {
    let folder = hosts::temporary_folder();
    let host = BigHost::build(folder.path(), FULL.part(8), Attributes::Plain);
    let mut settings = hosts::settings(&host.folder);
    hosts::read_files(&mut settings);
    hold("a host with many devices", &settings, hosts::is_from_files);
}

#[test]
fn on_this_machine() {
    hold("this machine", &Settings::default(), |spec| spec.default_on || spec.name == "ethtool");
}

fn hold(host: &str, settings: &Settings, chosen: fn(&Spec) -> bool) {
    let mut problems = Vec::new();
    println!("{host}: allocations a gather (their bytes)");
    for spec in COLLECTORS.iter().copied().filter(|spec| chosen(spec)) {
        let (count, bytes) = allocations(spec, settings);
        println!("  {:20} {count:5} ({bytes})", spec.name);
        let exception = EXCEPTIONS.iter().find(|(name, ..)| *name == spec.name);
        let bound = exception.map_or(BOUND, |(_, bound, _)| *bound);
        if count > bound {
            problems.push(format!("{} allocates {count} times, {bytes} bytes; {bound} may be", spec.name));
        }
    }
    assert!(problems.is_empty(), "{host}:\n{}", problems.join("\n"));
}

/// How often a collector's gather asks for memory once it has been warmed up, and for how many bytes in all.
fn allocations(spec: &Spec, settings: &Settings) -> (u64, u64) {
    let mut collector = (spec.build)(settings).unwrap();
    let (mut context, mut out) = (Context::new(settings), Exposition::new());
    let mut gather = || {
        out.clear();
        context.begin(Instant::now() + Duration::from_secs(10));
        let counted = allocation_counter::measure(|| {
            // Absent hardware is part of a host; a collector that fails gives less than it should in the golden test.
            collector.collect(&mut context, &mut out).ok();
        });
        (counted.count_total, counted.bytes_total)
    };
    for _ in 0..WARM_UP {
        gather();
    }
    (0..COUNTED).map(|_| gather()).min().unwrap()
}

#[test]
fn exceptions_are_of_collectors_and_needed() {
    for (name, bound, reason) in EXCEPTIONS {
        assert!(*bound > BOUND && !reason.is_empty(), "{name}");
        hosts::spec(name);
    }
}
