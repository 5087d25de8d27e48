//! Block caches from `/sys/fs/bcache` (kernel: `Documentation/admin-guide/bcache.rst`, `drivers/md/bcache/sysfs.c`).

use super::{
    Attribute, AttributeTable, Branch, Branches, CollectError, Collector, Context, Flag, FlagKind, Key,
    KeyedTable, Settings, Spec, none_if_absent, numbered,
};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{binary_suffix, float, unsigned};

const PRIORITY_STATS: Flag = Flag::new(
    "bcache.priorityStats",
    FlagKind::Switch(false),
    "Give node_bcache_priority_stats_* too; the kernel sorts all buckets of the cache for each read.",
);

pub(super) const SPEC: Spec = Spec {
    name: "bcache",
    default_on: true,
    help: "hits, misses and writeback of block caches (/sys/fs/bcache)",
    flags: &[PRIORITY_STATS],
    build: |settings| Ok(Box::new(Bcache::new(settings))),
};

const fn gauge(file: &'static str, family: &'static str, help: &'static str) -> Attribute {
    Attribute { file, family, help, kind: Kind::Gauge, value: human }
}

const fn counter(file: &'static str, family: &'static str, help: &'static str) -> Attribute {
    Attribute { file, family, help, kind: Kind::Counter, value: human }
}

const SET: &[Attribute] = &[
    gauge("average_key_size", "node_bcache_average_key_size_sectors", "Average data per key in the btree."),
    gauge("btree_cache_size", "node_bcache_btree_cache_size_bytes", "Memory that the btree takes."),
    gauge(
        "cache_available_percent",
        "node_bcache_cache_available_percent",
        "Share of the cache without dirty data.",
    ),
    gauge("congested", "node_bcache_congested", "How congested the cache is."),
    gauge("root_usage_percent", "node_bcache_root_usage_percent", "Share of the btree's root that is used."),
    gauge("tree_depth", "node_bcache_tree_depth", "Depth of the btree."),
    gauge(
        "internal/active_journal_entries",
        "node_bcache_active_journal_entries",
        "Entries of the journal that are newer than the index.",
    ),
    gauge("internal/btree_nodes", "node_bcache_btree_nodes", "Nodes in the btree."),
    Attribute {
        file: "internal/btree_read_average_duration_us",
        family: "node_bcache_btree_read_average_duration_seconds",
        help: "Average time of reads of the btree, scaled as node_exporter does it.",
        kind: Kind::Gauge,
        // As if the file had nanoseconds: dashboards are made for that.
        value: |text| Some(human(text)? * 1e-9),
    },
    counter(
        "internal/cache_read_races",
        "node_bcache_cache_read_races_total",
        "Reads from the cache whose bucket was reused meanwhile.",
    ),
];

const BACKING: &[Attribute] = &[
    gauge("dirty_data", "node_bcache_dirty_data_bytes", "Data that only the cache has."),
    counter("stats_total/bypassed", "node_bcache_bypassed_bytes_total", "Data that went past the cache."),
    counter("stats_total/cache_hits", "node_bcache_cache_hits_total", "Reads that the cache had all of."),
    counter("stats_total/cache_misses", "node_bcache_cache_misses_total", "Reads that the cache had not."),
    counter(
        "stats_total/cache_bypass_hits",
        "node_bcache_cache_bypass_hits_total",
        "Hits among what was meant to go past the cache.",
    ),
    counter(
        "stats_total/cache_bypass_misses",
        "node_bcache_cache_bypass_misses_total",
        "Misses among what was meant to go past the cache.",
    ),
    counter(
        "stats_total/cache_miss_collisions",
        "node_bcache_cache_miss_collisions_total",
        "Data of misses that a write overtook on its way into the cache.",
    ),
];

/// Kernels that no longer read ahead say 0, and those after 5.16 nothing; node_exporter leaves it out for both.
const READAHEADS: &[Attribute] = &[counter(
    "stats_total/cache_readaheads",
    "node_bcache_cache_readaheads_total",
    "Times that data was read ahead into the cache.",
)];

/// Lines of a backing device's file `writeback_rate_debug`.
const WRITEBACK: &[Key] = &[
    rate("target", "node_bcache_dirty_target_bytes", "Dirty data that writeback works towards."),
    rate("rate", "node_bcache_writeback_rate", "Bytes per second that writeback works at."),
    rate("proportional", "node_bcache_writeback_rate_proportional_term", "Proportional part of that rate."),
    rate("integral", "node_bcache_writeback_rate_integral_term", "Integral part of that rate."),
    rate("change", "node_bcache_writeback_change", "Latest change of that rate."),
];

const fn rate(key: &'static str, family: &'static str, help: &'static str) -> Key {
    let value = |word: &[u8]| {
        let word = word.strip_suffix(b"/sec").unwrap_or(word);
        match word.strip_prefix(b"-") {
            Some(word) => human(word).map(|value| -value),
            None => human(word),
        }
    };
    Key { key, family, help, kind: Kind::Gauge, value }
}

const CACHE: &[Attribute] = &[
    gauge("io_errors", "node_bcache_io_errors", "Errors of the cache device, decayed over time."),
    counter(
        "metadata_written",
        "node_bcache_metadata_written_bytes_total",
        "Data written to the cache device beside the cached data.",
    ),
    counter("written", "node_bcache_written_bytes_total", "Data written to the cache device."),
];

/// Lines of a cache device's file `priority_stats`.
const PRIORITY: &[Key] = &[
    percent("Unused", "node_bcache_priority_stats_unused_percent", "Share of the cache without data."),
    percent("Metadata", "node_bcache_priority_stats_metadata_percent", "Share of the cache with metadata."),
];

const fn percent(key: &'static str, family: &'static str, help: &'static str) -> Key {
    let value = |word: &[u8]| Some(unsigned(word.strip_suffix(b"%").unwrap_or(word))? as f64);
    Key { key, family, help, kind: Kind::Gauge, value }
}

struct Bcache {
    /// Sets of caches, in the directories of which backing and cache devices come and go.
    listed: Branches,
    sets: AttributeTable,
    backing: AttributeTable,
    readaheads: AttributeTable,
    writeback: KeyedTable,
    caches: AttributeTable,
    priority: Option<KeyedTable>,
}

impl Bcache {
    fn new(settings: &Settings) -> Self {
        const BACKING_LABELS: &[&str] = &["backing_device", "uuid"];
        const CACHE_LABELS: &[&str] = &["cache_device", "uuid"];
        let priority = || KeyedTable::new("priority_stats", PRIORITY, CACHE_LABELS);
        Self {
            listed: Branches::new(settings.root.sys("fs/bcache"), &[""]),
            sets: AttributeTable::new(SET, &["uuid"]),
            backing: AttributeTable::new(BACKING, BACKING_LABELS),
            readaheads: AttributeTable::new(READAHEADS, BACKING_LABELS).with_absent(|text| text == b"0"),
            writeback: KeyedTable::new("writeback_rate_debug", WRITEBACK, BACKING_LABELS),
            caches: AttributeTable::new(CACHE, CACHE_LABELS),
            priority: settings.switch(&PRIORITY_STATS).then(priority),
        }
    }

    fn find(&mut self) {
        self.sets.clear();
        self.backing.clear();
        self.readaheads.clear();
        self.writeback.clear();
        self.caches.clear();
        self.priority.iter_mut().for_each(KeyedTable::clear);
        for Branch { name: uuid, path, folders } in self.listed.iter() {
            self.sets.add(path, &[uuid]);
            for folder in folders {
                // Beside devices there are files such as `cache_available_percent`.
                for name in folder.names() {
                    let path = folder.entry(name);
                    if numbered(name, "bdev").is_some() {
                        self.backing.add(&path, &[name, uuid]);
                        self.readaheads.add(&path, &[name, uuid]);
                        self.writeback.add(&path, &[name, uuid]);
                    } else if numbered(name, "cache").is_some() {
                        self.caches.add(&path, &[name, uuid]);
                        self.priority.iter_mut().for_each(|table| table.add(&path, &[name, uuid]));
                    }
                }
            }
        }
    }
}

impl Collector for Bcache {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let buffer = &mut context.buffer;
        let listed = self.listed.list(buffer, |name| name.contains(&b'-'));
        if none_if_absent(listed, self.listed.folder())? {
            self.find();
        }
        let results = [
            self.sets.write(buffer, out),
            self.backing.write(buffer, out),
            self.readaheads.write(buffer, out),
            self.writeback.write(buffer, out),
            self.caches.write(buffer, out),
            self.priority.as_mut().map_or(Ok(()), |table| table.write(buffer, out)),
        ];
        results.into_iter().collect()
    }
}

/// A number as the kernel's `bch_hprint` writes it: `912`, or `3.7k` with one letter for a power of 1024. What is
/// behind the point are tenths, or 1024ths divided by 100 in old kernels: node_exporter takes them for the latter,
/// and gives whole numbers.
fn human(text: &[u8]) -> Option<f64> {
    let (number, factor) = binary_suffix(text);
    if number.len() == text.len() {
        return float(text).filter(|value| *value >= 0.0).map(f64::trunc);
    }
    let mut parts = number.splitn(2, |&byte| byte == b'.');
    let whole = parts.next().and_then(unsigned)? as f64;
    let fraction = parts.next().map_or(Some(0), unsigned)? as f64 / 10.24;
    Some(((whole + fraction) * factor).trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        let values = ["0", "912", "4.0k", "3.7M", "1.5G", "2k"].map(|text| human(text.as_bytes()).unwrap());
        assert_eq!(values, [0.0, 912.0, 4096.0, 3862528.0, 1598029824.0, 2048.0]);
        for bad in ["", "k", ".5k", "1.k", "1.2.3k", "-1", "x", "1.5 k", "NaN"] {
            assert_eq!(human(bad.as_bytes()), None, "{bad:?}");
        }
        let rate = |text: &str| (WRITEBACK[1].value)(text.as_bytes());
        assert_eq!((rate("-4.0k/sec"), rate("7/sec"), rate("--1")), (Some(-4096.0), Some(7.0), None));
        assert_eq!(((PRIORITY[0].value)(b"99%"), (PRIORITY[0].value)(b"%")), (Some(99.0), None));
    }
}
