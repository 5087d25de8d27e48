//! Encoding and parsing one page of a middling host, about 700 samples in 120 families.
//!
//! Guards against allocations per sample creeping in on either side: both walk one buffer.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vitals::exposition::{Exposition, Format, Kind, Line, Parser};

const CPUS: [&str; 16] =
    ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"];
const MODES: [&str; 8] = ["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"];
const DEVICES: [&str; 8] = ["eth0", "eth1", "lo", "docker0", "nvme0n1", "nvme1n1", "sda", "dm-0"];

/// Writes the page's families: counters of CPUs, of devices, and single gauges, with values like real ones.
fn write(out: &mut Exposition) {
    let mut family =
        out.family("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.", Kind::Counter);
    for (index, cpu) in CPUS.iter().enumerate() {
        for (position, mode) in MODES.iter().enumerate() {
            let ticks = (index * 7919 + position * 104_729) as f64;
            family.sample(&[("cpu", cpu.as_bytes()), ("mode", mode.as_bytes())], ticks / 100.0);
        }
    }
    let mut name = String::new();
    for number in 0..60u32 {
        name.clear();
        name.push_str("node_device_");
        name.extend([char::from(b'a' + (number / 26) as u8), char::from(b'a' + (number % 26) as u8)]);
        name.push_str("_bytes_total");
        let mut family = out.family(&name, "A counter of a device.", Kind::Counter);
        for (index, device) in DEVICES.iter().enumerate() {
            family.sample(&[("device", device.as_bytes())], f64::from(number) * 1_234_567.0 + index as f64);
        }
        name.push_str("_now");
        out.single(&name, "A gauge of the host.", Kind::Gauge, f64::from(number) * 4096.0);
    }
}

fn samples(page: &str) -> u64 {
    let mut parser = Parser::new(page, Format::Text);
    let mut samples = 0;
    while let Some(line) = parser.next() {
        if let Line::Sample(sample) = line.unwrap() {
            black_box(sample.value);
            samples += 1;
        }
    }
    samples
}

fn exposition(criterion: &mut Criterion) {
    let mut out = Exposition::new();
    let mut page = Vec::new();
    write(&mut out);
    out.render(Format::Text, &mut page);
    let text = String::from_utf8(page.clone()).unwrap();
    let samples_in_page = samples(&text);

    let mut group = criterion.benchmark_group("exposition");
    group.throughput(Throughput::Elements(samples_in_page));
    group.bench_function("write", |bencher| {
        bencher.iter(|| {
            out.clear();
            write(&mut out);
            black_box(out.len())
        });
    });
    group.throughput(Throughput::Bytes(text.len() as u64));
    for (name, format) in [("render text", Format::Text), ("render openmetrics", Format::OpenMetrics)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                page.clear();
                out.render(format, &mut page);
                black_box(page.len())
            });
        });
    }
    group.bench_function("parse", |bencher| bencher.iter(|| black_box(samples(black_box(&text)))));
    group.finish();
}

criterion_group!(benches, exposition);
criterion_main!(benches);
