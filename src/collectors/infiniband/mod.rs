//! InfiniBand and RoCE adapters from `/sys/class/infiniband` (kernel:
//! `Documentation/ABI/stable/sysfs-class-infiniband`).
//!
//! Which counters there are depends on the driver. Each file in `counters` is a question to the adapter, and those in
//! `hw_counters` are fetched from it together when they are older than their `lifespan`.

mod port;

use super::{
    AttributeTable, Branch, Branches, CollectError, Collector, Context, Filter, Flag, FlagKind, Info,
    InfoTable, Settings, Spec, no_data_if_absent,
};
use crate::exposition::Exposition;

use port::PORT;

const INCLUDE: Flag = Flag::new(
    "infiniband.device-include",
    FlagKind::Pattern(""),
    "Regular expression of the devices to give, instead of all.",
);
const EXCLUDE: Flag = Flag::new(
    "infiniband.device-exclude",
    FlagKind::Pattern(""),
    "Regular expression of the devices to leave out.",
);

pub(super) const SPEC: Spec = Spec {
    name: "infiniband",
    default_on: true,
    help: "states and counters of InfiniBand and RoCE ports (/sys/class/infiniband)",
    flags: &[INCLUDE, EXCLUDE],
    build: |settings| Ok(Box::new(InfiniBand::new(settings))),
};

const INFO: Info = Info {
    family: "node_infiniband_info",
    help: "What the adapter is.",
    labels: &[
        ("board_id", Some("board_id")),
        ("device", None),
        ("firmware_version", Some("fw_ver")),
        ("hca_type", Some("hca_type")),
    ],
};

struct InfiniBand {
    /// The adapters with their ports.
    listed: Branches,
    filter: Filter,
    info: InfoTable,
    ports: AttributeTable,
}

impl InfiniBand {
    fn new(settings: &Settings) -> Self {
        // A port whose adapter has no such counters says so.
        let is_absent = |text: &[u8]| text == b"N/A (no PMA)";
        Self {
            listed: Branches::new(settings.root.sys("class/infiniband"), &["ports"]),
            filter: settings.both(&INCLUDE, &EXCLUDE),
            info: InfoTable::new(&INFO),
            ports: AttributeTable::new(PORT, &["device", "port"]).with_absent(is_absent),
        }
    }

    fn find(&mut self) {
        self.info.clear();
        self.ports.clear();
        for Branch { name: device, path, folders } in self.listed.iter() {
            self.info.add(path, device);
            for folder in folders {
                for port in folder.names() {
                    self.ports.add(&folder.entry(port), &[device, port]);
                }
            }
        }
    }
}

impl Collector for InfiniBand {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let buffer = &mut context.buffer;
        let listed = self.listed.list(buffer, |name| self.filter.keeps(name));
        if no_data_if_absent(listed, self.listed.folder(), "no InfiniBand or RoCE adapter")? {
            self.find();
        }
        self.info.write(buffer, out);
        self.ports.write(buffer, out)
    }
}
