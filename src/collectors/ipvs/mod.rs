//! The kernel's load balancer, from `/proc/net/ip_vs_stats` and `ip_vs` (kernel: `net/netfilter/ipvs/ip_vs_ctl.c`
//! and `Documentation/networking/ipvs-sysctl.rst`).

mod parse;

use std::io::Write as _;

use super::{BuildError, CollectError, Collector, Context, Flag, FlagKind, Settings, Spec, read_or_absent};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;

use parse::{Backend, Place};

const LABELS: Flag = Flag::new(
    "ipvs.backend-labels",
    FlagKind::List,
    "Labels of the backends, parted by commas; what differs in others only is summed up. All by default.",
);

pub(super) const SPEC: Spec = Spec {
    name: "ipvs",
    default_on: true,
    help: "connections, traffic and backends of the kernel's load balancer (/proc/net/ip_vs)",
    flags: &[LABELS],
    build: |settings| Ok(Box::new(Ipvs::new(settings)?)),
};

const ABSENT: &str = "no load balancer: the module ip_vs is not loaded";

/// The labels a backend can have, sorted.
const NAMES: [&str; 6] =
    ["local_address", "local_mark", "local_port", "proto", "remote_address", "remote_port"];

/// The columns of the totals.
const TOTALS: [(&str, &str); 5] = [
    ("node_ipvs_connections_total", "Number of connections made through the load balancer."),
    ("node_ipvs_incoming_packets_total", "Number of packets that came in."),
    ("node_ipvs_outgoing_packets_total", "Number of packets that went out."),
    ("node_ipvs_incoming_bytes_total", "Number of bytes that came in."),
    ("node_ipvs_outgoing_bytes_total", "Number of bytes that went out."),
];

struct Ipvs {
    totals: KernelFile,
    table: KernelFile,
    /// Which of [`NAMES`] are given.
    chosen: [bool; NAMES.len()],
    backends: Vec<Backend>,
    labels: Labels,
}

impl Ipvs {
    fn new(settings: &Settings) -> Result<Self, BuildError> {
        Ok(Self {
            totals: KernelFile::new(settings.root.proc("net/ip_vs_stats")),
            table: KernelFile::new(settings.root.proc("net/ip_vs")),
            chosen: chosen(&settings.list(&LABELS))?,
            backends: Vec::new(),
            labels: Labels::default(),
        })
    }
}

fn chosen(given: &[String]) -> Result<[bool; NAMES.len()], BuildError> {
    let words = || given.iter().flat_map(|list| list.split(',')).filter(|word| !word.is_empty());
    match words().find(|word| !NAMES.contains(word)) {
        Some(unknown) => {
            let known = NAMES.join(", ");
            Err(BuildError(format!("--collector.{}: {unknown:?} is none of {known}", LABELS.name)))
        }
        None => Ok(NAMES.map(|name| given.is_empty() || words().any(|word| word == name))),
    }
}

impl Collector for Ipvs {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let Self { totals, table, chosen, backends, labels } = self;
        let text = read_or_absent(totals, &mut context.buffer, ABSENT)?;
        let numbers = parse::totals(text).map_err(|error| error.at(totals.path()))?;
        for ((family, help), number) in TOTALS.iter().zip(numbers) {
            out.single(family, help, Kind::Counter, number as f64);
        }
        let text = read_or_absent(table, &mut context.buffer, ABSENT)?;
        parse::backends(text, backends).map_err(|error| error.at(table.path()))?;
        merge(backends, chosen);
        for (family, help, value) in [
            (
                "node_ipvs_backend_connections_active",
                "Number of connections of a backend that are in use.",
                (|backend| backend.active) as fn(&Backend) -> u64,
            ),
            (
                "node_ipvs_backend_connections_inactive",
                "Number of connections of a backend that are not in use.",
                |backend| backend.inactive,
            ),
            ("node_ipvs_backend_weight", "How much a backend gets.", |backend| backend.weight),
        ] {
            let mut family = out.family(family, help, Kind::Gauge);
            for backend in &*backends {
                labels.read(&backend.place);
                let given = labels.given().zip(&*chosen).filter(|(_, chosen)| **chosen);
                family.sample_with(given.map(|(label, _)| label), value(backend) as f64);
            }
        }
        Ok(())
    }
}

/// Makes one of the backends that do not differ in the labels that are given.
fn merge(backends: &mut Vec<Backend>, chosen: &[bool; NAMES.len()]) {
    let [local_address, local_mark, local_port, protocol, remote_address, remote_port] = *chosen;
    for Backend { place, .. } in &mut *backends {
        *place = Place {
            local_address: place.local_address.filter(|_| local_address),
            local_mark: place.local_mark.filter(|_| local_mark),
            local_port: if local_port { place.local_port } else { 0 },
            protocol: if protocol { place.protocol } else { "" },
            remote_address: place.remote_address.filter(|_| remote_address),
            remote_port: if remote_port { place.remote_port } else { 0 },
        };
    }
    backends.sort_unstable_by_key(|backend| backend.place);
    backends.dedup_by(|second, first| {
        let same = second.place == first.place;
        if same {
            first.active = first.active.saturating_add(second.active);
            first.inactive = first.inactive.saturating_add(second.inactive);
            first.weight = first.weight.saturating_add(second.weight);
        }
        same
    });
}

/// The values of all labels of one backend.
#[derive(Debug, Default)]
struct Labels {
    text: Vec<u8>,
    ends: [usize; NAMES.len()],
}

impl Labels {
    fn read(&mut self, place: &Place) {
        let Self { text, ends } = self;
        text.clear();
        for (number, end) in ends.iter_mut().enumerate() {
            // Writing to memory does not fail.
            let written = match (number, place.local_address, place.local_mark, place.remote_address) {
                (0, Some(address), ..) | (4, .., Some(address)) => write!(text, "{address}"),
                (1, _, Some(mark), _) => write!(text, "{mark:08X}"),
                (2, ..) => write!(text, "{}", place.local_port),
                (3, ..) => write!(text, "{}", place.protocol),
                (5, ..) => write!(text, "{}", place.remote_port),
                _ => Ok(()),
            };
            debug_assert!(written.is_ok());
            *end = text.len();
        }
    }

    fn given(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends);
        let values = starts.zip(self.ends).map(|(start, end)| self.text.get(start..end).unwrap_or_default());
        NAMES.into_iter().zip(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_are_left_out_are_summed_up() {
        let backend = |port: u16, active: u64| Backend {
            place: Place { remote_port: port, protocol: "TCP", ..Place::default() },
            active,
            inactive: 1,
            weight: 10,
        };
        let mut backends = vec![backend(80, 1), backend(443, 2), backend(80, 4)];
        merge(&mut backends, &[true; NAMES.len()]);
        let ports: Vec<_> =
            backends.iter().map(|backend| (backend.place.remote_port, backend.active)).collect();
        assert_eq!(ports, [(80, 5), (443, 2)]);
        merge(&mut backends, &chosen(&["proto,local_mark".into()]).unwrap());
        assert_eq!((backends.len(), backends[0].active, backends[0].weight), (1, 7, 30));
        assert_eq!(chosen(&[]).unwrap(), [true; NAMES.len()]);
        assert_eq!(chosen(&[String::new()]).unwrap(), [false; NAMES.len()]);
        assert!(chosen(&["proto,port".into()]).unwrap_err().0.contains("\"port\" is none of local_address"));
    }
}
