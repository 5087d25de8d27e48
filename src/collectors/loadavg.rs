//! Load averages from `/proc/loadavg` (kernel: `Documentation/filesystems/proc.rst`, section 1.8).

use super::{CollectError, Collector, Context, Settings, Spec, read};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, float};

pub(super) const SPEC: Spec = Spec {
    name: "loadavg",
    default_on: true,
    help: "load averages (/proc/loadavg)",
    flags: &[],
    build: |settings| Ok(Box::new(LoadAvg::new(settings))),
};

struct LoadAvg {
    file: KernelFile,
}

impl LoadAvg {
    fn new(settings: &Settings) -> Self {
        Self { file: KernelFile::new(settings.root.proc("loadavg")) }
    }
}

impl Collector for LoadAvg {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let text = read(&mut self.file, &mut context.buffer)?;
        let [load1, load5, load15] = parse(text).map_err(|error| error.at(self.file.path()))?;
        out.single("node_load1", "1m load average.", Kind::Gauge, load1);
        out.single("node_load5", "5m load average.", Kind::Gauge, load5);
        out.single("node_load15", "15m load average.", Kind::Gauge, load15);
        Ok(())
    }
}

/// The averages over 1, 5 and 15 minutes.
fn parse(text: &[u8]) -> Result<[f64; 3], ParseError> {
    let mut columns = fields(text).map(float);
    let mut next = || columns.next().flatten().ok_or_else(|| ParseError::new(1, "three load averages", text));
    Ok([next()?, next()?, next()?])
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn three_numbers_or_an_error() {
        assert_eq!(parse(b"0.21 0.37 0.39 1/719 19737\n").unwrap(), [0.21, 0.37, 0.39]);
        for bad in [&b""[..], b"\n", b"0.1 0.2", b"0.1 x 0.3"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/loadavg", parse);
    }
}
