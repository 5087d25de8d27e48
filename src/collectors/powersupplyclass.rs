//! Batteries, mains and USB supplies from `/sys/class/power_supply` (kernel:
//! `Documentation/ABI/testing/sysfs-class-power`).
//!
//! Drivers keep what they have read for a moment or ask the battery anew, over a slow bus or through the firmware: a
//! battery that hangs holds up the scrape until its driver gives up.

use super::{
    Attribute, CollectError, Collector, Context, DeviceClass, Filter, Flag, FlagKind, Info, Settings, Spec,
    no_data_if_absent,
};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::signed;

const IGNORED: Flag = Flag::new(
    "powersupply.ignored-supplies",
    FlagKind::Pattern("^$"),
    "Regular expression of the power supplies to leave out.",
);

pub(super) const SPEC: Spec = Spec {
    name: "powersupplyclass",
    default_on: true,
    help: "batteries and other power supplies (/sys/class/power_supply)",
    flags: &[IGNORED],
    build: |settings| Ok(Box::new(PowerSupplies::new(settings))),
};

const fn attribute(
    file: &'static str,
    family: &'static str,
    help: &'static str,
    value: fn(&[u8]) -> Option<f64>,
) -> Attribute {
    Attribute { file, family, help, kind: Kind::Gauge, value }
}

fn number(text: &[u8]) -> Option<f64> {
    signed(text).map(|number| number as f64)
}

/// Microvolts, microamperes and so on.
fn micro(text: &[u8]) -> Option<f64> {
    number(text).map(|number| number / 1e6)
}

/// Tenths of a degree.
fn tenths(text: &[u8]) -> Option<f64> {
    number(text).map(|number| number / 10.0)
}

const ATTRIBUTES: &[Attribute] = &[
    attribute(
        "authentic",
        "node_power_supply_authentic",
        "Whether the supply or battery is genuine.",
        number,
    ),
    attribute("calibrate", "node_power_supply_calibrate", "Whether the battery is being calibrated.", number),
    attribute("capacity", "node_power_supply_capacity", "How full the battery is, in percent.", number),
    attribute(
        "capacity_alert_max",
        "node_power_supply_capacity_alert_max",
        "Capacity in percent above which there is a notice.",
        number,
    ),
    attribute(
        "capacity_alert_min",
        "node_power_supply_capacity_alert_min",
        "Capacity in percent below which there is a notice.",
        number,
    ),
    attribute(
        "charge_control_limit",
        "node_power_supply_charge_control_limit",
        "Charge that the battery is limited to now.",
        micro,
    ),
    attribute(
        "charge_control_limit_max",
        "node_power_supply_charge_control_limit_max",
        "Highest limit of the charge.",
        micro,
    ),
    attribute(
        "charge_counter",
        "node_power_supply_charge_counter",
        "Charge in ampere-hours by the battery's own counter.",
        micro,
    ),
    attribute(
        "charge_empty",
        "node_power_supply_charge_empty",
        "Charge of the empty battery in ampere-hours.",
        micro,
    ),
    attribute(
        "charge_empty_design",
        "node_power_supply_charge_empty_design",
        "Charge of the empty battery by design, in ampere-hours.",
        micro,
    ),
    attribute(
        "charge_full",
        "node_power_supply_charge_full",
        "Charge of the full battery in ampere-hours.",
        micro,
    ),
    attribute(
        "charge_full_design",
        "node_power_supply_charge_full_design",
        "Charge of the full battery by design, in ampere-hours.",
        micro,
    ),
    attribute(
        "charge_now",
        "node_power_supply_charge_ampere",
        "Charge of the battery in ampere-hours.",
        micro,
    ),
    attribute(
        "charge_term_current",
        "node_power_supply_charge_term_current",
        "Current in amperes at which charging ends.",
        micro,
    ),
    attribute(
        "constant_charge_current",
        "node_power_supply_constant_charge_current",
        "Current in amperes that it is charged with.",
        micro,
    ),
    attribute(
        "constant_charge_current_max",
        "node_power_supply_constant_charge_current_max",
        "Highest current in amperes to charge with.",
        micro,
    ),
    attribute(
        "constant_charge_voltage",
        "node_power_supply_constant_charge_voltage",
        "Voltage in volts that it is charged with.",
        micro,
    ),
    attribute(
        "constant_charge_voltage_max",
        "node_power_supply_constant_charge_voltage_max",
        "Highest voltage in volts to charge with.",
        micro,
    ),
    attribute(
        "current_boot",
        "node_power_supply_current_boot",
        "Current in amperes when the machine was started.",
        micro,
    ),
    attribute("current_max", "node_power_supply_current_max", "Highest current in amperes.", micro),
    attribute("current_now", "node_power_supply_current_ampere", "Current in amperes.", micro),
    attribute(
        "cycle_count",
        "node_power_supply_cyclecount",
        "How often the battery has been charged and discharged.",
        number,
    ),
    attribute(
        "energy_empty",
        "node_power_supply_energy_empty",
        "Energy of the empty battery in watt-hours.",
        micro,
    ),
    attribute(
        "energy_empty_design",
        "node_power_supply_energy_empty_design",
        "Energy of the empty battery by design, in watt-hours.",
        micro,
    ),
    attribute(
        "energy_full",
        "node_power_supply_energy_full",
        "Energy of the full battery in watt-hours.",
        micro,
    ),
    attribute(
        "energy_full_design",
        "node_power_supply_energy_full_design",
        "Energy of the full battery by design, in watt-hours.",
        micro,
    ),
    attribute(
        "energy_now",
        "node_power_supply_energy_watthour",
        "Energy of the battery in watt-hours.",
        micro,
    ),
    attribute(
        "input_current_limit",
        "node_power_supply_input_current_limit",
        "Current in amperes that is drawn at most.",
        micro,
    ),
    attribute(
        "online",
        "node_power_supply_online",
        "Whether the supply gives power; 2 if it does so programmably.",
        number,
    ),
    attribute("power_now", "node_power_supply_power_watt", "Power in watts.", micro),
    attribute(
        "precharge_current",
        "node_power_supply_precharge_current",
        "Current in amperes while an empty battery is charged at first.",
        micro,
    ),
    attribute("present", "node_power_supply_present", "Whether the battery is there.", number),
    attribute("temp", "node_power_supply_temp_celsius", "Temperature in degrees Celsius.", tenths),
    attribute(
        "temp_alert_max",
        "node_power_supply_temp_alert_max_celsius",
        "Temperature above which there is a notice.",
        tenths,
    ),
    attribute(
        "temp_alert_min",
        "node_power_supply_temp_alert_min_celsius",
        "Temperature below which there is a notice.",
        tenths,
    ),
    attribute(
        "temp_ambient",
        "node_power_supply_temp_ambient_celsius",
        "Temperature around it in degrees Celsius.",
        tenths,
    ),
    attribute(
        "temp_ambient_max",
        "node_power_supply_temp_ambient_max_celsius",
        "Temperature around it above which there is a notice.",
        tenths,
    ),
    attribute(
        "temp_ambient_min",
        "node_power_supply_temp_ambient_min_celsius",
        "Temperature around it below which there is a notice.",
        tenths,
    ),
    attribute(
        "temp_max",
        "node_power_supply_temp_max_celsius",
        "Highest temperature that it works at.",
        tenths,
    ),
    attribute(
        "temp_min",
        "node_power_supply_temp_min_celsius",
        "Lowest temperature that it works at.",
        tenths,
    ),
    attribute(
        "time_to_empty_now",
        "node_power_supply_time_to_empty_seconds",
        "Time until the battery is empty.",
        number,
    ),
    attribute(
        "time_to_full_now",
        "node_power_supply_time_to_full_seconds",
        "Time until the battery is full.",
        number,
    ),
    attribute(
        "voltage_boot",
        "node_power_supply_voltage_boot",
        "Voltage in volts when the machine was started.",
        micro,
    ),
    attribute("voltage_max", "node_power_supply_voltage_max", "Highest voltage in volts.", micro),
    attribute(
        "voltage_max_design",
        "node_power_supply_voltage_max_design",
        "Highest voltage in volts by design.",
        micro,
    ),
    attribute("voltage_min", "node_power_supply_voltage_min", "Lowest voltage in volts.", micro),
    attribute(
        "voltage_min_design",
        "node_power_supply_voltage_min_design",
        "Lowest voltage in volts by design.",
        micro,
    ),
    attribute("voltage_now", "node_power_supply_voltage_volt", "Voltage in volts.", micro),
    attribute("voltage_ocv", "node_power_supply_voltage_ocv", "Voltage in volts without load.", micro),
];

const INFO: Info = Info {
    family: "node_power_supply_info",
    help: "What the power supply is and does, in words.",
    labels: &[
        ("capacity_level", Some("capacity_level")),
        ("charge_type", Some("charge_type")),
        ("health", Some("health")),
        ("manufacturer", Some("manufacturer")),
        ("model_name", Some("model_name")),
        ("power_supply", None),
        ("scope", Some("scope")),
        ("serial_number", Some("serial_number")),
        ("status", Some("status")),
        ("technology", Some("technology")),
        ("type", Some("type")),
        ("usb_type", Some("usb_type")),
    ],
};

struct PowerSupplies {
    filter: Filter,
    devices: DeviceClass,
}

impl PowerSupplies {
    fn new(settings: &Settings) -> Self {
        let folder = settings.root.sys("class/power_supply");
        Self {
            filter: Filter::new(None, settings.pattern(&IGNORED)),
            devices: DeviceClass::new(folder, &["power_supply"], ATTRIBUTES).with_sparse_info(&INFO),
        }
    }
}

impl Collector for PowerSupplies {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let listed = self.devices.refresh(&mut context.buffer, |name| self.filter.keeps(name));
        no_data_if_absent(listed, self.devices.folder(), "the kernel has no power supplies")?;
        self.devices.write(&mut context.buffer, out)
    }
}
