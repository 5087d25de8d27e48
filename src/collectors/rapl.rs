//! Energy that packages, cores and memory have used, from `/sys/class/powercap` (kernel:
//! `Documentation/power/powercap/powercap.rst`).
//!
//! Only root can read the counters (since Linux 5.10, as they tell attackers what the CPU computes).

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;

use super::{CollectError, Collector, Context, Flag, FlagKind, Settings, Spec, no_data_if_absent};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{ParseError, unsigned};
use crate::host::{Folder, KernelFile, read_small};

const ZONE_LABEL: Flag = Flag::new(
    "rapl.enable-zone-label",
    FlagKind::Switch(false),
    "Give one family with a label for the zone in place of a family for each zone.",
);

pub(super) const SPEC: Spec = Spec {
    name: "rapl",
    default_on: true,
    help: "energy used by CPU packages, cores and memory; root only (/sys/class/powercap)",
    flags: &[ZONE_LABEL],
    build: |settings| Ok(Box::new(Rapl::new(settings))),
};

struct Rapl {
    with_zone_label: bool,
    folder: Folder,
    /// By family, index and path.
    zones: Vec<Zone>,
}

struct Zone {
    /// The name without its number: `package` for `package-0`.
    name: String,
    /// That number, or how many zones before this one have the same name.
    index: String,
    path: Box<[u8]>,
    family: String,
    help: String,
    energy: KernelFile,
}

impl Rapl {
    fn new(settings: &Settings) -> Self {
        Self {
            with_zone_label: settings.switch(&ZONE_LABEL),
            folder: Folder::new(settings.root.sys("class/powercap")),
            zones: Vec::new(),
        }
    }

    fn find(&mut self, buffer: &mut Vec<u8>) {
        self.zones.clear();
        let mut next_index: HashMap<String, u64> = HashMap::new();
        for entry in self.folder.names() {
            let path = self.folder.entry(entry);
            // The types of control are here too, without a name.
            let Ok(name) = read_small(&path.join("name"), buffer) else { continue };
            let name = String::from_utf8_lossy(name);
            let (name, index) = match numbered(&name) {
                Some((name, index)) => (name.to_owned(), index),
                None => (name.to_string(), next_index.get(&*name).copied().unwrap_or(0)),
            };
            next_index.insert(name.clone(), index.saturating_add(1));
            let (family, help) = match self.with_zone_label {
                true => ("node_rapl_joules_total".to_owned(), "Energy used by the zone.".to_owned()),
                false => (
                    format!("node_rapl_{}_joules_total", metric_name_part(&name)),
                    format!("Energy used by the zone {name}."),
                ),
            };
            self.zones.push(Zone {
                name,
                index: index.to_string(),
                path: path.as_os_str().as_bytes().into(),
                family,
                help,
                energy: KernelFile::new(path.join("energy_uj")),
            });
        }
        self.zones.sort_by(|a, b| (&a.family, &a.index, &a.path).cmp(&(&b.family, &b.index, &b.path)));
    }
}

impl Collector for Rapl {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let listed = self.folder.list(&mut context.buffer);
        if no_data_if_absent(listed, self.folder.path(), "the kernel has no power caps")? {
            self.find(&mut context.buffer);
        }
        let mut result = Ok(());
        for zones in self.zones.chunk_by_mut(|a, b| a.family == b.family) {
            let Some(Zone { family, help, .. }) = zones.first() else { continue };
            let mut family = out.family(family, help, Kind::Counter);
            for zone in zones {
                let text = match zone.energy.value(&mut context.buffer) {
                    Ok(text) => text,
                    Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                        result = result
                            .and(Err(CollectError::NoData("only root can read how much energy was used")));
                        continue;
                    }
                    Err(_) => continue,
                };
                let Some(microjoules) = unsigned(text) else {
                    let error = ParseError::new(1, "a number of microjoules", text);
                    result = Err(error.at(zone.energy.path()).into());
                    continue;
                };
                let labels = [
                    ("index", zone.index.as_bytes()),
                    ("path", &zone.path),
                    ("rapl_zone", zone.name.as_bytes()),
                ];
                let labels = if self.with_zone_label { &labels[..] } else { &labels[..2] };
                family.sample(labels, microjoules as f64 / 1e6);
            }
        }
        result
    }
}

/// `package-0` as `package` and 0. A name with more than one hyphen has no number.
fn numbered(name: &str) -> Option<(&str, u64)> {
    let (name, number) = name.split_once('-')?;
    Some((name, unsigned(number.as_bytes())?))
}

/// A name with `_` for each run of what no name of a family can have, the underscores beside it included.
fn metric_name_part(name: &str) -> String {
    let mut part = String::with_capacity(name.len());
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for run in name.split_inclusive(|c| !is_word(c)) {
        match run.strip_suffix(|c| !is_word(c)) {
            Some(word) => {
                part.push_str(if part.ends_with('_') { word.trim_start_matches('_') } else { word });
                part.truncate(part.trim_end_matches('_').len());
                part.push('_');
            }
            None => part.push_str(if part.ends_with('_') { run.trim_start_matches('_') } else { run }),
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;

    #[test]
    fn names_of_zones() {
        assert_eq!(numbered("package-12"), Some(("package", 12)));
        for name in ["dram", "package-0-die-1", "package-x", "package-"] {
            assert_eq!(numbered(name), None, "{name}");
        }
        for (name, part) in [
            ("dram", "dram"),
            ("package-0-die-1", "package_0_die_1"),
            ("a_-_b", "a_b"),
            ("a__b", "a__b"),
            ("a--", "a_"),
            ("-a", "_a"),
            ("ä b", "_b"),
        ] {
            assert_eq!(metric_name_part(name), part, "{name}");
        }
    }

    #[test]
    fn zones_of_one_name_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.root.sys = folder.path().to_owned();
        let mut context = Context::new(&settings);
        let mut rapl = Rapl::new(&settings);
        let mut page = || {
            let (mut out, mut page) = (Exposition::new(), Vec::new());
            let result = rapl.collect(&mut context, &mut out);
            out.render(Format::Text, &mut page);
            let path = format!("{}/", folder.path().display());
            let page = String::from_utf8(page).unwrap().replace(&path, "");
            (
                page.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>(),
                result,
            )
        };
        assert!(matches!(page().1, Err(CollectError::NoData(_))));
        for (zone, name, energy) in [
            ("intel-rapl:0", "package-1", "1000000"),
            ("intel-rapl:0:0", "dram", "2000000"),
            ("intel-rapl:1", "package-0", "many"),
            ("intel-rapl:1:0", "dram", "4000000"),
        ] {
            let zone = folder.path().join("class/powercap").join(zone);
            std::fs::create_dir_all(&zone).unwrap();
            std::fs::write(zone.join("name"), name).unwrap();
            std::fs::write(zone.join("energy_uj"), energy).unwrap();
        }
        std::fs::create_dir(folder.path().join("class/powercap/intel-rapl")).unwrap();
        let (lines, result) = page();
        assert_eq!(
            lines,
            [
                "node_rapl_dram_joules_total{index=\"0\",path=\"class/powercap/intel-rapl:0:0\"} 2",
                "node_rapl_dram_joules_total{index=\"1\",path=\"class/powercap/intel-rapl:1:0\"} 4",
                "node_rapl_package_joules_total{index=\"1\",path=\"class/powercap/intel-rapl:0\"} 1",
            ]
        );
        assert!(result.unwrap_err().to_string().contains("intel-rapl:1/energy_uj: line 1"));
    }
}
