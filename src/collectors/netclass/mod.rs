//! Properties of network devices: state, addresses, limits, speed (kernel: `Documentation/ABI/testing/sysfs-class-net`
//! and `include/uapi/linux/if_link.h`).
//!
//! On the host itself nearly all of them come from the dump of devices that `netdev` needs too (`live`), and sysfs
//! is asked only for what is not in there. With another procfs or sysfs, as in a container or on copied files, all
//! are read from sysfs (`files`), which shows the devices of the network namespace it was mounted in. Speed and
//! duplex are asked of the driver, which may take its time.
//!
//! With `--collector.netclass.netlink` node_exporter takes a speed that the driver does not know for one of 4294967295
//! Mbit/s, and the counters of `--collector.netclass_rtnl.with-stats` for gauges. Here they are as without these flags.

mod files;
mod live;

use super::{CollectError, Collector, Context, Filter, Flag, FlagKind, Settings, Spec, netdev};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{hexadecimal, signed};
use crate::host::{Link, Root};

use files::Files;
use live::Live;

const IGNORED: Flag = Flag::new(
    "netclass.ignored-devices",
    FlagKind::Pattern("^$"),
    "Regular expression of network devices to leave out.",
);
const IGNORE_INVALID_SPEED: Flag = Flag::new(
    "netclass.ignore-invalid-speed",
    FlagKind::Switch(false),
    "Leave out the speed of devices that do not know it, which is -125000 otherwise.",
);
const NETLINK: Flag = Flag::new(
    "netclass.netlink",
    FlagKind::Switch(false),
    "Give what netlink says as it says it, which is more of devices that are down, and other names of devices.",
);
const WITH_STATS: Flag = Flag::new(
    "netclass_rtnl.with-stats",
    FlagKind::Switch(false),
    "Over netlink, give the counters of devices too, in place of the collector netdev.",
);

pub(super) const SPEC: Spec = Spec {
    name: "netclass",
    default_on: true,
    help: "state, addresses and limits of network devices (rtnetlink and /sys/class/net)",
    flags: &[IGNORED, IGNORE_INVALID_SPEED, NETLINK, WITH_STATS],
    build: |settings| Ok(Box::new(NetClass::new(settings))),
};

/// A property that is a whole number.
struct Number {
    /// Its file in the device's directory of sysfs.
    file: &'static str,
    /// The family's name behind `node_network_`.
    name: &'static str,
    help: &'static str,
    kind: Kind,
    /// What the file would have, from the dump. `None` where the dump does not have it.
    from_link: Option<fn(&Link) -> Option<i64>>,
}

const fn gauge(
    file: &'static str,
    name: &'static str,
    help: &'static str,
    from_link: Option<fn(&Link) -> Option<i64>>,
) -> Number {
    Number { file, name, help, kind: Kind::Gauge, from_link }
}

const fn counter(
    file: &'static str,
    name: &'static str,
    help: &'static str,
    from_link: fn(&Link) -> Option<i64>,
) -> Number {
    Number { file, name, help, kind: Kind::Counter, from_link: Some(from_link) }
}

const NUMBERS: [Number; 17] = [
    gauge(
        "addr_assign_type",
        "address_assign_type",
        "Where the address comes from; 0 is the hardware.",
        None,
    ),
    gauge("carrier", "carrier", "Whether there is a carrier.", Some(live::carrier)),
    counter(
        "carrier_changes",
        "carrier_changes_total",
        "Number of times that the carrier came or went.",
        |link| link.carrier_changes.map(i64::from),
    ),
    counter(
        "carrier_up_count",
        "carrier_up_changes_total",
        "Number of times that the carrier came.",
        |link| link.carrier_ups.map(i64::from),
    ),
    counter(
        "carrier_down_count",
        "carrier_down_changes_total",
        "Number of times that the carrier went.",
        |link| link.carrier_downs.map(i64::from),
    ),
    gauge("dev_id", "device_id", "Tells apart devices that share a hardware address.", None),
    gauge(
        "dormant",
        "dormant",
        "Whether the device waits for something outside, such as a login.",
        Some(live::dormant),
    ),
    gauge("flags", "flags", "The flags of the device, the sum of IFF_ constants.", Some(live::flags)),
    gauge("ifindex", "iface_id", "The number of the device.", Some(|link| Some(i64::from(link.index)))),
    gauge(
        "iflink",
        "iface_link",
        "The number of the device below, or of the device itself.",
        Some(live::below),
    ),
    gauge(
        "link_mode",
        "iface_link_mode",
        "Whether a program decides on the operational state.",
        Some(|link| link.link_mode.map(i64::from)),
    ),
    gauge(
        "mtu",
        "mtu_bytes",
        "The largest packet that can be sent.",
        Some(|link| link.mtu_bytes.map(i64::from)),
    ),
    gauge("name_assign_type", "name_assign_type", "Who gave the device its name.", None),
    gauge(
        "netdev_group",
        "net_dev_group",
        "The group that the device was put into.",
        Some(|link| link.group.map(i64::from)),
    ),
    gauge(SPEED, "speed_bytes", "The speed of the link, in bytes per second.", None),
    gauge(
        "tx_queue_len",
        "transmit_queue_length",
        "Number of packets that may wait to be sent.",
        Some(|link| link.queue_length.map(i64::from)),
    ),
    gauge(
        "type",
        "protocol_type",
        "What the device speaks, an ARPHRD_ constant.",
        Some(|link| Some(i64::from(link.kind))),
    ),
];

/// In Mbit/s.
const SPEED: &str = "speed";

// Places in the table of those that are looked at one by one.
const ADDRESS_ASSIGN_TYPE: usize = 0;
const CARRIER: usize = 1;
const DEVICE_ID: usize = 5;
const DORMANT: usize = 6;
const FLAGS: usize = 7;
const NAME_ASSIGN_TYPE: usize = 12;
const SPEED_PLACE: usize = 14;

/// `IFF_UP`: switched on by the administrator.
const UP: u32 = 1;

/// What there is to write of a device, wherever it comes from.
#[derive(Debug, Default)]
struct Properties {
    name: Vec<u8>,
    address: Vec<u8>,
    broadcast: Vec<u8>,
    duplex: Vec<u8>,
    alias: Vec<u8>,
    operstate: Vec<u8>,
    /// In the order of [`NUMBERS`].
    numbers: [Option<i64>; NUMBERS.len()],
    /// The `IFF_` flags, if they are known.
    flags: Option<u32>,
}

impl Properties {
    /// The words but for the name.
    fn words(&mut self) -> [&mut Vec<u8>; 5] {
        [&mut self.address, &mut self.broadcast, &mut self.duplex, &mut self.alias, &mut self.operstate]
    }

    /// Forgets all but the name and memory.
    fn clear(&mut self) {
        self.words().into_iter().for_each(Vec::clear);
        self.numbers = Default::default();
        self.flags = None;
    }
}

/// How to write what was read.
#[derive(Clone, Copy, Debug)]
struct Style {
    ignore_invalid_speed: bool,
    /// As the kernel's netlink has it and not as its sysfs has.
    raw: bool,
}

struct NetClass {
    filter: Filter,
    style: Style,
    with_stats: bool,
    /// None where sysfs may be another host's or namespace's.
    live: Option<Live>,
    files: Files,
}

impl NetClass {
    fn new(settings: &Settings) -> Self {
        let raw = settings.switch(&NETLINK);
        let own = Root::default();
        let is_own = settings.root.sys == own.sys && settings.root.proc == own.proc;
        let folder = settings.root.sys("class/net");
        Self {
            filter: Filter::new(None, settings.pattern(&IGNORED)),
            style: Style { ignore_invalid_speed: settings.switch(&IGNORE_INVALID_SPEED), raw },
            with_stats: settings.switch(&NETLINK) && settings.switch(&WITH_STATS),
            live: (is_own || raw).then(|| Live::new(&folder, raw)),
            files: Files::new(&folder),
        }
    }
}

impl Collector for NetClass {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let Self { filter, style, .. } = self;
        if let Some(live) = &mut self.live
            && live.read(context, filter)?
        {
            write(live.properties(), *style, out);
            if style.raw {
                let kept = context
                    .links()
                    .unwrap_or_default()
                    .iter()
                    .filter(|link| filter.keeps(link.name.as_bytes()));
                let kept: Vec<&Link> = kept.collect();
                live::write_other_names(&kept, out);
                if self.with_stats {
                    netdev::write_all_counters(&kept, out);
                }
            }
            return Ok(());
        }
        let result = self.files.read(&mut context.buffer, filter);
        write(self.files.properties(), *style, out);
        result
    }
}

fn write<'p>(devices: impl Iterator<Item = &'p Properties> + Clone, style: Style, out: &mut Exposition) {
    let mut family = out.family("node_network_up", "Whether the operational state is up.", Kind::Gauge);
    for device in devices.clone() {
        family.sample(&[("device", &device.name)], f64::from(device.operstate == b"up"));
    }
    let mut family =
        out.family("node_network_info", "What is known of a network device in words.", Kind::Gauge);
    for device in devices.clone() {
        let admin_state: &[u8] = match device.flags {
            Some(flags) if flags & UP != 0 => b"up",
            Some(_) => b"down",
            None => b"unknown",
        };
        let labels: [(&str, &[u8]); 7] = [
            ("address", &device.address),
            ("adminstate", admin_state),
            ("broadcast", &device.broadcast),
            ("device", &device.name),
            ("duplex", &device.duplex),
            ("ifalias", &device.alias),
            ("operstate", &device.operstate),
        ];
        let labels = labels.into_iter().filter(|(name, _)| *name != "adminstate" || !style.raw);
        family.sample_with(labels, 1.0);
    }
    for (place, number) in NUMBERS.iter().enumerate() {
        let mut family = out.family_parts(&["node_network_", number.name], &[number.help], number.kind);
        for device in devices.clone() {
            let Some(value) = device.numbers[place] else { continue };
            let value = if number.file != SPEED {
                value as f64
            } else if value < 0 && style.ignore_invalid_speed {
                continue;
            } else {
                (value.saturating_mul(1_000_000) / 8) as f64
            };
            family.sample(&[("device", &device.name)], value);
        }
    }
}

/// A number of sysfs, some of which are hexadecimal.
fn number(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"0x") {
        Some(digits) => hexadecimal(digits).and_then(|number| i64::try_from(number).ok()),
        None => signed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_sysfs() {
        assert_eq!((number(b"0x1003"), number(b"-1"), number(b"1500")), (Some(0x1003), Some(-1), Some(1500)));
        assert_eq!((number(b""), number(b"0x"), number(b"1003h")), (None, None, None));
    }

    #[test]
    fn places_of_numbers() {
        for (place, file) in
            [(ADDRESS_ASSIGN_TYPE, "addr_assign_type"), (CARRIER, "carrier"), (DEVICE_ID, "dev_id")]
        {
            assert_eq!(NUMBERS[place].file, file);
        }
        for (place, file) in [
            (DORMANT, "dormant"),
            (FLAGS, "flags"),
            (NAME_ASSIGN_TYPE, "name_assign_type"),
            (SPEED_PLACE, SPEED),
        ] {
            assert_eq!(NUMBERS[place].file, file);
        }
    }
}
