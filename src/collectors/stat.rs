//! Totals since boot from `/proc/stat` (kernel: `Documentation/filesystems/proc.rst`, section 1.7). The times of
//! the CPUs, from the same file, are [`super::cpu`]'s.

use super::{CollectError, Collector, Context, Flag, FlagKind, Settings, Spec};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{ParseError, fields, lines, unsigned};

const SOFTIRQ: Flag =
    Flag::new("stat.softirq", FlagKind::Switch(false), "Also give the number of softirqs by kind.");

pub(super) const SPEC: Spec = Spec {
    name: "stat",
    default_on: true,
    help: "interrupts, context switches, forks, boot time, running and blocked processes (/proc/stat)",
    flags: &[SOFTIRQ],
    build: |settings| Ok(Box::new(Stat::new(settings))),
};

/// The kinds of softirqs in the order of the columns, which is that of the enumeration in the kernel's
/// `include/linux/interrupt.h`.
const SOFTIRQS: [&str; 10] =
    ["hi", "timer", "net_tx", "net_rx", "block", "block_iopoll", "tasklet", "sched", "hrtimer", "rcu"];

struct Stat {
    softirqs: bool,
}

impl Stat {
    fn new(settings: &Settings) -> Self {
        Self { softirqs: settings.switch(&SOFTIRQ) }
    }
}

/// What the file has; older kernels lack some of it.
#[derive(Debug, Default, PartialEq)]
struct Totals {
    interrupts: Option<u64>,
    context_switches: Option<u64>,
    boot_time_seconds: Option<u64>,
    forks: Option<u64>,
    running_processes: Option<u64>,
    blocked_processes: Option<u64>,
    softirqs: [Option<u64>; SOFTIRQS.len()],
}

impl Collector for Stat {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let (path, text) = context.proc_stat()?;
        let totals = parse(text).map_err(|error| error.at(path))?;
        let mut single = |name, help, kind, value: Option<u64>| {
            if let Some(value) = value {
                out.single(name, help, kind, value as f64);
            }
        };
        single("node_intr_total", "Total number of interrupts serviced.", Kind::Counter, totals.interrupts);
        single(
            "node_context_switches_total",
            "Total number of context switches.",
            Kind::Counter,
            totals.context_switches,
        );
        single("node_forks_total", "Total number of forks.", Kind::Counter, totals.forks);
        single(
            "node_boot_time_seconds",
            "Node boot time, in unixtime.",
            Kind::Gauge,
            totals.boot_time_seconds,
        );
        single(
            "node_procs_running",
            "Number of processes in runnable state.",
            Kind::Gauge,
            totals.running_processes,
        );
        single(
            "node_procs_blocked",
            "Number of processes blocked waiting for I/O to complete.",
            Kind::Gauge,
            totals.blocked_processes,
        );
        if self.softirqs {
            let mut family = out.family("node_softirqs_total", "Number of softirq calls.", Kind::Counter);
            for (vector, count) in SOFTIRQS.iter().zip(totals.softirqs) {
                if let Some(count) = count {
                    family.sample(&[("vector", vector.as_bytes())], count as f64);
                }
            }
        }
        Ok(())
    }
}

fn parse(text: &[u8]) -> Result<Totals, ParseError> {
    let mut totals = Totals::default();
    for (number, line) in lines(text) {
        let mut columns = fields(line);
        let slot = match columns.next() {
            Some(b"intr") => &mut totals.interrupts,
            Some(b"ctxt") => &mut totals.context_switches,
            Some(b"btime") => &mut totals.boot_time_seconds,
            Some(b"processes") => &mut totals.forks,
            Some(b"procs_running") => &mut totals.running_processes,
            Some(b"procs_blocked") => &mut totals.blocked_processes,
            Some(b"softirq") => {
                // The first column is the sum of the others.
                for (slot, column) in totals.softirqs.iter_mut().zip(columns.skip(1)) {
                    *slot = Some(count(number, line, Some(column))?);
                }
                continue;
            }
            _ => continue,
        };
        *slot = Some(count(number, line, columns.next())?);
    }
    if totals == Totals::default() {
        return Err(ParseError::new(1, "lines such as ctxt 4096", text));
    }
    Ok(totals)
}

fn count(number: usize, line: &[u8], column: Option<&[u8]>) -> Result<u64, ParseError> {
    column.and_then(unsigned).ok_or_else(|| ParseError::new(number, "a count", line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_stays_missing() {
        let totals = parse(b"cpu  1 2 3 4\nintr 7 1 6\nsoftirq 5 2 3\nctxt 9\nnew x\n").unwrap();
        assert_eq!((totals.interrupts, totals.context_switches, totals.forks), (Some(7), Some(9), None));
        assert_eq!(totals.softirqs[..3], [Some(2), Some(3), None]);
    }

    #[test]
    fn bad_counts_are_errors() {
        assert!(parse(b"").is_err() && parse(b"cpu 1 2 3 4\n").is_err());
        for bad in ["intr\n", "ctxt x\n", "btime -1\n", "softirq 5 2 x\n"] {
            assert_eq!(parse(format!("cpu 1\n{bad}").as_bytes()).unwrap_err().line, 2, "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/stat", parse);
    }
}
