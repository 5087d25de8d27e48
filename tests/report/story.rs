//! Machines that go down, and others that have an ordinary night.

use std::path::Path;

use super::machine::{LastRun, Machine, State};

/// 2026-11-20T22:00:00Z.
pub const START: i64 = 1_795_212_000;
const HOURS: i64 = 10;
/// When the machine goes: 2026-11-21T06:17:30Z. It is scrapes that tell, so they know it by 15 s.
const GOES: i64 = START + 8 * 3_600 + 17 * 60 + 30;
const STEP: i64 = 15;

/// What happens to a machine.
pub struct Story {
    /// How it is so many seconds before it goes.
    before: fn(i64, &mut State),
    /// How long it is away. `None` is for ever.
    away: Option<i64>,
    /// What it says afterwards, but when it was alive.
    last_run: LastRun,
    /// Why the first scrape fails when it has gone, and the next ones.
    failures: [&'static str; 2],
}

const TIMEOUT: &str = "deadline of 10s passed while connecting";
const REFUSED: &str = "connect to 10.0.0.7:9100: Connection refused (os error 111)";
const UNREACHABLE: &str = "connect to 10.0.0.7:9100: No route to host (os error 113)";

const UNCLEAN: LastRun = LastRun { clean: Some(0.0), alive: None, watchdog: Some(0) };

pub const LEAK: Story = Story {
    before: |left, state| {
        // Four hours of a leak, then swap, then the killer.
        let share = (1.0 - left as f64 / 14_400.0).max(0.0);
        state.memory = (state.memory + 0.6 * share).min(0.985);
        if left < 1_200 {
            let share = 1.0 - left as f64 / 1_200.0;
            state.swap = (share * 1.3).min(1.0);
            state.swapped_pages_per_second = 9_000.0 * share;
            state.memory_waiting = 0.9 * share;
            state.io_waiting = 0.8 * share;
            state.read = 200e6 * share;
            state.written = 150e6 * share;
            state.cpu = (state.cpu + 0.6 * share).min(1.0);
            state.load += 30.0 * share;
        }
        if left < 300 {
            state.oom_kills_per_second = 1.0 / 60.0;
        }
    },
    away: Some(95),
    last_run: UNCLEAN,
    failures: [TIMEOUT, UNREACHABLE],
};

pub const FULL_DISK: Story = Story {
    before: |left, state| {
        let share = (1.0 - left as f64 / 18_000.0).max(0.0);
        state.srv = (state.srv + 0.46 * share).min(1.0);
        state.written += if left < 18_000 { 12e6 } else { 0.0 };
    },
    away: Some(240),
    last_run: UNCLEAN,
    failures: [TIMEOUT, UNREACHABLE],
};

pub const HEAT: Story = Story {
    before: |left, state| {
        // A fan stops eight minutes before the end.
        if left < 480 {
            let share = 1.0 - left as f64 / 480.0;
            state.celsius += 52.0 * share.powf(0.7);
        }
    },
    away: None,
    last_run: UNCLEAN,
    failures: [TIMEOUT, UNREACHABLE],
};

pub const POWER_CUT: Story =
    Story { before: |_, _| {}, away: Some(1_800), last_run: UNCLEAN, failures: [TIMEOUT, UNREACHABLE] };

pub const CLEAN: Story = Story {
    before: |_, _| {},
    away: Some(70),
    last_run: LastRun { clean: Some(1.0), alive: None, watchdog: Some(0) },
    failures: [REFUSED, UNREACHABLE],
};

pub const WATCHDOG: Story = Story {
    before: |left, state| {
        // Tasks get stuck one after another, and all that needs the disk with them.
        if left < 540 {
            let share = 1.0 - left as f64 / 540.0;
            state.hung_tasks_per_second = 1.0 / 45.0;
            state.load += 40.0 * share;
            state.io_waiting = 0.7 * share;
            state.io_stalled = 0.5 * share;
            state.written *= 1.0 - share;
        }
    },
    away: Some(45),
    last_run: LastRun { clean: Some(0.0), alive: None, watchdog: Some(32) },
    failures: [TIMEOUT, UNREACHABLE],
};

/// All of them, with a name for the machine.
pub const ALL: [(&str, Story); 6] = [
    ("db01", LEAK),
    ("files", FULL_DISK),
    ("gpu01", HEAT),
    ("backup", POWER_CUT),
    ("web02", CLEAN),
    ("db02", WATCHDOG),
];

impl Story {
    /// The same, but the machine says this of its last run afterwards.
    pub fn saying(self, last_run: LastRun) -> Self {
        Self { last_run, ..self }
    }

    /// Records the machine `name` as this happens to it.
    pub fn record(&self, storage: &Path, name: &str) {
        let mut machine = Machine::new(storage, name, START - 20 * 86_400);
        let back = self.away.map(|away| GOES + away);
        let mut has_booted = false;
        for at in (START..START + HOURS * 3_600).step_by(STEP as usize) {
            let mut state = State::quiet(name, at);
            if at < GOES {
                (self.before)(GOES - at, &mut state);
                machine.answers(at, &state);
            } else if let Some(back) = back.filter(|back| at >= back + 10) {
                if !has_booted {
                    has_booted = true;
                    let alive = (GOES - 20) as f64;
                    machine.boots(back, LastRun { alive: Some(alive), ..self.last_run });
                }
                machine.answers(at, &state);
            } else {
                machine.fails(at, self.failures[usize::from(at >= GOES + STEP)]);
            }
        }
        machine.finish();
    }
}

/// Records machines that have an ordinary night.
pub fn record_others(storage: &Path) {
    for name in ["mail", "proxy", "web01"] {
        let mut machine = Machine::new(storage, name, START - 30 * 86_400);
        for at in (START..START + HOURS * 3_600).step_by(STEP as usize) {
            machine.answers(at, &State::quiet(name, at));
        }
        machine.finish();
    }
}
