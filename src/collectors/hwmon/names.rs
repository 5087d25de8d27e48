//! What the names of a sensor's files mean (kernel: `Documentation/hwmon/sysfs-interface.rst`): `temp1_crit` is the
//! element `crit` of the sensor `temp1`, whose kind is `temp`.

use crate::exposition::Kind;
use crate::host::parse::signed;

/// The kinds of sensors that are given. Files of other kinds do not belong to the interface.
const KINDS: [&str; 14] = [
    "beep_enable",
    "cpu",
    "curr",
    "energy",
    "fan",
    "freq",
    "humidity",
    "in",
    "intrusion",
    "power",
    "pwm",
    "temp",
    "update_interval",
    "vrm",
];

/// The name of a file, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SensorFile {
    pub(super) kind: &'static str,
    /// Which one of its kind on the chip; 0 if the name has no number.
    pub(super) number: u32,
    /// Empty for `pwm1` and the like.
    pub(super) element: String,
}

impl SensorFile {
    /// `None` for files that are none of a sensor.
    pub(super) fn parse(name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?;
        let digits_at = name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len());
        let (kind, rest) = name.split_at(digits_at);
        let kind = KINDS.into_iter().find(|&known| known == kind)?;
        let rest_at = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, rest) = rest.split_at(rest_at);
        let number = if digits.is_empty() { 0 } else { u32::try_from(signed(digits.as_bytes())?).ok()? };
        let element = match rest.strip_prefix('_') {
            Some(element) if !element.is_empty() => element,
            None if rest.is_empty() => "",
            _ => return None,
        };
        Some(Self { kind, number, element: element.to_owned() })
    }

    /// The sensor's name.
    pub(super) fn sensor(&self) -> String {
        format!("{}{}", self.kind, self.number)
    }

    /// What the file's values become. `beside_bare` says that the sensor also has a file without element, whose
    /// family would be that of `input`.
    pub(super) fn meaning(&self, beside_bare: bool) -> Meaning {
        let (kind, element) = (self.kind, self.element.as_str());
        let fixed = |family: &str, help: &str, scale| Meaning {
            family: family.to_owned(),
            help: help.to_owned(),
            kind: Kind::Gauge,
            scale,
        };
        match kind {
            "beep_enable" => {
                return fixed("node_hwmon_beep_enabled", "Whether the chip beeps at alarms.", Scale::IsOne);
            }
            "vrm" => {
                return fixed(
                    "node_hwmon_voltage_regulator_version",
                    "Version of the voltage regulator module.",
                    Scale::Unit,
                );
            }
            "update_interval" => {
                return fixed(
                    "node_hwmon_update_interval_seconds",
                    "How often the chip takes its readings.",
                    Scale::Milli,
                );
            }
            _ => {}
        }
        let (suffix, unit, scale) = match (kind, element) {
            (_, "alarm" | "fault") => ("", "1 if so", Scale::Unit),
            (_, "beep") => ("_enabled", "1 if it beeps at alarms", Scale::Unit),
            ("in" | "cpu", _) => ("_volts", "in volts", Scale::Milli),
            ("temp", "type") => ("", "as the driver gives it", Scale::Unit),
            ("temp", _) => ("_celsius", "in degrees Celsius", Scale::Milli),
            ("curr", _) => ("_amps", "in amperes", Scale::Milli),
            ("energy", _) => ("_joule_total", "in joules", Scale::Micro),
            ("power", "accuracy") => ("", "as a ratio", Scale::Micro),
            ("power", "average_interval" | "average_interval_min" | "average_interval_max") => {
                ("_seconds", "in seconds", Scale::Milli)
            }
            ("power", _) => ("_watt", "in watts", Scale::Micro),
            ("humidity", _) => ("", "as a ratio", Scale::Micro),
            ("fan", "input" | "min" | "max" | "target") => ("_rpm", "in revolutions per minute", Scale::Unit),
            ("freq", "input") => ("_freq_mhz", "in megahertz", Scale::Micro),
            _ => ("", "as the driver gives it", Scale::Unit),
        };
        let middle = match element {
            "" => String::new(),
            "input" if !beside_bare => String::new(),
            element => format!("_{}", clean(element)),
        };
        Meaning {
            family: format!("node_hwmon_{kind}{middle}{suffix}"),
            help: format!(
                "Sensors of kind {kind}: {}, {unit}.",
                if element.is_empty() { "input" } else { element }
            ),
            kind: if kind == "energy" { Kind::Counter } else { Kind::Gauge },
            scale,
        }
    }
}

/// The family that values go to, and how.
#[derive(Debug, PartialEq)]
pub(super) struct Meaning {
    pub(super) family: String,
    pub(super) help: String,
    pub(super) kind: Kind,
    pub(super) scale: Scale,
}

/// What a value is multiplied with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Unit,
    Milli,
    Micro,
    /// 1 becomes 1 and anything else 0.
    IsOne,
}

impl Scale {
    /// The last digits are those that node_exporter gives: it multiplies by 0.001 but divides by a million.
    pub(super) fn apply(self, value: f64) -> f64 {
        match self {
            Self::Unit => value,
            Self::Milli => value * 0.001,
            Self::Micro => value / 1e6,
            Self::IsOne => f64::from(value == 1.0),
        }
    }
}

/// A text as part of names: lower case, with `_` for all but letters, digits and colons, and none at its ends.
pub(super) fn clean(text: &str) -> String {
    let clean = |c: char| if c.is_ascii_alphanumeric() || c == ':' { c } else { '_' };
    let lower: String = text.to_lowercase().chars().map(clean).collect();
    lower.trim_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        let parse = |name: &str| SensorFile::parse(name.as_bytes()).map(|file| (file.sensor(), file.element));
        for (name, sensor, element) in [
            ("temp1_input", "temp1", "input"),
            ("temp01_crit_alarm", "temp1", "crit_alarm"),
            ("in0_input", "in0", "input"),
            ("pwm2", "pwm2", ""),
            ("pwm1_auto_point1_pwm", "pwm1", "auto_point1_pwm"),
            ("beep_enable", "beep_enable0", ""),
            ("update_interval", "update_interval0", ""),
            ("fan", "fan0", ""),
        ] {
            assert_eq!(parse(name), Some((sensor.into(), element.into())), "{name}");
        }
        for name in ["name", "uevent", "power_state", "temp1x", "temp1_", "1_input", "temp99999999999_input"]
        {
            assert_eq!(parse(name), None, "{name}");
        }
        assert_eq!(SensorFile::parse(b"temp\xff1"), None);
    }

    #[test]
    fn families_and_scales() {
        let meaning = |name: &str| SensorFile::parse(name.as_bytes()).unwrap().meaning(false);
        for (name, family, raw, value) in [
            ("in0_input", "node_hwmon_in_volts", 1812.0, 1.812),
            ("cpu0_vid", "node_hwmon_cpu_vid_volts", 1350.0, 1.35),
            ("in1_alarm", "node_hwmon_in_alarm", 1.0, 1.0),
            ("fan1_beep", "node_hwmon_fan_beep_enabled", 1.0, 1.0),
            ("fan1_input", "node_hwmon_fan_rpm", 1200.0, 1200.0),
            ("fan1_target", "node_hwmon_fan_target_rpm", 1200.0, 1200.0),
            ("fan1_pulses", "node_hwmon_fan_pulses", 2.0, 2.0),
            ("temp1_input", "node_hwmon_temp_celsius", 45000.0, 45.0),
            ("temp1_crit_alarm", "node_hwmon_temp_crit_alarm_celsius", 1.0, 0.001),
            ("temp1_type", "node_hwmon_temp_type", 4.0, 4.0),
            ("temp1_fault", "node_hwmon_temp_fault", 0.0, 0.0),
            ("curr1_max", "node_hwmon_curr_max_amps", 2500.0, 2.5),
            ("energy1_input", "node_hwmon_energy_joule_total", 2.5e6, 2.5),
            ("power1_accuracy", "node_hwmon_power_accuracy", 9.0e5, 0.9),
            ("power1_average", "node_hwmon_power_average_watt", 1.5e6, 1.5),
            ("power1_average_interval_max", "node_hwmon_power_average_interval_max_seconds", 2000.0, 2.0),
            ("humidity1_input", "node_hwmon_humidity", 5.0e5, 0.5),
            ("freq1_input", "node_hwmon_freq_freq_mhz", 1.5e9, 1500.0),
            ("pwm1", "node_hwmon_pwm", 128.0, 128.0),
            ("pwm1_Auto-Channels", "node_hwmon_pwm_auto_channels", 1.0, 1.0),
            ("intrusion0_alarm", "node_hwmon_intrusion_alarm", 1.0, 1.0),
            ("beep_enable", "node_hwmon_beep_enabled", 2.0, 0.0),
            ("vrm", "node_hwmon_voltage_regulator_version", 90.0, 90.0),
            ("update_interval", "node_hwmon_update_interval_seconds", 1000.0, 1.0),
        ] {
            let meaning = meaning(name);
            assert_eq!((&*meaning.family, meaning.scale.apply(raw)), (family, value), "{name}");
            assert_eq!(meaning.kind == Kind::Counter, name == "energy1_input");
        }
        let input = SensorFile::parse(b"fan1_input").unwrap();
        assert_eq!(input.meaning(true).family, "node_hwmon_fan_input_rpm");
    }

    #[test]
    fn texts_become_parts_of_names() {
        assert_eq!(clean("coretemp.0"), "coretemp_0");
        assert_eq!(clean("0000:00:18.3\n"), "0000:00:18_3");
        assert_eq!(clean("_ÄB-c\u{fffd}"), "b_c");
    }
}
