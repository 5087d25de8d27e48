//! Swap devices and files from `/proc/swaps` (kernel: `Documentation/filesystems/proc.rst`). Sums of all of them are
//! [`super::meminfo`]'s.

use super::{CollectError, Collector, Context, Spec, read_or_absent};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, lines, signed, unsigned};

pub(super) const SPEC: Spec = Spec {
    name: "swap",
    default_on: false,
    help: "size, use and priority of each swap device (/proc/swaps)",
    flags: &[],
    build: |settings| Ok(Box::new(Swaps { file: KernelFile::new(settings.root.proc("swaps")) })),
};

const ABSENT: &str = "the kernel was built without CONFIG_SWAP";

struct Swaps {
    file: KernelFile,
}

/// A line of the file.
#[derive(Debug, PartialEq)]
struct Swap<'t> {
    /// The path, in which the kernel writes blanks and control characters as `\` and three octal digits.
    device: &'t [u8],
    /// `partition` or `file`.
    kind: &'t [u8],
    size_bytes: f64,
    used_bytes: f64,
    priority: f64,
}

/// A family: its name, its help, and what it takes of a swap device.
type Family = (&'static str, &'static str, fn(&Swap<'_>) -> f64);

const FAMILIES: [Family; 3] = [
    ("node_swap_priority", "Priority of the swap device; higher ones are filled first.", |swap| {
        swap.priority
    }),
    ("node_swap_size_bytes", "Size of the swap device.", |swap| swap.size_bytes),
    ("node_swap_used_bytes", "What is used of the swap device.", |swap| swap.used_bytes),
];

impl Collector for Swaps {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let text = read_or_absent(&mut self.file, &mut context.buffer, ABSENT)?;
        for (name, help, value) in FAMILIES {
            let mut family = out.family(name, help, Kind::Gauge);
            for swap in parse(text) {
                let swap = swap.map_err(|error| error.at(self.file.path()))?;
                family.sample(&[("device", swap.device), ("swap_type", swap.kind)], value(&swap));
            }
        }
        Ok(())
    }
}

fn parse(text: &[u8]) -> impl Iterator<Item = Result<Swap<'_>, ParseError>> {
    lines(text).skip(1).map(|(number, line)| {
        parse_line(line).ok_or_else(|| ParseError::new(number, "a path, type, size, use and priority", line))
    })
}

fn parse_line(line: &[u8]) -> Option<Swap<'_>> {
    let mut columns = fields(line);
    let kibibytes = |column| Some(unsigned(column)? as f64 * 1024.0);
    Some(Swap {
        device: columns.next()?,
        kind: columns.next()?,
        size_bytes: kibibytes(columns.next()?)?,
        used_bytes: kibibytes(columns.next()?)?,
        priority: signed(columns.next()?)? as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_file() {
        let header = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert_eq!(parse(header.as_bytes()).count(), 0);
        let text = format!("{header}/swap\\040file  file\t\t1024\t\t0\t\t-2\n/dev/sda2 partition 7\n");
        let mut swaps = parse(text.as_bytes());
        let want = Swap {
            device: b"/swap\\040file",
            kind: b"file",
            size_bytes: 1048576.0,
            used_bytes: 0.0,
            priority: -2.0,
        };
        assert_eq!(swaps.next().unwrap().unwrap(), want);
        assert_eq!(swaps.next().unwrap().unwrap_err().line, 3);
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/swaps", |text| {
            parse(text).collect::<Result<Vec<_>, _>>().map(|swaps| swaps.len())
        });
    }
}
