//! What the firmware says about the machine, from `/sys/class/dmi/id` (kernel: `drivers/firmware/dmi-id.c`). Only
//! root can read serial numbers. Nothing of it changes while the machine runs, so it is read once at the start.

use super::{CollectError, Collector, Context, Settings, Spec};
use crate::exposition::{Exposition, Kind};
use crate::host::read_small;

pub(super) const SPEC: Spec = Spec {
    name: "dmi",
    default_on: true,
    help: "maker, model and firmware of the machine, as labels (/sys/class/dmi/id)",
    flags: &[],
    build: |settings| Ok(Box::new(Dmi::new(settings))),
};

/// The labels. Their files have the same names, but for the one of `system_vendor`.
const LABELS: [&str; 20] = [
    "bios_date",
    "bios_release",
    "bios_vendor",
    "bios_version",
    "board_asset_tag",
    "board_name",
    "board_serial",
    "board_vendor",
    "board_version",
    "chassis_asset_tag",
    "chassis_serial",
    "chassis_vendor",
    "chassis_version",
    "product_family",
    "product_name",
    "product_serial",
    "product_sku",
    "product_uuid",
    "product_version",
    "system_vendor",
];

struct Dmi {
    /// Labels with their values; those that can't be read are missing.
    labels: Vec<(&'static str, Box<[u8]>)>,
}

impl Dmi {
    fn new(settings: &Settings) -> Self {
        let folder = settings.root.sys("class/dmi/id");
        let mut buffer = Vec::new();
        let mut value = |label| {
            let file = if label == "system_vendor" { "sys_vendor" } else { label };
            read_small(&folder.join(file), &mut buffer).ok().map(Box::from)
        };
        Self { labels: LABELS.into_iter().filter_map(|label| Some((label, value(label)?))).collect() }
    }
}

impl Collector for Dmi {
    fn collect(&mut self, _: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        if self.labels.is_empty() {
            return Err(CollectError::NoData("the firmware does not describe the machine"));
        }
        let mut family =
            out.family("node_dmi_info", "What the firmware says about the machine.", Kind::Gauge);
        family.sample_with(self.labels.iter().map(|(name, value)| (*name, &**value)), 1.0);
        Ok(())
    }
}
