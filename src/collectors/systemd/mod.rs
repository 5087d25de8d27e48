//! What the service manager says of its units, over D-Bus.

mod units;

use super::{Flag, FlagKind, Spec};

pub(super) const SPEC: Spec = Spec {
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
    build: |settings| Ok(Box::new(units::Systemd::new(settings)?)),
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
