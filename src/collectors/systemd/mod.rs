//! The service manager and the login manager, asked over D-Bus. Both are off by default, and without the cargo feature
//! `systemd` they are known but not built in.

#[cfg(feature = "systemd")]
mod sessions;
#[cfg(feature = "systemd")]
mod units;

use super::{BuildError, Collector, Flag, FlagKind, Settings, Spec};

pub(super) const SYSTEMD: Spec = Spec {
    name: "systemd",
    default_on: false,
    help: "states of systemd's units, timers and sockets (D-Bus)",
    flags: &[
        INCLUDE,
        EXCLUDE,
        Flag::alias("systemd.unit-whitelist", INCLUDE.name, FlagKind::Pattern("")),
        Flag::alias("systemd.unit-blacklist", EXCLUDE.name, FlagKind::Pattern("")),
        PRIVATE,
        TASKS,
        RESTARTS,
        START_TIME,
    ],
    build: systemd,
};

pub(super) const LOGIND: Spec = Spec {
    name: "logind",
    default_on: false,
    help: "sessions by seat, type and class, from systemd-logind (D-Bus)",
    flags: &[],
    build: logind,
};

const INCLUDE: Flag = Flag::new(
    "systemd.unit-include",
    FlagKind::Pattern(".+"),
    "Units to keep: those whose whole name matches, unless they are excluded.",
);
const EXCLUDE: Flag = Flag::new(
    "systemd.unit-exclude",
    FlagKind::Pattern(".+\\.(automount|device|mount|scope|slice)"),
    "Units to leave out: those whose whole name matches.",
);
const PRIVATE: Flag = Flag::new(
    "systemd.private",
    FlagKind::Switch(false),
    "Ask systemd without a bus in between, which takes root.",
)
.hidden();
const TASKS: Flag = Flag::new(
    "systemd.enable-task-metrics",
    FlagKind::Switch(false),
    "Give the tasks of each service and how many it may have.",
);
const RESTARTS: Flag = Flag::new(
    "systemd.enable-restarts-metrics",
    FlagKind::Switch(false),
    "Give how often each service was restarted.",
);
const START_TIME: Flag = Flag::new(
    "systemd.enable-start-time-metrics",
    FlagKind::Switch(false),
    "Give when each unit was started.",
);

#[cfg(feature = "systemd")]
fn systemd(settings: &Settings) -> Result<Box<dyn Collector>, BuildError> {
    Ok(Box::new(units::Systemd::new(settings)?))
}

#[cfg(feature = "systemd")]
fn logind(_: &Settings) -> Result<Box<dyn Collector>, BuildError> {
    Ok(Box::new(sessions::Logind::new()))
}

#[cfg(not(feature = "systemd"))]
fn systemd(_: &Settings) -> Result<Box<dyn Collector>, BuildError> {
    Err(not_built_in(SYSTEMD.name))
}

#[cfg(not(feature = "systemd"))]
fn logind(_: &Settings) -> Result<Box<dyn Collector>, BuildError> {
    Err(not_built_in(LOGIND.name))
}

#[cfg(not(feature = "systemd"))]
fn not_built_in(name: &str) -> BuildError {
    BuildError(format!(
        "--collector.{name}: built without the feature systemd: cargo build --release --features systemd"
    ))
}

#[cfg(all(test, not(feature = "systemd")))]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_built_in_says_how_to_have_it() {
        for spec in [SYSTEMD, LOGIND] {
            let error = (spec.build)(&Settings::default()).err().unwrap().to_string();
            assert!(error.starts_with(&format!("--collector.{}: built without", spec.name)), "{error}");
        }
    }
}
