//! Memory errors that ECC has found, from `/sys/devices/system/edac/mc` (kernel: `Documentation/driver-api/edac.rst`,
//! `Documentation/ABI/testing/sysfs-devices-edac`).
//!
//! A controller `mc0` has rows `csrow2`, and these have channels `ch1`. Errors whose row the hardware could not tell
//! are counted in the row `unknown`.

use std::path::Path;

use super::{
    Attribute, AttributeTable, CollectError, Collector, Context, Settings, Spec, none_if_absent, numbered,
};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::unsigned;
use crate::host::{Folder, KernelFile, read_small};

pub(super) const SPEC: Spec = Spec {
    name: "edac",
    default_on: true,
    help: "memory errors by controller, row and channel (/sys/devices/system/edac)",
    flags: &[],
    build: |settings| Ok(Box::new(Edac::new(settings))),
};

const fn count(file: &'static str, family: &'static str, help: &'static str) -> Attribute {
    Attribute { file, family, help, kind: Kind::Counter, value: |text| Some(unsigned(text)? as f64) }
}

const CONTROLLER: &[Attribute] = &[
    count("ce_count", "node_edac_correctable_errors_total", "Memory errors that were corrected."),
    count("ue_count", "node_edac_uncorrectable_errors_total", "Memory errors that could not be corrected."),
];

const ROW: &[Attribute] = &[
    count("ce_count", "node_edac_csrow_correctable_errors_total", "Memory errors of the row, corrected."),
    count(
        "ue_count",
        "node_edac_csrow_uncorrectable_errors_total",
        "Memory errors of the row, not corrected.",
    ),
];

const CHANNEL: &[Attribute] = &[
    count(
        "ce_count",
        "node_edac_channel_correctable_errors_total",
        "Memory errors of the channel, corrected.",
    ),
    count(
        "ue_count",
        "node_edac_channel_uncorrectable_errors_total",
        "Memory errors of the channel, not corrected.",
    ),
];

struct Edac {
    folder: Folder,
    controllers: AttributeTable,
    rows: AttributeTable,
    channels: Channels,
}

/// The channels of all rows.
struct Channels {
    attributes: AttributeTable,
    dimm_labels: Vec<DimmLabel>,
}

/// What the board's maker calls the place of a memory module. Programs of the boot set it, which may come later than
/// the first scrape.
struct DimmLabel {
    file: KernelFile,
    text: Box<[u8]>,
}

impl Edac {
    fn new(settings: &Settings) -> Self {
        Self {
            folder: Folder::new(settings.root.sys("devices/system/edac/mc")),
            controllers: AttributeTable::new(CONTROLLER, &["controller"]),
            rows: AttributeTable::new(ROW, &["controller", "csrow"]),
            channels: Channels {
                attributes: AttributeTable::new(CHANNEL, &["channel", "controller", "csrow", "dimm_label"]),
                dimm_labels: Vec::new(),
            },
        }
    }

    fn find(&mut self, buffer: &mut Vec<u8>) {
        self.controllers.clear();
        self.rows.clear();
        self.channels.attributes.clear();
        self.channels.dimm_labels.clear();
        for name in self.folder.names() {
            let Some(controller) = numbered(name, "mc") else { continue };
            let path = self.folder.entry(name);
            self.controllers.add(&path, &[controller]);
            let unknown = |file: &str| path.join(file.replace("_count", "_noinfo_count"));
            self.rows.add_at(unknown, &[controller, b"unknown"]);
            let mut rows = Folder::new(&path);
            if rows.list(buffer).is_err() {
                continue;
            }
            for name in rows.names() {
                let Some(row) = numbered(name, "csrow") else { continue };
                self.rows.add(&rows.entry(name), &[controller, row]);
                self.channels.add(&rows.entry(name), controller, row, buffer);
            }
        }
    }
}

impl Channels {
    /// Adds those of the row in `folder`.
    fn add(&mut self, folder: &Path, controller: &[u8], row: &[u8], buffer: &mut Vec<u8>) {
        let mut files = Folder::new(folder);
        if files.list(buffer).is_err() {
            return;
        }
        for name in files.names() {
            let Some(channel) = name.strip_suffix(b"_ce_count").and_then(|name| numbered(name, "ch")) else {
                continue;
            };
            let path = |file: &str| folder.join(format!("ch{}_{file}", String::from_utf8_lossy(channel)));
            let label_path = path("dimm_label");
            let label = match read_small(&label_path, buffer) {
                Ok(text) => {
                    self.dimm_labels
                        .push(DimmLabel { text: (*text).into(), file: KernelFile::new(label_path) });
                    dimm_label(text)
                }
                Err(_) => "unknown".to_owned(),
            };
            self.attributes.add_at(path, &[channel, controller, row, label.as_bytes()]);
        }
    }

    /// Whether a module has been given another label.
    fn labels_changed(&mut self, buffer: &mut Vec<u8>) -> bool {
        let changed = |label: &mut DimmLabel| label.file.value(buffer).is_ok_and(|text| *text != *label.text);
        self.dimm_labels.iter_mut().any(changed)
    }
}

impl Collector for Edac {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let buffer = &mut context.buffer;
        let listed = self.folder.list(buffer);
        if none_if_absent(listed, self.folder.path())? || self.channels.labels_changed(buffer) {
            self.find(buffer);
        }
        let controllers = self.controllers.write(buffer, out);
        let rows = self.rows.write(buffer, out);
        self.channels.attributes.write(buffer, out).and(rows).and(controllers)
    }
}

/// The label of a module as node_exporter gives it: `CPU#0Channel#1_DIMM#0` without the hashes, and the words of
/// the kernel's own labels, `mc#0csrow#2channel#1`, apart.
fn dimm_label(text: &[u8]) -> String {
    let label = String::from_utf8_lossy(text).replace('#', "");
    label.replace("csrow", "_csrow").replace("channel", "_channel")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;

    #[test]
    fn labels_of_modules() {
        assert_eq!(dimm_label(b"mc#0csrow#2channel#1"), "mc0_csrow2_channel1");
        assert_eq!(dimm_label(b"CPU_SrcID#0_Ha#0_Chan#1_DIMM#0"), "CPU_SrcID0_Ha0_Chan1_DIMM0");
    }

    #[test]
    fn a_label_that_is_set_late_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.root.sys = folder.path().to_owned();
        let row = folder.path().join("devices/system/edac/mc/mc0/csrow0");
        std::fs::create_dir_all(&row).unwrap();
        std::fs::write(row.join("ch0_ce_count"), "3\n").unwrap();
        let mut edac = Edac::new(&settings);
        let mut context = Context::new(&settings);
        let mut channels = || {
            let (mut out, mut page) = (Exposition::new(), Vec::new());
            edac.collect(&mut context, &mut out).unwrap();
            out.render(Format::Text, &mut page);
            String::from_utf8(page).unwrap().lines().last().unwrap().to_owned()
        };
        let sample = |label: &str| {
            format!(
                "node_edac_channel_correctable_errors_total\
                 {{channel=\"0\",controller=\"0\",csrow=\"0\",dimm_label=\"{label}\"}} 3"
            )
        };
        assert_eq!(channels(), sample("unknown"));
        std::fs::write(row.join("ch0_dimm_label"), "\n").unwrap();
        assert_eq!(channels(), sample(""));
        for _ in 0..3 {
            channels();
        }
        std::fs::write(row.join("ch0_dimm_label"), "DIMM_A1\n").unwrap();
        assert_eq!(channels(), sample("DIMM_A1"));
    }
}
