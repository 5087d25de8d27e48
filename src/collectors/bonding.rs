//! Bonds of network devices from `/sys/class/net` (kernel: `Documentation/networking/bonding.rst`).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{CollectError, Collector, Context, Settings, Spec, read_or_absent};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::fields;

pub(super) const SPEC: Spec = Spec {
    name: "bonding",
    default_on: true,
    help: "bonded network devices, and how many of them work (/sys/class/net)",
    flags: &[],
    build: |settings| Ok(Box::new(Bonding::new(settings))),
};

struct Bonding {
    /// The directory of all network devices.
    folder: PathBuf,
    masters: Names<Bond>,
}

/// A file that lists devices, and what is kept of each.
struct Names<T> {
    file: KernelFile,
    text: Vec<u8>,
    entries: Vec<T>,
}

struct Bond {
    name: Box<[u8]>,
    slaves: Names<KernelFile>,
    counts: Option<Counts>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    slaves: u32,
    active: u32,
}

impl<T> Names<T> {
    fn new(path: PathBuf) -> Self {
        Self { file: KernelFile::new(path), text: Vec::new(), entries: Vec::new() }
    }

    /// Makes the entries anew with `entry` if the list is another one than last time.
    fn refresh(&mut self, buffer: &mut Vec<u8>, entry: impl Fn(&[u8]) -> T) -> Result<(), CollectError> {
        let text =
            read_or_absent(&mut self.file, buffer, "no bonded devices: the module bonding is not loaded")?;
        if self.text != text {
            self.text.clear();
            self.text.extend_from_slice(text);
            let mut names: Vec<&[u8]> = fields(text).collect();
            names.sort_unstable();
            self.entries = names.into_iter().map(entry).collect();
        }
        Ok(())
    }
}

impl Bonding {
    fn new(settings: &Settings) -> Self {
        let folder = settings.root.sys("class/net");
        Self { masters: Names::new(folder.join("bonding_masters")), folder }
    }
}

impl Collector for Bonding {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let Self { folder, masters } = self;
        masters.refresh(&mut context.buffer, |name| Bond {
            name: name.into(),
            slaves: Names::new(device(folder, name).join("bonding/slaves")),
            counts: None,
        })?;
        for bond in &mut masters.entries {
            // A bond that has just gone has none.
            bond.counts = bond.count(folder, &mut context.buffer).ok();
        }
        for (family, help, value) in [
            (
                "node_bonding_active",
                "Number of devices of a bond that have a link.",
                (|counts| counts.active) as fn(Counts) -> u32,
            ),
            ("node_bonding_slaves", "Number of devices of a bond.", |counts| counts.slaves),
        ] {
            let mut family = out.family(family, help, Kind::Gauge);
            for bond in &masters.entries {
                if let Some(counts) = bond.counts {
                    family.sample(&[("master", &bond.name)], f64::from(value(counts)));
                }
            }
        }
        Ok(())
    }
}

impl Bond {
    fn count(&mut self, folder: &Path, buffer: &mut Vec<u8>) -> Result<Counts, CollectError> {
        let status = |name: &[u8]| KernelFile::new(device(folder, name).join("bonding_slave/mii_status"));
        self.slaves.refresh(buffer, status)?;
        let mut counts = Counts::default();
        for slave in &mut self.slaves.entries {
            let Ok(status) = slave.value(buffer) else { continue };
            counts.slaves += 1;
            counts.active += u32::from(status == b"up");
        }
        Ok(counts)
    }
}

fn device(folder: &Path, name: &[u8]) -> PathBuf {
    folder.join(OsStr::from_bytes(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;
    use crate::host::Root;

    #[test]
    fn bonds_and_their_devices_come_and_go() {
        let host = tempfile::tempdir().unwrap();
        let net = host.path().join("class/net");
        let file = |path: &str, text: &str| {
            let path = net.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let root = Root { sys: host.path().into(), ..Root::default() };
        let settings = Settings::new(root);
        let mut bonding = Bonding::new(&settings);
        let mut samples = || {
            let mut out = Exposition::new();
            let result = bonding.collect(&mut Context::new(&settings), &mut out);
            let mut page = Vec::new();
            out.render(Format::Text, &mut page);
            let page = String::from_utf8(page).unwrap();
            let lines = page.lines().filter_map(|line| line.strip_prefix("node_bonding_"));
            (lines.map(|line| line.replace("{master=\"", " ").replace("\"}", "")).collect::<Vec<_>>(), result)
        };
        assert!(matches!(samples().1, Err(CollectError::NoData(_))));
        file("bonding_masters", "\n");
        assert!(samples().0.is_empty() && samples().1.is_ok());
        file("bonding_masters", "bond1 bond0 gone\n");
        file("bond0/bonding/slaves", "eth0 eth1\n");
        file("bond1/bonding/slaves", "\n");
        file("eth0/bonding_slave/mii_status", "up\n");
        file("eth1/bonding_slave/mii_status", "going down\n");
        for _ in 0..2 {
            assert_eq!(samples().0, ["active bond0 1", "active bond1 0", "slaves bond0 2", "slaves bond1 0"]);
        }
        file("eth1/bonding_slave/mii_status", "up\n");
        std::fs::remove_file(net.join("eth0/bonding_slave/mii_status")).unwrap();
        file("bonding_masters", "bond0\n");
        assert_eq!(samples().0, ["active bond0 1", "slaves bond0 1"]);
    }
}
