//! AMD graphics cards from `/sys/class/drm/card*/device` (kernel: `Documentation/gpu/amdgpu/driver-misc.rst`). Reading
//! how busy a card is asks its firmware.

use super::{
    Attribute, AttributeTable, CollectError, Collector, Context, Settings, Spec, none_if_absent, numbered,
    read_word,
};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{lines, unsigned};
use crate::host::{Folder, KernelFile, read_small};

pub(super) const SPEC: Spec = Spec {
    name: "drm",
    default_on: false,
    help: "load and memory of AMD graphics cards (/sys/class/drm)",
    flags: &[],
    build: |settings| Ok(Box::new(Drm::new(settings))),
};

const fn gauge(file: &'static str, family: &'static str, help: &'static str) -> Attribute {
    Attribute { file, family, help, kind: Kind::Gauge, value: |text| Some(unsigned(text)? as f64) }
}

const ATTRIBUTES: &[Attribute] = &[
    gauge("device/gpu_busy_percent", "node_drm_gpu_busy_percent", "How busy the card is, in percent."),
    gauge(
        "device/mem_info_gtt_total",
        "node_drm_memory_gtt_size_bytes",
        "Main memory that the card can use.",
    ),
    gauge("device/mem_info_gtt_used", "node_drm_memory_gtt_used_bytes", "Main memory that the card uses."),
    gauge(
        "device/mem_info_vis_vram_total",
        "node_drm_memory_vis_vram_size_bytes",
        "Memory of the card that the CPU can see.",
    ),
    gauge(
        "device/mem_info_vis_vram_used",
        "node_drm_memory_vis_vram_used_bytes",
        "What is used of the card's memory that the CPU can see.",
    ),
    gauge("device/mem_info_vram_total", "node_drm_memory_vram_size_bytes", "Memory of the card."),
    gauge(
        "device/mem_info_vram_used",
        "node_drm_memory_vram_used_bytes",
        "What is used of the card's memory.",
    ),
];

/// The labels of `node_drm_card_info` that come from files.
const WORDS: [&str; 3] = ["mem_info_vram_vendor", "power_dpm_force_performance_level", "unique_id"];

struct Drm {
    folder: Folder,
    attributes: AttributeTable,
    cards: Vec<Card>,
    words: [Vec<u8>; WORDS.len()],
}

struct Card {
    name: Box<[u8]>,
    files: [KernelFile; WORDS.len()],
}

impl Drm {
    fn new(settings: &Settings) -> Self {
        Self {
            folder: Folder::new(settings.root.sys("class/drm")),
            attributes: AttributeTable::new(ATTRIBUTES, &["card"]),
            cards: Vec::new(),
            words: Default::default(),
        }
    }

    fn find(&mut self, buffer: &mut Vec<u8>) {
        self.attributes.clear();
        self.cards.clear();
        // Beside the cards there are their connectors, such as card0-DP-1.
        for name in self.folder.names().iter().filter(|name| numbered(name, "card").is_some()) {
            let card = self.folder.entry(name);
            let device = card.join("device");
            let Ok(uevent) = read_small(&device.join("uevent"), buffer) else { continue };
            if lines(uevent).any(|(_, line)| line == b"DRIVER=amdgpu") {
                self.attributes.add(&card, &[name]);
                let files = WORDS.map(|file| KernelFile::new(device.join(file)));
                self.cards.push(Card { name: name.clone(), files });
            }
        }
    }
}

impl Collector for Drm {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let buffer = &mut context.buffer;
        let listed = self.folder.list(buffer);
        if none_if_absent(listed, self.folder.path())? {
            self.find(buffer);
        }
        let mut family = out.family("node_drm_card_info", "What the card is and does.", Kind::Gauge);
        for card in &mut self.cards {
            for (word, file) in self.words.iter_mut().zip(&mut card.files) {
                read_word(file, word, buffer);
            }
            let [memory_vendor, level, unique_id] = &self.words;
            let labels: [(&str, &[u8]); 5] = [
                ("card", &card.name),
                ("memory_vendor", memory_vendor),
                ("power_performance_level", level),
                ("unique_id", unique_id),
                ("vendor", b"amd"),
            ];
            family.sample(&labels, 1.0);
        }
        self.attributes.write(buffer, out)
    }
}
