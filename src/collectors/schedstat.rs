//! What the scheduler has done on each CPU, from `/proc/schedstat` (kernel: `Documentation/scheduler/sched-stats.rst`,
//! format version 15, kernel 2.6.30, or newer).

use super::{CollectError, Collector, Context, Settings, Spec, read_or_absent};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, lines, unsigned};

pub(super) const SPEC: Spec = Spec {
    name: "schedstat",
    default_on: true,
    help: "time that tasks ran and waited for each CPU (/proc/schedstat, CONFIG_SCHEDSTATS)",
    flags: &[],
    build: |settings| Ok(Box::new(SchedStat::new(settings))),
};

struct SchedStat {
    file: KernelFile,
    cpus: Vec<Cpu>,
}

impl SchedStat {
    fn new(settings: &Settings) -> Self {
        Self { file: KernelFile::new(settings.root.proc("schedstat")), cpus: Vec::new() }
    }
}

/// One CPU since it booted.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cpu {
    /// The number in `cpuN`.
    number: u64,
    running_seconds: f64,
    waiting_seconds: f64,
    timeslices: u64,
}

impl Collector for SchedStat {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let absent = "no /proc/schedstat: needs CONFIG_SCHEDSTATS";
        let text = read_or_absent(&mut self.file, &mut context.buffer, absent)?;
        parse(text, &mut self.cpus).map_err(|error| error.at(self.file.path()))?;
        let mut write = |name, help, value: fn(&Cpu) -> f64| {
            let mut family = out.family(name, help, Kind::Counter);
            for cpu in &self.cpus {
                let mut number = itoa::Buffer::new();
                family.sample(&[("cpu", number.format(cpu.number).as_bytes())], value(cpu));
            }
        };
        write("node_schedstat_running_seconds_total", "Time that the CPU has run tasks.", |cpu| {
            cpu.running_seconds
        });
        write(
            "node_schedstat_waiting_seconds_total",
            "Time that tasks have waited for the CPU, all of them together.",
            |cpu| cpu.waiting_seconds,
        );
        write(
            "node_schedstat_timeslices_total",
            "Number of timeslices that the CPU has given to tasks.",
            |cpu| cpu.timeslices as f64,
        );
        Ok(())
    }
}

/// Fills `cpus`, which is emptied first, from lines such as `cpu0 0 0 0 0 0 0 1848110 210035 5263`: of nine counts the
/// last three are nanoseconds running, nanoseconds waiting, and timeslices. Lines about domains are passed over.
fn parse(text: &[u8], cpus: &mut Vec<Cpu>) -> Result<(), ParseError> {
    cpus.clear();
    for (number, line) in lines(text).filter(|(_, line)| line.starts_with(b"cpu")) {
        let cpu = parse_cpu(line).ok_or_else(|| ParseError::new(number, "a CPU and nine counts", line))?;
        cpus.push(cpu);
    }
    Ok(())
}

fn parse_cpu(line: &[u8]) -> Option<Cpu> {
    let mut columns = fields(line);
    let number = columns.next()?.strip_prefix(b"cpu").and_then(unsigned)?;
    let mut counts = columns.skip(6).map(unsigned);
    let (running_ns, waiting_ns, timeslices) = (counts.next()??, counts.next()??, counts.next()??);
    Some(Cpu {
        number,
        running_seconds: running_ns as f64 / 1e9,
        waiting_seconds: waiting_ns as f64 / 1e9,
        timeslices,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_become_seconds() {
        let text = b"version 17\ntimestamp 1\ncpu12 0 0 0 0 0 0 1500000000 20 3\ndomain0 MC ff 1 2\n";
        let mut cpus = vec![parse_cpu(b"cpu1 0 0 0 0 0 0 0 0 0").unwrap()];
        parse(text, &mut cpus).unwrap();
        assert_eq!(cpus, [Cpu { number: 12, running_seconds: 1.5, waiting_seconds: 2e-8, timeslices: 3 }]);
        for bad in ["cpu 0 0 0 0 0 0 1 2 3", "cpu0 0 0 0 0 0 0 1 2", "cpu0 0 0 0 0 0 0 1 x 3"] {
            let text = format!("version 15\n{bad}\n");
            assert_eq!(parse(text.as_bytes(), &mut cpus).unwrap_err().line, 2, "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        let mut cpus = Vec::new();
        crate::collectors::at_every_cut("proc/schedstat", |text| parse(text, &mut cpus));
        assert_eq!(cpus.len(), 4);
    }
}
