//! Watchdog timers from `/sys/class/watchdog` (kernel: `Documentation/ABI/testing/sysfs-class-watchdog`).

use super::{
    Attribute, CollectError, Collector, Context, DeviceClass, Info, Settings, Spec, no_data_if_absent,
};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::unsigned;

pub(super) const SPEC: Spec = Spec {
    name: "watchdog",
    default_on: true,
    help: "watchdog timers, and whether one has reset the machine (/sys/class/watchdog)",
    flags: &[],
    build: |settings| Ok(Box::new(Watchdog::new(settings))),
};

const fn number(file: &'static str, family: &'static str, help: &'static str) -> Attribute {
    Attribute { file, family, help, kind: Kind::Gauge, value: |text| Some(unsigned(text)? as f64) }
}

const ATTRIBUTES: &[Attribute] = &[
    number(
        "bootstatus",
        "node_watchdog_bootstatus",
        "Flags that tell how the machine came to be started; 32 is a reset by this watchdog.",
    ),
    number("fw_version", "node_watchdog_fw_version", "Firmware version of the watchdog."),
    number("nowayout", "node_watchdog_nowayout", "Whether the timer can't be stopped once it runs."),
    number("timeleft", "node_watchdog_timeleft_seconds", "Time left until the machine is reset."),
    number(
        "timeout",
        "node_watchdog_timeout_seconds",
        "Time without a sign of life after which it is reset.",
    ),
    number("pretimeout", "node_watchdog_pretimeout_seconds", "How long before the reset there is a warning."),
    number(
        "access_cs0",
        "node_watchdog_access_cs0",
        "Whether the machine was started from its second flash.",
    ),
];

const INFO: Info = Info {
    family: "node_watchdog_info",
    help: "What the watchdog is and does.",
    labels: &[
        ("identity", Some("identity")),
        ("name", None),
        ("options", Some("options")),
        ("pretimeout_governor", Some("pretimeout_governor")),
        ("state", Some("state")),
        ("status", Some("status")),
    ],
};

struct Watchdog {
    devices: DeviceClass,
}

impl Watchdog {
    fn new(settings: &Settings) -> Self {
        let folder = settings.root.sys("class/watchdog");
        Self { devices: DeviceClass::new(folder, &["name"], ATTRIBUTES).with_info(&INFO) }
    }
}

impl Collector for Watchdog {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let listed = self.devices.refresh(&mut context.buffer, |_| true);
        no_data_if_absent(listed, self.devices.folder(), "the kernel has no watchdog timers")?;
        self.devices.write(&mut context.buffer, out)
    }
}
