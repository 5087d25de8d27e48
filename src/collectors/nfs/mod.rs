//! The counters of the NFS client and server, `/proc/net/rpc/nfs` and `nfsd` (kernel: `net/sunrpc/stats.c`,
//! `fs/nfsd/stats.c`): lines of a word and counts.
//!
//! The counts of one line are told apart by their place only. Newer kernels append counts and lines, so what is not
//! in the tables is passed over, and what an old kernel lacks is absent.

pub(super) mod client;
pub(super) mod server;

use super::{CollectError, Context, read_or_absent};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, lines, unsigned};

/// A family and where in the file its samples are.
struct Family {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    samples: &'static [Sample],
    /// For families with a sample for each procedure of a protocol.
    procedures: &'static [Procedures],
}

impl Family {
    /// A counter without labels.
    const fn counter(name: &'static str, help: &'static str, samples: &'static [Sample]) -> Self {
        Self { name, help, kind: Kind::Counter, samples, procedures: &[] }
    }
}

/// One count of the file.
struct Sample {
    line: &'static str,
    /// Its place behind the line's word, from 1.
    place: usize,
    labels: &'static [(&'static str, &'static str)],
}

impl Sample {
    /// A sample without labels.
    const fn at(line: &'static str, place: usize) -> Self {
        Self { line, place, labels: &[] }
    }
}

/// One line whose counts are calls of procedures, behind the number of these counts.
struct Procedures {
    line: &'static str,
    protocol: &'static str,
    /// The place of the first that has a name here.
    first_place: usize,
    /// As in node_exporter. One that is empty stands for a procedure that is left out.
    names: &'static [&'static str],
}

/// The procedures of version 2 behind the first, which does nothing (RFC 1094, section 2.2).
const VERSION_2: &[&str] = &[
    "GetAttr", "SetAttr", "Root", "Lookup", "ReadLink", "Read", "WrCache", "Write", "Create", "Remove",
    "Rename", "Link", "SymLink", "MkDir", "RmDir", "ReadDir", "FsStat",
];

/// The procedures of version 3 behind the first, which does nothing (RFC 1813, section 3).
const VERSION_3: &[&str] = &[
    "GetAttr",
    "SetAttr",
    "Lookup",
    "Access",
    "ReadLink",
    "Read",
    "Write",
    "Create",
    "MkDir",
    "SymLink",
    "MkNod",
    "Remove",
    "RmDir",
    "Rename",
    "Link",
    "ReadDir",
    "ReadDirPlus",
    "FsStat",
    "FsInfo",
    "PathConf",
    "Commit",
];

/// Reads `file` and writes what it has of `families`.
fn collect(
    file: &mut KernelFile,
    absent: &'static str,
    families: &[Family],
    context: &mut Context,
    out: &mut Exposition,
) -> Result<(), CollectError> {
    let text = read_or_absent(file, &mut context.buffer, absent)?;
    let mut result = Ok(());
    for family in families {
        result = result.and(write(text, family, out));
    }
    Ok(result.map_err(|error| error.at(file.path()))?)
}

fn write(text: &[u8], family: &Family, out: &mut Exposition) -> Result<(), ParseError> {
    let mut samples = out.family(family.name, family.help, family.kind);
    for sample in family.samples {
        if let Some(value) = counts(text, sample.line).nth(sample.place - 1) {
            let labels = sample.labels.iter().map(|(name, value)| (*name, value.as_bytes()));
            samples.sample_with(labels, value? as f64);
        }
    }
    for procedures in family.procedures {
        let values = counts(text, procedures.line).skip(procedures.first_place - 1);
        for (name, value) in procedures.names.iter().zip(values).filter(|(name, _)| !name.is_empty()) {
            let labels = [("method", name.as_bytes()), ("proto", procedures.protocol.as_bytes())];
            samples.sample(&labels, value? as f64);
        }
    }
    Ok(())
}

/// The counts behind `word`, of the first line that begins with it.
fn counts<'t>(text: &'t [u8], word: &str) -> impl Iterator<Item = Result<u64, ParseError>> + use<'t> {
    let line = lines(text).find_map(|(number, line)| {
        let rest = line.strip_prefix(word.as_bytes())?.strip_prefix(b" ")?;
        Some((number, line, rest))
    });
    let counts = line.map(|(number, line, rest)| {
        fields(rest).map(move |field| unsigned(field).ok_or_else(|| ParseError::new(number, "a count", line)))
    });
    counts.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_a_line() {
        let text = b"net 1 2\n\nproc2\nproc2x 9\nproc3 3 4 0.5\n";
        let all = |word| counts(text, word).collect::<Result<Vec<_>, _>>();
        assert_eq!(all("net").unwrap(), [1, 2]);
        assert_eq!((all("proc2").unwrap(), all("proc4").unwrap()), (vec![], vec![]));
        assert_eq!(counts(text, "proc3").take(2).filter_map(Result::ok).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(all("proc3").unwrap_err().line, 5);
    }

    #[test]
    fn survives_a_cut_file() {
        for (file, families) in [("nfs", client::FAMILIES), ("nfsd", server::FAMILIES)] {
            crate::collectors::at_every_cut(&format!("proc/net/rpc/{file}"), |text| {
                families.iter().try_for_each(|family| write(text, family, &mut Exposition::new()))
            });
        }
    }

    #[test]
    fn one_broken_count_costs_its_family_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nfs");
        std::fs::write(&path, "net 0 0 x 0\nrpc 7 0 0\nproc4 2 1 8\n").unwrap();
        let mut context = Context::new(&crate::collectors::Settings::default());
        let mut out = Exposition::new();
        let error =
            collect(&mut KernelFile::new(&path), "", client::FAMILIES, &mut context, &mut out).unwrap_err();
        assert!(
            error.to_string().ends_with("nfs: line 1: expected a count, found \"net 0 0 x 0\""),
            "{error}"
        );
        assert!(out.contains("node_nfs_rpcs_total") && out.contains("node_nfs_requests_total"));
    }
}
