//! Pressure stall information from `/proc/pressure` (kernel: `Documentation/accounting/psi.rst`).

use super::{CollectError, Collector, Context, Settings, Spec, read_or_absent};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, lines, unsigned};

pub(super) const SPEC: Spec = Spec {
    name: "pressure",
    default_on: true,
    help: "time lost to lack of CPU, memory and I/O (/proc/pressure, kernel 4.20 or newer)",
    flags: &[],
    build: |settings| Ok(Box::new(Pressure::new(settings))),
};

const ABSENT: &str = "no pressure stall information: needs kernel 4.20 with CONFIG_PSI, and psi=1 on its \
                      command line where that is not the default";

/// A family: its name and help.
type Family = (&'static str, &'static str);

struct Resource {
    name: &'static str,
    /// The family of the line `some`: at least one task waits.
    some: Option<Family>,
    /// The family of the line `full`: all tasks wait at once. The kernel gives zeros for the whole system's CPU.
    full: Option<Family>,
}

const RESOURCES: [Resource; 4] = [
    Resource {
        name: "cpu",
        some: Some((
            "node_pressure_cpu_waiting_seconds_total",
            "Total time in seconds that processes have waited for CPU time.",
        )),
        full: None,
    },
    Resource {
        name: "io",
        some: Some((
            "node_pressure_io_waiting_seconds_total",
            "Total time in seconds that processes have waited due to IO congestion.",
        )),
        full: Some((
            "node_pressure_io_stalled_seconds_total",
            "Total time in seconds no process could make progress due to IO congestion.",
        )),
    },
    Resource {
        name: "memory",
        some: Some((
            "node_pressure_memory_waiting_seconds_total",
            "Total time in seconds that processes have waited for memory.",
        )),
        full: Some((
            "node_pressure_memory_stalled_seconds_total",
            "Total time in seconds no process could make progress due to memory congestion.",
        )),
    },
    // Since kernel 6.1, with CONFIG_IRQ_TIME_ACCOUNTING.
    Resource {
        name: "irq",
        some: None,
        full: Some((
            "node_pressure_irq_stalled_seconds_total",
            "Total time in seconds no process could make progress due to IRQ congestion.",
        )),
    },
];

struct Pressure {
    files: [KernelFile; RESOURCES.len()],
}

impl Pressure {
    fn new(settings: &Settings) -> Self {
        let folder = settings.root.proc("pressure");
        Self { files: RESOURCES.map(|resource| KernelFile::new(folder.join(resource.name))) }
    }
}

impl Collector for Pressure {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let mut found = false;
        for (resource, file) in RESOURCES.iter().zip(&mut self.files) {
            let text = match read_or_absent(file, &mut context.buffer, ABSENT) {
                Err(CollectError::NoData(_)) => continue,
                other => other?,
            };
            let stalled = parse(text).map_err(|error| error.at(file.path()))?;
            found = true;
            for (family, seconds) in
                [(resource.some, stalled.some_seconds), (resource.full, stalled.full_seconds)]
            {
                if let (Some((name, help)), Some(seconds)) = (family, seconds) {
                    out.single(name, help, Kind::Counter, seconds);
                }
            }
        }
        if found { Ok(()) } else { Err(CollectError::NoData(ABSENT)) }
    }
}

/// Time since boot in which tasks waited for one resource.
#[derive(Debug, Default, PartialEq)]
struct Stalled {
    some_seconds: Option<f64>,
    full_seconds: Option<f64>,
}

/// Parses lines such as `some avg10=0.00 avg60=0.00 avg300=0.00 total=19033480`, the total in microseconds.
fn parse(text: &[u8]) -> Result<Stalled, ParseError> {
    let mut stalled = Stalled::default();
    for (number, line) in lines(text) {
        let mut columns = fields(line);
        let slot = match columns.next() {
            Some(b"some") => &mut stalled.some_seconds,
            Some(b"full") => &mut stalled.full_seconds,
            _ => continue,
        };
        let microseconds = columns
            .find_map(|column| column.strip_prefix(b"total="))
            .and_then(unsigned)
            .ok_or_else(|| ParseError::new(number, "total= and microseconds", line))?;
        // Two divisions, for the same last digit as node_exporter.
        *slot = Some(microseconds as f64 / 1000.0 / 1000.0);
    }
    Ok(stalled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_in_seconds() {
        let text = b"some avg10=0.05 avg60=0.60 avg300=1.41 total=14036781\nnew total=x\n";
        let want = Stalled { some_seconds: Some(14.036781000000001), full_seconds: None };
        assert_eq!(parse(text).unwrap(), want);
        for bad in ["full avg10=0.00\n", "full total=\n", "full total=1.5\n"] {
            assert_eq!(parse(format!("some total=1\n{bad}").as_bytes()).unwrap_err().line, 2, "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/pressure/io", parse);
    }
}
