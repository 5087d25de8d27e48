//! How many files are open on the whole machine, from `/proc/sys/fs/file-nr` (kernel:
//! `Documentation/admin-guide/sysctl/fs.rst`, section "file-max & file-nr").

use super::{CollectError, Collector, Context, Spec};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, unsigned};

pub(super) const SPEC: Spec = Spec {
    name: "filefd",
    default_on: true,
    help: "open files of the whole machine and their limit (/proc/sys/fs/file-nr)",
    flags: &[],
    build: |settings| Ok(Box::new(FileFd { file: KernelFile::new(settings.root.proc("sys/fs/file-nr")) })),
};

struct FileFd {
    file: KernelFile,
}

impl Collector for FileFd {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let text = self.file.numbers(&mut context.buffer);
        let text = text.map_err(|error| CollectError::read(self.file.path(), error))?;
        let files = parse(text).map_err(|error| error.at(self.file.path()))?;
        let help = "Open files of all processes together.";
        out.single("node_filefd_allocated", help, Kind::Gauge, files.allocated as f64);
        out.single(
            "node_filefd_maximum",
            "The most files that there may be.",
            Kind::Gauge,
            files.maximum as f64,
        );
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
struct Files {
    allocated: u64,
    maximum: u64,
}

/// Parses `9344 0 9223372036854775807`: allocated, allocated and unused (always 0 since 2.6), the most there may be.
fn parse(text: &[u8]) -> Result<Files, ParseError> {
    let mut columns = fields(text).map(unsigned);
    match (columns.next(), columns.next(), columns.next()) {
        (Some(Some(allocated)), Some(_), Some(Some(maximum))) => Ok(Files { allocated, maximum }),
        _ => Err(ParseError::new(1, "three counts", text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_third_column() {
        assert_eq!(parse(b"1024\t0\t65536\n").unwrap(), Files { allocated: 1024, maximum: 65536 });
        for bad in [&b""[..], b"1024\t0\n", b"x\t0\t1\n", b"1\t0\t-1\n"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/sys/fs/file-nr", parse);
    }
}
