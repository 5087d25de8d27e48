//! Units and the manager's own state (systemd: `org.freedesktop.systemd1(5)`).
//!
//! All properties are asked for one by one, many at once, and not with `GetAll`: that makes systemd put together some
//! 300 of them for each unit, which takes it twenty times as long as those that are wanted here.

use regex_lite::Regex;
use std::time::Instant;

use super::{EXCLUDE, INCLUDE, PRIVATE, RESTARTS, START_TIME, TASKS};
use crate::collectors::{BuildError, CollectError, Collector, Context, Filter, Flag, Settings};
use crate::exposition::{Exposition, Kind};
use crate::host::dbus::{Bus, BusError, Call, Value, system_bus_address};

const NAME: &str = "org.freedesktop.systemd1";
const PATH: &[u8] = b"/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const SERVICE: &str = "org.freedesktop.systemd1.Service";
const SOCKET: &str = "org.freedesktop.systemd1.Socket";
const TIMER: &str = "org.freedesktop.systemd1.Timer";
const MOUNT: &str = "org.freedesktop.systemd1.Mount";

const PRIVATE_ADDRESS: &str = "unix:path=/run/systemd/private";

/// The states that always have a sample. Newer systemd knows more of them.
const STATES: [&str; 5] = ["activating", "active", "deactivating", "failed", "inactive"];

/// The first version that has a state as a whole and says when timers ran.
const WITH_SYSTEM_STATE: f64 = 212.0;

/// A number that units of one type have.
struct Number {
    suffix: &'static str,
    interface: &'static str,
    property: &'static str,
    family: &'static str,
    help: &'static str,
    kind: Kind,
    value: fn(u64) -> Option<f64>,
    /// What stands for units that aren't active, which are not asked then.
    inactive: Option<f64>,
    /// The flag without which it is left out.
    flag: Option<Flag>,
    /// The first version of systemd that has it, unless it says so itself.
    since: f64,
}

const fn number(
    suffix: &'static str,
    interface: &'static str,
    property: &'static str,
    family: &'static str,
    help: &'static str,
) -> Number {
    let value = |number| Some(number as f64);
    Number {
        suffix,
        interface,
        property,
        family,
        help,
        kind: Kind::Gauge,
        value,
        inactive: None,
        flag: None,
        since: 0.0,
    }
}

/// Systemd counts in microseconds.
fn seconds(microseconds: u64) -> Option<f64> {
    Some(microseconds as f64 / 1e6)
}

/// No limit, or nothing to count, is the largest number.
fn unless_infinite(number: u64) -> Option<f64> {
    (number != u64::MAX).then_some(number as f64)
}

const NUMBERS: &[Number] = &[
    Number {
        value: seconds,
        inactive: Some(0.0),
        flag: Some(START_TIME),
        ..number(
            "",
            UNIT,
            "ActiveEnterTimestamp",
            "node_systemd_unit_start_time_seconds",
            "When the unit became active, in Unix time; 0 if it is not.",
        )
    },
    Number {
        kind: Kind::Counter,
        flag: Some(RESTARTS),
        ..number(
            ".service",
            SERVICE,
            "NRestarts",
            "node_systemd_service_restart_total",
            "How often systemd has restarted the service by itself.",
        )
    },
    Number {
        value: unless_infinite,
        flag: Some(TASKS),
        ..number(
            ".service",
            SERVICE,
            "TasksCurrent",
            "node_systemd_unit_tasks_current",
            "Tasks of the service.",
        )
    },
    Number {
        value: unless_infinite,
        flag: Some(TASKS),
        ..number(
            ".service",
            SERVICE,
            "TasksMax",
            "node_systemd_unit_tasks_max",
            "Tasks that the service may have.",
        )
    },
    Number {
        value: seconds,
        since: WITH_SYSTEM_STATE,
        ..number(
            ".timer",
            TIMER,
            "LastTriggerUSec",
            "node_systemd_timer_last_trigger_seconds",
            "When the timer last ran out, in Unix time.",
        )
    },
    Number {
        kind: Kind::Counter,
        ..number(
            ".socket",
            SOCKET,
            "NAccepted",
            "node_systemd_socket_accepted_connections_total",
            "Connections that the socket has accepted.",
        )
    },
    number(
        ".socket",
        SOCKET,
        "NConnections",
        "node_systemd_socket_current_connections",
        "Connections that the socket has now.",
    ),
    // A gauge in node_exporter too, for all its name.
    number(
        ".socket",
        SOCKET,
        "NRefused",
        "node_systemd_socket_refused_connections_total",
        "Connections that the socket has refused.",
    ),
];

pub(super) struct Systemd {
    /// Where to look for systemd, one after another, and whether there is a bus.
    addresses: Vec<(String, bool)>,
    filter: Filter,
    version: Regex,
    numbers: Vec<&'static Number>,
}

/// A row of `ListUnits`, as far as it is needed.
struct Unit<'r> {
    name: &'r [u8],
    state: &'r [u8],
    path: &'r [u8],
}

impl Unit<'_> {
    fn is(&self, suffix: &str) -> bool {
        self.name.ends_with(suffix.as_bytes())
    }

    fn property<'c>(&'c self, interface: &'c str, name: &'c str) -> Call<'c> {
        Call::property(NAME, self.path, interface, name)
    }
}

impl Systemd {
    pub(super) fn new(settings: &Settings) -> Result<Self, BuildError> {
        let direct = (PRIVATE_ADDRESS.to_owned(), false);
        let mut addresses = vec![];
        if !settings.switch(&PRIVATE) {
            addresses.push((system_bus_address(), true));
        }
        // Root gets through to systemd when there is no bus.
        if settings.switch(&PRIVATE) || rustix::process::geteuid().is_root() {
            addresses.push(direct);
        }
        let is_wanted = |number: &&Number| number.flag.is_none_or(|flag| settings.switch(&flag));
        Ok(Self {
            addresses,
            filter: Filter::new(Some(whole(settings, &INCLUDE)?), Some(whole(settings, &EXCLUDE)?)),
            version: Regex::new(r"[0-9]{3,}(\.[0-9]+)?").map_err(|error| BuildError(error.to_string()))?,
            numbers: NUMBERS.iter().filter(is_wanted).collect(),
        })
    }

    fn connect(&self, deadline: Instant) -> Result<Bus, BusError> {
        let mut problem = None;
        for (address, is_bus) in &self.addresses {
            let open = if *is_bus { Bus::open } else { Bus::open_direct };
            match open(address, deadline) {
                Ok(bus) => return Ok(bus),
                // The first of them is the one that should have been there.
                Err(error) => problem = problem.or(Some(error)),
            }
        }
        Err(problem.unwrap_or(BusError::Late))
    }

    fn ask(&mut self, deadline: Instant, out: &mut Exposition) -> Result<(), CollectError> {
        let mut bus = self.connect(deadline)?;
        let version = self.write_manager(&mut bus, out)?;
        let answer = bus.call(Call::method(NAME, PATH, MANAGER, "ListUnits"))?;
        let mut units = Vec::new();
        let mut states: Vec<(&[u8], u32)> = STATES.iter().map(|state| (state.as_bytes(), 0)).collect();
        for row in answer.body().rows(b"ssssssouso")? {
            let [Value::Text(name), _, Value::Text(load), Value::Text(state), .., Value::Text(path), _, _, _] =
                row?
            else {
                continue;
            };
            match states.binary_search_by_key(&state, |(state, _)| state) {
                Ok(place) => states[place].1 += 1,
                Err(place) => states.insert(place, (state, 1)),
            }
            if load == b"loaded" && self.filter.keeps(name) {
                units.push(Unit { name, state, path });
            }
        }
        let mut family = out.family(
            "node_systemd_units",
            "How many units are in each state, whatever the filters.",
            Kind::Gauge,
        );
        for (state, count) in states {
            family.sample(&[("state", state)], f64::from(count));
        }
        units.sort_unstable_by_key(|unit| unit.name);
        write_states(&units, &mut bus, out)?;
        for number in self.numbers.iter().filter(|number| number.since <= version) {
            write_number(number, &units, &mut bus, out)?;
        }
        if version >= WITH_SYSTEM_STATE {
            let state = bus.call(Call::property(NAME, PATH, MANAGER, "SystemState"))?;
            let is_running = state.body().property()? == Value::Text(b"running");
            out.single(
                "node_systemd_system_running",
                "Whether the system is up and all is well, as `systemctl is-system-running` has it.",
                Kind::Gauge,
                f64::from(is_running),
            );
        }
        Ok(())
    }

    /// Writes what systemd says about itself. Gives its version, 0 if that is not known.
    fn write_manager(&self, bus: &mut Bus, out: &mut Exposition) -> Result<f64, BusError> {
        let text = |bus: &mut Bus, name| match bus.call(Call::property(NAME, PATH, MANAGER, name)) {
            Ok(answer) => match answer.body().property()? {
                Value::Text(text) => Ok(Some(String::from_utf8_lossy(text).into_owned())),
                _ => Ok(None),
            },
            Err(BusError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        };
        let full = text(bus, "Version")?.unwrap_or_default();
        let number = self.version.find(&full).and_then(|found| found.as_str().parse().ok());
        let (version, label) = number.map_or((0.0, ""), |number: f64| (number, &*full));
        let mut family = out.family("node_systemd_version", "Version of systemd.", Kind::Gauge);
        family.sample(&[("version", label.as_bytes())], version);
        let virtualization = text(bus, "Virtualization")?;
        let virtualization = match virtualization.as_deref() {
            None => "unknown",
            Some("") => "none",
            Some(technology) => technology,
        };
        let mut family = out.family(
            "node_systemd_virtualization_info",
            "The virtualization in which systemd finds itself.",
            Kind::Gauge,
        );
        family.sample(&[("virtualization_type", virtualization.as_bytes())], 1.0);
        Ok(version)
    }
}

impl Collector for Systemd {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        context.wait(|latest| self.ask(latest, out))
    }
}

/// Writes the state of each unit. The label `type` is how a service starts or what file system is mounted.
fn write_states(units: &[Unit<'_>], bus: &mut Bus, out: &mut Exposition) -> Result<(), BusError> {
    let mut types: Vec<Vec<u8>> = vec![Vec::new(); units.len()];
    let calls = units.iter().zip(&mut types).filter_map(|(unit, place)| {
        let interface =
            [(".service", SERVICE), (".mount", MOUNT)].into_iter().find(|(suffix, _)| unit.is(suffix));
        interface.map(|(_, interface)| (place, unit.property(interface, "Type")))
    });
    bus.call_each(calls, |place, answer| {
        if let Ok(Value::Text(text)) = answer.and_then(|body| body.property()) {
            place.extend_from_slice(text);
        }
    })?;
    let mut family = out.family("node_systemd_unit_state", "Whether the unit is in this state.", Kind::Gauge);
    for (unit, kind) in units.iter().zip(&types) {
        for state in STATES {
            let is_in_it = state.as_bytes() == unit.state;
            let labels = [("name", unit.name), ("state", state.as_bytes()), ("type", kind)];
            family.sample(&labels, f64::from(is_in_it));
        }
    }
    Ok(())
}

/// Writes one number of the units that have it. A unit that has just gone, and systemd too old for the property,
/// refuse.
fn write_number(
    number: &Number,
    units: &[Unit<'_>],
    bus: &mut Bus,
    out: &mut Exposition,
) -> Result<(), BusError> {
    let mut values = vec![None; units.len()];
    let calls = units.iter().zip(&mut values).filter(|(unit, _)| unit.is(number.suffix)).filter_map(
        |(unit, place)| {
            if unit.state != b"active" && number.inactive.is_some() {
                *place = number.inactive;
                return None;
            }
            Some((place, unit.property(number.interface, number.property)))
        },
    );
    bus.call_each(calls, |place, answer| {
        if let Ok(Value::Number(found)) = answer.and_then(|body| body.property()) {
            *place = (number.value)(found);
        }
    })?;
    let mut family = out.family(number.family, number.help, number.kind);
    for (unit, value) in units.iter().zip(&values) {
        if let Some(value) = value {
            family.sample(&[("name", unit.name)], *value);
        }
    }
    Ok(())
}

/// The pattern of `flag` for whole names. An empty one matches none.
fn whole(settings: &Settings, flag: &Flag) -> Result<Regex, BuildError> {
    let pattern = settings.pattern(flag);
    let text = pattern.as_ref().map_or("", Regex::as_str);
    Regex::new(&format!("^(?:{text})$"))
        .map_err(|error| BuildError(format!("--collector.{}: {text:?}: {error}", flag.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_for_whole_names() {
        let given = |text: &str| {
            let mut settings = Settings::default();
            settings.set(&INCLUDE, text).unwrap();
            whole(&settings, &INCLUDE)
        };
        let pattern = given("ssh|cron.*").unwrap();
        assert!(pattern.is_match("ssh") && pattern.is_match("cron.service"));
        assert!(!pattern.is_match("ssh.service") && !pattern.is_match("anacron.service"));
        assert!(!given("").unwrap().is_match("ssh.service"), "an empty one matches none");
        let error = given("(?x) ssh # the rest is a comment").unwrap_err().to_string();
        assert!(error.starts_with("--collector.systemd.unit-include: "), "{error}");
    }
}
