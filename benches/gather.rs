//! One gather of this host with the default collectors, and the page made of it.
//!
//! Guards against files read twice or opened anew at each scrape. The figures depend on the host: compare runs of
//! one machine only.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use vitals::collectors::{COLLECTORS, CollectorSet, Settings};
use vitals::exposition::{Exposition, Format};

fn gather(criterion: &mut Criterion) {
    let settings = Settings::default();
    let by_default = |name: &str| COLLECTORS.iter().any(|spec| spec.name == name && spec.default_on);
    let mut set = match CollectorSet::build(COLLECTORS, &settings, by_default) {
        Ok(set) => set,
        Err(error) => panic!("the default flags are refused: {error}"),
    };
    let mut out = Exposition::new();
    let mut page = Vec::new();
    let deadline = || Instant::now() + Duration::from_secs(10);

    let mut group = criterion.benchmark_group("gather");
    group.bench_function("all", |bencher| {
        bencher.iter(|| {
            out.clear();
            page.clear();
            set.gather(|_| true, deadline(), &mut out);
            out.render(Format::Text, &mut page);
            black_box(page.len())
        });
    });
    for spec in COLLECTORS.iter().filter(|spec| spec.default_on) {
        group.bench_function(spec.name, |bencher| {
            bencher.iter(|| {
                out.clear();
                set.gather(|name| name == spec.name, deadline(), &mut out);
                black_box(out.len())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, gather);
criterion_main!(benches);
