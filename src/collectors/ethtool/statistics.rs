//! The statistics of one driver and the families that their names become.

use std::collections::BTreeMap;
use std::io;

use kernel_calls::ethtool::{Ethtool, NAME_BYTES};

use crate::collectors::Filter;
use crate::exposition::{Exposition, Kind};

type Name = [u8; NAME_BYTES];

/// The driver's names whose families are those of well-known counters, which end in `_total`.
const COUNTERS: [&str; 7] =
    ["rx_bytes", "rx_dropped", "rx_errors", "rx_packets", "tx_bytes", "tx_errors", "tx_packets"];

/// Names and values as they were last read.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    names: Vec<Name>,
    families: Vec<Family>,
    values: Vec<u64>,
}

#[derive(Debug, PartialEq)]
struct Family {
    /// What follows `node_ethtool_`.
    name: String,
    /// The driver's name for it, made fit for a metric.
    statistic: String,
    /// Which of the driver's statistics it is.
    place: usize,
}

impl Statistics {
    /// Asks for the `count` statistics that the driver has. The names too: they may be others than last time.
    ///
    /// # Errors
    /// What the kernel gave, or that the number has just changed.
    pub(super) fn read(
        &mut self,
        ethtool: &mut Ethtool,
        device: &[u8],
        count: u32,
        filter: &Filter,
    ) -> io::Result<()> {
        let names = ethtool.statistic_names(device, count)?;
        if self.names != names {
            self.names.clear();
            self.names.extend_from_slice(names);
            self.families = families(names, filter);
        }
        ethtool.statistics(device, count, &mut self.values)
    }

    pub(super) fn write(&self, device: &[u8], out: &mut Exposition) {
        for Family { name, statistic, place } in &self.families {
            let Some(value) = self.values.get(*place) else { continue };
            let help = ["What the driver counts as ", statistic, "."];
            let mut family = out.family_parts(&["node_ethtool_", name], &help, Kind::Untyped);
            family.sample(&[("device", device)], *value as f64);
        }
    }
}

/// The families of the statistics that `filter` keeps. Of statistics with equal names the last is meant. Different
/// names that would become one family become none: their values have nothing to tell them apart.
fn families(names: &[Name], filter: &Filter) -> Vec<Family> {
    let mut found = BTreeMap::new();
    for (place, name) in names.iter().enumerate() {
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        let statistic = sanitized(name);
        let family = family_name(&statistic);
        if family.is_empty() || !filter.decides(statistic.as_bytes()) {
            continue;
        }
        let one = found.entry(family).or_insert(Some((name, String::new(), 0)));
        *one = one.take().filter(|(other, ..)| *other == name).map(|_| (name, statistic, place));
    }
    let mut families: Vec<Family> = found
        .into_iter()
        .filter_map(|(mut name, one)| {
            let (_, statistic, place) = one?;
            if COUNTERS.contains(&&*statistic) {
                name.push_str("_total");
            }
            Some(Family { name, statistic, place })
        })
        .collect();
    families.sort_by(|a, b| a.name.cmp(&b.name));
    families.dedup_by(|second, first| second.name == first.name);
    families
}

/// `name` with one `_` for each run of what the name of a metric can't have, together with the `_` around it.
fn sanitized(name: &[u8]) -> String {
    let count = |bytes: &[u8], of: fn(u8) -> bool| bytes.iter().take_while(|byte| of(**byte)).count();
    let is_line: fn(u8) -> bool = |byte| byte == b'_';
    let mut fit = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(&first) = rest.first() {
        let (lines, behind) = rest.split_at(count(rest, is_line));
        let bad = count(behind, |byte| !byte.is_ascii_alphanumeric() && byte != b'_');
        let used = if bad > 0 {
            fit.push('_');
            lines.len() + bad + count(&behind[bad..], is_line)
        } else {
            fit.push(char::from(first));
            1
        };
        rest = &rest[used..];
    }
    fit
}

/// What follows `node_ethtool_`: small letters, with the words `rx` and `tx` written out. Of a row of the same word
/// only every other one is, since node_exporter's patterns take the `_` behind a word along with it.
fn family_name(statistic: &str) -> String {
    let lower = statistic.to_ascii_lowercase();
    let mut name = String::with_capacity(lower.len() + 16);
    let mut written_out = "";
    for (place, word) in lower.trim_start_matches('_').split('_').enumerate() {
        if place > 0 {
            name.push('_');
        }
        let long = match word {
            "rx" => "received",
            "tx" => "transmitted",
            _ => word,
        };
        let is_due = long != word && written_out != word;
        name.push_str(if is_due { long } else { word });
        written_out = if is_due { word } else { "" };
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;
    use regex_lite::Regex;

    fn names(names: &[&str]) -> Vec<Name> {
        let padded = |name: &&str| {
            let mut padded = [0; NAME_BYTES];
            padded[..name.len()].copy_from_slice(name.as_bytes());
            padded
        };
        names.iter().map(padded).collect()
    }

    fn found(given: &[&str], include: &str) -> Vec<(String, usize)> {
        let filter = Filter::new(Some(Regex::new(include).unwrap()), None);
        families(&names(given), &filter).into_iter().map(|family| (family.name, family.place)).collect()
    }

    #[test]
    fn names_of_metrics() {
        for (name, statistic, family) in [
            ("rx_csum_offload_good", "rx_csum_offload_good", "received_csum_offload_good"),
            ("port.rx_dropped", "port_rx_dropped", "port_received_dropped"),
            ("[3]: tx_bytes", "_3_tx_bytes", "3_transmitted_bytes"),
            ("Rx Queue#0 (TX)", "Rx_Queue_0_TX_", "received_queue_0_transmitted_"),
            ("tx", "tx", "transmitted"),
            ("prefix_rxq0_ctx", "prefix_rxq0_ctx", "prefix_rxq0_ctx"),
            ("rx_rx_rx_tx_tx", "rx_rx_rx_tx_tx", "received_rx_received_transmitted_tx"),
            ("rx__rx", "rx__rx", "received__received"),
            ("a_-_-_b__c_\u{e9}", "a__b__c_", "a__b__c_"),
            ("__rx", "__rx", "received"),
            ("-_-", "__", ""),
            ("", "", ""),
        ] {
            assert_eq!(
                (&*sanitized(name.as_bytes()), &*family_name(statistic)),
                (statistic, family),
                "{name}"
            );
        }
        assert_eq!(sanitized(b"rx\xff\xfe0"), "rx_0");
    }

    /// node_exporter's rules as it has them, in regular expressions.
    #[test]
    fn names_are_those_of_the_patterns() {
        let patterns = ["_*[^0-9A-Za-z_]+_*", "(^|_)rx(_|$)", "(^|_)tx(_|$)"];
        let [bad, rx, tx] = patterns.map(|pattern| Regex::new(pattern).unwrap());
        let parts = ["_", "-", "rx", "tx", "Q"];
        for number in 0..parts.len().pow(6) {
            let part = |digit| parts[number / parts.len().pow(digit) % parts.len()];
            let name: String = (0..6).map(part).collect();
            let statistic = bad.replace_all(&name, "_");
            let family = statistic.to_lowercase();
            let family = rx.replace_all(family.trim_start_matches('_'), "${1}received${2}").into_owned();
            let family = tx.replace_all(&family, "${1}transmitted${2}");
            assert_eq!(sanitized(name.as_bytes()), statistic);
            assert_eq!(family_name(&statistic), family, "{name}");
        }
    }

    #[test]
    fn families_of_a_driver() {
        let given = ["rx_bytes", "tx_dropped", "", "q0.drops", "rx_bytes"];
        let of = |name: &str, place| (name.to_owned(), place);
        assert_eq!(
            found(&given, ".*"),
            [of("q0_drops", 3), of("received_bytes_total", 4), of("transmitted_dropped", 1)]
        );
        assert_eq!(found(&given, "^q0_"), [of("q0_drops", 3)]);
        assert_eq!(found(&["a b", "a-b", "A_b", "c"], ".*"), [of("c", 3)]);
        assert_eq!(found(&["rx_bytes", "received_bytes"], ".*"), []);
        assert_eq!(found(&["rx_bytes", "received_bytes_total"], ".*").len(), 1);
        let longest = "a".repeat(NAME_BYTES);
        assert_eq!(found(&[&longest], ".*"), [of(&longest, 0)]);
    }

    #[test]
    fn a_page() {
        let names = names(&["rx_packets", "tx queue 0", "lost"]);
        let families = families(&names, &Filter::default());
        let statistics = Statistics { names, families, values: vec![7, 1 << 40] };
        let (mut out, mut page) = (Exposition::new(), Vec::new());
        statistics.write(b"eth0", &mut out);
        out.render(Format::Text, &mut page);
        assert_eq!(
            String::from_utf8(page).unwrap(),
            "# HELP node_ethtool_received_packets_total What the driver counts as rx_packets.\n\
             # TYPE node_ethtool_received_packets_total untyped\n\
             node_ethtool_received_packets_total{device=\"eth0\"} 7\n\
             # HELP node_ethtool_transmitted_queue_0 What the driver counts as tx_queue_0.\n\
             # TYPE node_ethtool_transmitted_queue_0 untyped\n\
             node_ethtool_transmitted_queue_0{device=\"eth0\"} 1.099511627776e+12\n"
        );
    }
}
