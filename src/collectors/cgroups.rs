//! Controllers of control groups from `/proc/cgroups` (kernel: `Documentation/admin-guide/cgroup-v1/cgroups.rst`).

use super::{CollectError, Collector, Context, Spec, read_or_absent};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, lines, unsigned};

pub(super) const SPEC: Spec = Spec {
    name: "cgroups",
    default_on: false,
    help: "number of control groups by controller (/proc/cgroups)",
    flags: &[],
    build: |settings| Ok(Box::new(Cgroups { file: KernelFile::new(settings.root.proc("cgroups")) })),
};

const ABSENT: &str = "the kernel was built without CONFIG_CGROUPS";

struct Cgroups {
    file: KernelFile,
}

#[derive(Debug, PartialEq)]
struct Controller<'t> {
    name: &'t [u8],
    groups: u64,
    enabled: u64,
}

/// A family: its name, its help, and what it takes of a controller.
type Family = (&'static str, &'static str, fn(&Controller<'_>) -> u64);

const FAMILIES: [Family; 2] = [
    ("node_cgroups_cgroups", "Number of control groups that the controller has.", |it| it.groups),
    ("node_cgroups_enabled", "Whether the controller is enabled.", |it| it.enabled),
];

impl Collector for Cgroups {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let text = read_or_absent(&mut self.file, &mut context.buffer, ABSENT)?;
        for (name, help, value) in FAMILIES {
            let mut family = out.family(name, help, Kind::Gauge);
            for controller in parse(text) {
                let controller = controller.map_err(|error| error.at(self.file.path()))?;
                family.sample(&[("subsys_name", controller.name)], value(&controller) as f64);
            }
        }
        Ok(())
    }
}

/// Parses lines such as `memory  4  15  1`: name, hierarchy, number of groups, and whether it is enabled.
fn parse(text: &[u8]) -> impl Iterator<Item = Result<Controller<'_>, ParseError>> {
    lines(text).filter(|(_, line)| !line.starts_with(b"#")).map(|(number, line)| {
        parse_line(line).ok_or_else(|| ParseError::new(number, "a name and three counts", line))
    })
}

fn parse_line(line: &[u8]) -> Option<Controller<'_>> {
    let mut columns = fields(line);
    let name = columns.next()?;
    columns.next()?;
    Some(Controller { name, groups: unsigned(columns.next()?)?, enabled: unsigned(columns.next()?)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_file() {
        let text = b"#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t0\t71\t1\nmemory\t0\t71\n";
        let mut controllers = parse(text);
        let want = Controller { name: b"cpu", groups: 71, enabled: 1 };
        assert_eq!(controllers.next().unwrap().unwrap(), want);
        assert_eq!(controllers.next().unwrap().unwrap_err().line, 3);
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/cgroups", |text| {
            parse(text).collect::<Result<Vec<_>, _>>().map(|controllers| controllers.len())
        });
    }
}
