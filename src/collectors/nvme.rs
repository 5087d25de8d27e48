//! NVMe controllers and their namespaces from `/sys/class/nvme` (kernel: `drivers/nvme/host/sysfs.c`).
//!
//! For `nuse` the kernel asks the device, at most once in some seconds. A controller that does not answer can hold
//! that up until the kernel gives up on it.

use super::{
    CollectError, Collector, Context, DeviceClass, Info, Settings, Spec, no_data_if_absent, none_if_absent,
};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::unsigned;
use crate::host::{Folder, KernelFile};

pub(super) const SPEC: Spec = Spec {
    name: "nvme",
    default_on: true,
    help: "NVMe controllers and the size and use of their namespaces (/sys/class/nvme)",
    flags: &[],
    build: |settings| Ok(Box::new(Nvme::new(settings))),
};

const INFO: Info = Info {
    family: "node_nvme_info",
    help: "What the controller is and does.",
    labels: &[
        ("cntlid", Some("cntlid")),
        ("device", None),
        ("firmware_revision", Some("firmware_rev")),
        ("model", Some("model")),
        ("serial", Some("serial")),
        ("state", Some("state")),
    ],
};

struct Nvme {
    controllers: DeviceClass,
    /// A namespace that comes or goes does so here too, so that no controller's directory has to be watched.
    block: Folder,
    /// By device and number.
    namespaces: Vec<Namespace>,
}

struct Namespace {
    device: Box<[u8]>,
    number: Box<[u8]>,
    size: KernelFile,
    used: Option<KernelFile>,
    block_size: KernelFile,
    access: Option<KernelFile>,
    sizes: Sizes,
}

/// What was read last.
#[derive(Clone, Copy, Default)]
struct Sizes {
    blocks: Option<u64>,
    used_blocks: Option<u64>,
    block_bytes: Option<u64>,
}

impl Sizes {
    /// The kernel counts the size in sectors of 512 bytes, whatever the block size. It is multiplied with the block
    /// size all the same, as in node_exporter: on disks with larger blocks it is too large.
    fn size_bytes(&self) -> Option<u64> {
        self.blocks?.checked_mul(self.block_bytes?)
    }

    fn used_bytes(&self) -> Option<u64> {
        self.used_blocks?.checked_mul(self.block_bytes?)
    }
}

impl Nvme {
    fn new(settings: &Settings) -> Self {
        let folder = settings.root.sys("class/nvme");
        Self {
            controllers: DeviceClass::new(folder, &["device"], &[]).with_info(&INFO),
            block: Folder::new(settings.root.sys("block")),
            namespaces: Vec::new(),
        }
    }

    fn find(&mut self, buffer: &mut Vec<u8>) {
        self.namespaces.clear();
        for device in self.controllers.names() {
            let mut folder = Folder::new(self.controllers.entry(device));
            if folder.list(buffer).is_err() {
                continue;
            }
            for name in folder.names() {
                let Some(number) = namespace_number(name) else { continue };
                let path = folder.entry(name);
                let if_there = |file| KernelFile::if_exists(path.join(file));
                self.namespaces.push(Namespace {
                    device: device.clone(),
                    number: number.into(),
                    size: KernelFile::new(path.join("size")),
                    used: if_there("nuse"),
                    block_size: KernelFile::new(path.join("queue/logical_block_size")),
                    access: if_there("ana_state"),
                    sizes: Sizes::default(),
                });
            }
        }
        self.namespaces.sort_by(|a, b| (&a.device, &a.number).cmp(&(&b.device, &b.number)));
    }

    fn write_namespaces(&mut self, buffer: &mut Vec<u8>, out: &mut Exposition) {
        let help = "How the namespace can be reached through the controller.";
        let mut family = out.family("node_nvme_namespace_info", help, Kind::Gauge);
        for namespace in &mut self.namespaces {
            let mut number = |file: &mut KernelFile| unsigned(file.value(buffer).ok()?);
            namespace.sizes = Sizes {
                blocks: number(&mut namespace.size),
                used_blocks: namespace.used.as_mut().and_then(&mut number),
                block_bytes: number(&mut namespace.block_size),
            };
            let state = match &mut namespace.access {
                Some(file) => file.value(buffer).unwrap_or(b"unknown"),
                None => b"unknown",
            };
            let labels = [("ana_state", state), ("device", &namespace.device), ("nsid", &namespace.number)];
            family.sample(&labels, 1.0);
        }
        let mut gauge = |name, help, value: fn(&Sizes) -> Option<u64>| {
            let mut family = out.family(name, help, Kind::Gauge);
            for namespace in &self.namespaces {
                if let Some(value) = value(&namespace.sizes) {
                    let labels = [("device", &*namespace.device), ("nsid", &namespace.number)];
                    family.sample(&labels, value as f64);
                }
            }
        };
        gauge("node_nvme_namespace_capacity_bytes", "Capacity of the namespace.", Sizes::size_bytes);
        gauge("node_nvme_namespace_size_bytes", "Size of the namespace.", Sizes::size_bytes);
        gauge("node_nvme_namespace_used_bytes", "How much of the namespace is in use.", Sizes::used_bytes);
        gauge(
            "node_nvme_namespace_logical_block_size_bytes",
            "Smallest unit that can be read or written.",
            |sizes| sizes.block_bytes,
        );
    }
}

impl Collector for Nvme {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let buffer = &mut context.buffer;
        let listed = self.controllers.refresh(buffer, |_| true);
        let mut changed = no_data_if_absent(listed, self.controllers.folder(), "the kernel has no NVMe")?;
        if !self.controllers.names().is_empty() {
            let listed = self.block.list(buffer);
            changed |= none_if_absent(listed, self.block.path())?;
        }
        if changed {
            self.find(buffer);
        }
        let result = self.controllers.write(buffer, out);
        self.write_namespaces(buffer, out);
        result
    }
}

/// The number of the namespace in `nvme0n1`. Such names as `nvme0c0n1` are paths to a namespace with several.
fn namespace_number(name: &[u8]) -> Option<&[u8]> {
    let rest = name.strip_prefix(b"nvme")?;
    let middle = rest.iter().position(|&byte| byte == b'n')?;
    let (controller, number) = (rest.get(..middle)?, rest.get(middle + 1..)?);
    (unsigned(controller).is_some() && unsigned(number).is_some()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;

    #[test]
    fn names_of_namespaces() {
        assert_eq!(namespace_number(b"nvme0n1"), Some(&b"1"[..]));
        assert_eq!(namespace_number(b"nvme10n32"), Some(&b"32"[..]));
        for name in [&b"nvme0"[..], b"ng0n1", b"nvme0c0n1", b"nvmen1", b"nvme0n", b"nvme0n1p1", b"hwmon1"] {
            assert_eq!(namespace_number(name), None, "{name:?}");
        }
    }

    #[test]
    fn namespaces_come_and_go_with_their_disks() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.root.sys = folder.path().to_owned();
        let mut nvme = Nvme::new(&settings);
        let mut context = Context::new(&settings);
        let mut sizes = || {
            let (mut out, mut page) = (Exposition::new(), Vec::new());
            nvme.collect(&mut context, &mut out)?;
            out.render(Format::Text, &mut page);
            let page = String::from_utf8(page).unwrap();
            let sizes = page.lines().filter_map(|line| line.strip_prefix("node_nvme_namespace_size_bytes{"));
            Ok::<_, CollectError>(sizes.map(str::to_owned).collect::<Vec<_>>())
        };
        assert!(matches!(sizes(), Err(CollectError::NoData(_))));
        let controller = folder.path().join("class/nvme/nvme0");
        std::fs::create_dir_all(&controller).unwrap();
        for _ in 0..3 {
            assert_eq!(sizes().unwrap(), [""; 0]);
        }
        let add = |name: &str, size: &str| {
            std::fs::create_dir_all(controller.join(name).join("queue")).unwrap();
            std::fs::write(controller.join(name).join("queue/logical_block_size"), "4096\n").unwrap();
            std::fs::write(controller.join(name).join("size"), size).unwrap();
            std::fs::create_dir_all(folder.path().join("block").join(name)).unwrap();
        };
        add("nvme0n1", "1000\n");
        add("nvme0n2", "18446744073709551615\n");
        assert_eq!(sizes().unwrap(), ["device=\"nvme0\",nsid=\"1\"} 4.096e+06"]);
        std::fs::remove_dir_all(controller.join("nvme0n1")).unwrap();
        std::fs::remove_dir_all(folder.path().join("block/nvme0n1")).unwrap();
        assert_eq!(sizes().unwrap(), [""; 0]);
    }
}
