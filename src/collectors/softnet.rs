//! Work of each CPU on received packets, from `/proc/net/softnet_stat` (kernel: `softnet_seq_show` in
//! `net/core/net-procfs.c`): a line of hexadecimal columns for each CPU that is online.

use super::{CollectError, Collector, Context, Settings, Spec, read};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, hexadecimal, lines};

pub(super) const SPEC: Spec = Spec {
    name: "softnet",
    default_on: true,
    help: "packets received, dropped and put off by each CPU (/proc/net/softnet_stat)",
    flags: &[],
    build: |settings| Ok(Box::new(SoftNet::new(settings))),
};

struct Series {
    column: usize,
    family: &'static str,
    help: &'static str,
    kind: Kind,
}

const fn counter(column: usize, family: &'static str, help: &'static str) -> Series {
    Series { column, family, help, kind: Kind::Counter }
}

/// Columns 3 to 7 have counted nothing for a long time.
const SERIES: &[Series] = &[
    counter(0, "node_softnet_processed_total", "Number of packets taken from the queues of devices."),
    counter(1, "node_softnet_dropped_total", "Number of packets dropped because the CPU's backlog was full."),
    counter(
        2,
        "node_softnet_times_squeezed_total",
        "Number of times that work was left over when time was up.",
    ),
    counter(
        8,
        "node_softnet_cpu_collision_total",
        "Number of times that a device's lock was held when sending.",
    ),
    counter(9, "node_softnet_received_rps_total", "Number of times that another CPU handed over packets."),
    counter(10, "node_softnet_flow_limit_count_total", "Number of packets dropped by the limit of a flow."),
    Series {
        column: 11,
        family: "node_softnet_backlog_len",
        help: "Number of packets that wait for the CPU.",
        kind: Kind::Gauge,
    },
];

/// What every kernel has.
const LEAST_COLUMNS: usize = 9;
/// Which CPU the line is about, since kernel 5.10. Before that it is the number of the line, which is another one
/// when CPUs are off.
const CPU_COLUMN: usize = 12;
const COLUMNS: usize = CPU_COLUMN + 1;

struct SoftNet {
    file: KernelFile,
    cpus: Vec<Cpu>,
}

impl SoftNet {
    fn new(settings: &Settings) -> Self {
        Self { file: KernelFile::new(settings.root.proc("net/softnet_stat")), cpus: Vec::new() }
    }
}

impl Collector for SoftNet {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let text = read(&mut self.file, &mut context.buffer)?;
        parse(text, &mut self.cpus).map_err(|error| error.at(self.file.path()))?;
        for series in SERIES {
            let mut family = out.family(series.family, series.help, series.kind);
            for cpu in &self.cpus {
                let Some(&value) = cpu.columns().get(series.column) else { continue };
                let mut number = itoa::Buffer::new();
                family.sample(&[("cpu", number.format(cpu.number).as_bytes())], value as f64);
            }
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
struct Cpu {
    number: u64,
    columns: [u64; COLUMNS],
    known: usize,
}

impl Cpu {
    /// Those that the kernel gives.
    fn columns(&self) -> &[u64] {
        &self.columns[..self.known]
    }
}

/// Puts all lines into `cpus`, which is emptied first.
fn parse(text: &[u8], cpus: &mut Vec<Cpu>) -> Result<(), ParseError> {
    cpus.clear();
    for (number, line) in lines(text) {
        let cpu = parse_line(number as u64 - 1, line);
        cpus.push(cpu.ok_or_else(|| ParseError::new(number, "at least 9 hexadecimal columns", line))?);
    }
    Ok(())
}

fn parse_line(line_index: u64, line: &[u8]) -> Option<Cpu> {
    let mut cpu = Cpu { number: line_index, columns: [0; COLUMNS], known: 0 };
    for (slot, column) in cpu.columns.iter_mut().zip(fields(line)) {
        *slot = hexadecimal(column)?;
        cpu.known += 1;
    }
    if let Some(&number) = cpu.columns().get(CPU_COLUMN) {
        cpu.number = number;
    }
    (cpu.known >= LEAST_COLUMNS).then_some(cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_kernels() {
        let mut cpus = Vec::new();
        let old = b"1 2 3 0 0 0 0 0 4\nff 0 0 0 0 0 0 0 0 5\n";
        for _ in 0..2 {
            parse(old, &mut cpus).unwrap();
            let found: Vec<_> = cpus.iter().map(|cpu| (cpu.number, cpu.columns())).collect();
            let want = [(0, &[1, 2, 3, 0, 0, 0, 0, 0, 4][..]), (1, &[255, 0, 0, 0, 0, 0, 0, 0, 0, 5])];
            assert_eq!(found, want);
        }
        parse(b"0 0 0 0 0 0 0 0 0 0 0 a 3 0 0\n", &mut cpus).unwrap();
        assert_eq!((cpus.len(), cpus[0].number, cpus[0].columns[11]), (1, 3, 10));
        for bad in ["0 0 0 0 0 0 0 0\n", "0 0 0 0 0 0 0 0 x\n", "\n0\n"] {
            let text = format!("0 0 0 0 0 0 0 0 0\n{bad}");
            assert_eq!(parse(text.as_bytes(), &mut cpus).unwrap_err().line, 2, "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/net/softnet_stat", |text| parse(text, &mut Vec::new()));
    }
}
