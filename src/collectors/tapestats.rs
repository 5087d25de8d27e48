//! What SCSI tape drives have done, from `/sys/class/scsi_tape` (kernel: `Documentation/scsi/st.rst`, section
//! "Sysfs and statistics").

use super::{
    Attribute, CollectError, Collector, Context, DeviceClass, Filter, Flag, FlagKind, Settings, Spec,
    no_data_if_absent, numbered,
};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::unsigned;

const IGNORED_DEVICES: Flag = Flag::new(
    "tapestats.ignored-devices",
    FlagKind::Pattern("^$"),
    "Regular expression of the tape drives to leave out.",
);

pub(super) const SPEC: Spec = Spec {
    name: "tapestats",
    default_on: true,
    help: "reads, writes and other commands of SCSI tape drives (/sys/class/scsi_tape)",
    flags: &[IGNORED_DEVICES],
    build: |settings| Ok(Box::new(TapeStats::new(settings))),
};

const fn count(file: &'static str, family: &'static str, help: &'static str) -> Attribute {
    Attribute { file, family, help, kind: Kind::Counter, value: |text| Some(unsigned(text)? as f64) }
}

const fn nanoseconds(file: &'static str, family: &'static str, help: &'static str) -> Attribute {
    // A multiplication, for the same last digit as node_exporter.
    Attribute { value: |text| Some(unsigned(text)? as f64 * 0.000_000_001), ..count(file, family, help) }
}

const ATTRIBUTES: &[Attribute] = &[
    Attribute {
        kind: Kind::Gauge,
        ..count("stats/in_flight", "node_tape_io_now", "Commands that the drive is busy with.")
    },
    nanoseconds(
        "stats/io_ns",
        "node_tape_io_time_seconds_total",
        "Time that the drive took for all of its commands.",
    ),
    count(
        "stats/other_cnt",
        "node_tape_io_others_total",
        "Number of commands that neither read nor write, such as rewinding.",
    ),
    count("stats/read_byte_cnt", "node_tape_read_bytes_total", "Number of bytes read from tape."),
    count("stats/read_cnt", "node_tape_reads_completed_total", "Number of reads that ended well."),
    nanoseconds("stats/read_ns", "node_tape_read_time_seconds_total", "Time that the drive took for reads."),
    count(
        "stats/resid_cnt",
        "node_tape_residual_total",
        "Number of reads and writes that moved less than was asked for.",
    ),
    count("stats/write_byte_cnt", "node_tape_written_bytes_total", "Number of bytes written to tape."),
    count("stats/write_cnt", "node_tape_writes_completed_total", "Number of writes that ended well."),
    nanoseconds(
        "stats/write_ns",
        "node_tape_write_time_seconds_total",
        "Time that the drive took for writes.",
    ),
];

struct TapeStats {
    drives: DeviceClass,
    ignored: Filter,
}

impl TapeStats {
    fn new(settings: &Settings) -> Self {
        let folder = settings.root.sys("class/scsi_tape");
        Self {
            drives: DeviceClass::new(folder, &["device"], ATTRIBUTES),
            ignored: Filter::new(None, settings.pattern(&IGNORED_DEVICES)),
        }
    }
}

impl Collector for TapeStats {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let Self { drives, ignored } = self;
        let listed = drives.refresh(&mut context.buffer, |name| is_drive(name) && ignored.keeps(name));
        no_data_if_absent(listed, drives.folder(), "no /sys/class/scsi_tape")?;
        drives.write(&mut context.buffer, out)
    }
}

/// Whether `name` is a drive's. Each has more entries, one for each of its modes (`st0a`, `nst0` and so on), with the
/// same statistics.
fn is_drive(name: &[u8]) -> bool {
    numbered(name, "st").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drives_and_their_modes() {
        assert!(is_drive(b"st0") && is_drive(b"st12"));
        for mode in ["st", "st0a", "nst0", "nst0m", "sta"] {
            assert!(!is_drive(mode.as_bytes()), "{mode}");
        }
    }
}
