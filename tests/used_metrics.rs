//! What node_exporter's own mixin and the dashboard Node Exporter Full query is on our pages: on those of the fixture
//! host, or of the machine that runs this. The names are in tests/fixtures/used-metrics.tsv.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::hosts;
use common::page::Page;
use common::servers::vitals_exporter;
use common::used::{FILLED_BY_NOBODY, Metric, used};
use vitals::collectors::{COLLECTORS, Settings};

#[test]
fn dashboards_find_what_they_query() {
    let used = used();
    let missing = missing(&used, &given(&used));
    let listed = missing.iter().map(|name| format!("{name} ({})", used[name].collector)).collect::<Vec<_>>();
    assert!(missing.is_empty(), "{} of {}:\n{}", missing.len(), used.len(), listed.join("\n"));
}

#[test]
fn the_list_is_whole() {
    let used = used();
    let of = |dashboard: &str| used.values().filter(|metric| metric.dashboards.contains(dashboard)).count();
    assert_eq!((of("mixin"), of("full"), used.len()), (45, 229, 236));
    for (name, reason) in FILLED_BY_NOBODY {
        assert!(used.contains_key(name) && !reason.is_empty(), "{name}");
    }
}

fn missing<'u>(used: &BTreeMap<&'u str, Metric>, given: &BTreeSet<String>) -> Vec<&'u str> {
    let nobody = |name: &str| FILLED_BY_NOBODY.iter().any(|(known, _)| *known == name);
    used.keys().copied().filter(|name| !given.contains(*name) && !nobody(name)).collect()
}

/// The names of all samples on the fixture host, plain and with all switches on, of a running exporter that has the
/// collectors of `used` switched on, and of a host with systemd.
fn given(used: &BTreeMap<&str, Metric>) -> BTreeSet<String> {
    let folder = hosts::folder("fixtures/server");
    let mut plain = hosts::settings(&folder);
    hosts::read_files(&mut plain);
    let names = |settings: &Settings| {
        let mut set = hosts::build(settings, |name| hosts::is_from_files(hosts::spec(name)));
        sample_names(&hosts::page(&mut set, &[]))
    };
    let on = COLLECTORS.iter().filter(|spec| used.values().any(|metric| metric.collector == spec.name));
    let mut arguments: Vec<String> = on.map(|spec| format!("--collector.{}", spec.name)).collect();
    arguments.push(format!("--collector.textfile.directory={}", folder.join("textfile").display()));
    let live = sample_names(&vitals_exporter(&arguments).metrics());
    // What systemd's collector gives on the message bus of tests/dbus.rs.
    let bus = std::fs::read_to_string(hosts::folder("golden/dbus/all.txt")).unwrap();
    let from_files = names(&plain).into_iter().chain(names(&hosts::all_from_files(&folder)));
    from_files.chain(live).chain(sample_names(&bus)).collect()
}

fn sample_names(page: &str) -> BTreeSet<String> {
    Page::read(page).samples.into_keys().map(|series| series.name).collect()
}
