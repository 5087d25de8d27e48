//! The paths to each NVMe subsystem from `/sys/class/nvme-subsystem` (kernel:
//! `Documentation/admin-guide/nvme-multipath.rst` and `drivers/nvme/host/multipath.c`). A path is a controller; over a
//! network they come and go.

use std::os::unix::ffi::OsStrExt;

use super::{
    CollectError, Collector, Context, DeviceClass, Info, Settings, Spec, no_data_if_absent, numbered,
};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::unsigned;
use crate::host::{Folder, KernelFile, read_small};

pub(super) const SPEC: Spec = Spec {
    name: "nvmesubsystem",
    default_on: false,
    help: "paths to NVMe subsystems and their states (/sys/class/nvme-subsystem)",
    flags: &[],
    build: |settings| Ok(Box::new(NvmeSubsystem::new(settings))),
};

const INFO: Info = Info {
    family: "node_nvmesubsystem_info",
    help: "What the NVMe subsystem is.",
    labels: &[
        ("iopolicy", Some("iopolicy")),
        ("model", Some("model")),
        ("nqn", Some("subsysnqn")),
        ("serial", Some("serial")),
        ("subsystem", None),
    ],
};

/// The states that a path is said to be in, sorted.
const STATES: [&str; 7] = ["connecting", "dead", "deleting", "live", "new", "resetting", "unknown"];
const LIVE: usize = 3;
const UNKNOWN: usize = 6;

struct NvmeSubsystem {
    class: DeviceClass,
    subsystems: Vec<Subsystem>,
}

struct Subsystem {
    name: Box<[u8]>,
    folder: Folder,
    paths: Vec<Path>,
}

struct Path {
    controller: Box<[u8]>,
    transport: Box<[u8]>,
    file: KernelFile,
    /// The place in [`STATES`]; `None` of a controller that has just gone.
    state: Option<usize>,
}

impl NvmeSubsystem {
    fn new(settings: &Settings) -> Self {
        let folder = settings.root.sys("class/nvme-subsystem");
        Self { class: DeviceClass::new(folder, &["subsystem"], &[]).with_info(&INFO), subsystems: Vec::new() }
    }
}

impl Subsystem {
    /// Looks which paths there are and in which state each of them is.
    fn refresh(&mut self, buffer: &mut Vec<u8>) {
        if self.folder.list(buffer).unwrap_or(true) {
            self.paths.clear();
            for name in self.folder.names().iter().filter(|name| numbered(name, "nvme").is_some()) {
                let controller = self.folder.entry(name);
                let transport = read_small(&controller.join("transport"), buffer).unwrap_or_default().into();
                let file = KernelFile::new(controller.join("state"));
                self.paths.push(Path { controller: name.clone(), transport, file, state: None });
            }
        }
        for path in &mut self.paths {
            path.state = path.file.value(buffer).ok().map(state);
        }
    }

    fn write(&self, out: &mut Exposition) {
        let subsystem = [("subsystem", &*self.name)];
        let mut family = out.family(
            "node_nvmesubsystem_namespace_info",
            "Block devices of the NVMe subsystem.",
            Kind::Gauge,
        );
        for device in self.folder.names().iter().filter(|name| is_namespace(name)) {
            family.sample(&[("device", device), ("subsystem", &self.name)], 1.0);
        }
        let help = "Whether the path to the NVMe subsystem is in this state.";
        let mut family = out.family("node_nvmesubsystem_path_state", help, Kind::Gauge);
        let (mut all, mut live) = (0u32, 0u32);
        for path in &self.paths {
            let Some(current) = path.state else { continue };
            all += 1;
            live += u32::from(current == LIVE);
            for (place, state) in STATES.iter().enumerate() {
                let labels: [(&str, &[u8]); 4] = [
                    ("controller", &path.controller),
                    ("state", state.as_bytes()),
                    ("subsystem", &self.name),
                    ("transport", &path.transport),
                ];
                family.sample(&labels, f64::from(place == current));
            }
        }
        for (name, help, count) in [
            ("node_nvmesubsystem_paths", "Number of paths to the NVMe subsystem.", all),
            ("node_nvmesubsystem_paths_live", "Number of paths that are live.", live),
        ] {
            out.family(name, help, Kind::Gauge).sample(&subsystem, f64::from(count));
        }
    }
}

impl Collector for NvmeSubsystem {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let buffer = &mut context.buffer;
        let mut found: Vec<Box<[u8]>> = Vec::new();
        let listed = self.class.refresh(buffer, |name| {
            let keeps = name.starts_with(b"nvme-subsys");
            found.extend(keeps.then(|| name.into()));
            keeps
        });
        if no_data_if_absent(listed, self.class.folder(), "there are no NVMe subsystems")? {
            let class = self.class.folder();
            let subsystem = |name: Box<[u8]>| Subsystem {
                folder: Folder::new(class.join(std::ffi::OsStr::from_bytes(&name))),
                name,
                paths: Vec::new(),
            };
            self.subsystems = found.into_iter().map(subsystem).collect();
        }
        for subsystem in &mut self.subsystems {
            subsystem.refresh(buffer);
            subsystem.write(out);
        }
        self.class.write(buffer, out)
    }
}

/// `nvme0n1`, and not a path to it (`nvme0c1n1`).
fn is_namespace(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b"nvme") else { return false };
    let mut numbers = rest.split(|&byte| byte == b'n');
    let mut number = || numbers.next().is_some_and(|number| unsigned(number).is_some());
    number() && number() && numbers.next().is_none()
}

fn state(text: &[u8]) -> usize {
    let text = if text == b"deleting (no IO)" { b"deleting" } else { text };
    STATES.iter().position(|state| state.as_bytes() == text).unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_states() {
        assert!(is_namespace(b"nvme0n1"));
        for other in ["nvme0", "nvme0c1n1", "nvme0n1n2", "nvme0n1p1", "nvmen1", "x"] {
            assert!(!is_namespace(other.as_bytes()), "{other}");
        }
        assert_eq!(STATES[LIVE], "live");
        assert!(STATES.is_sorted());
        for (text, want) in
            [("live", "live"), ("deleting (no IO)", "deleting"), ("odd", "unknown"), ("", "unknown")]
        {
            assert_eq!(STATES[state(text.as_bytes())], want);
        }
    }
}
