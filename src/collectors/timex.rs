//! How well the system's clock is kept, from adjtimex(2).

use kernel_calls::adjtimex::{self, STA_NANO, TIME_ERROR, Timex};
use rustix::io::Errno;

use super::{CollectError, Collector, Context, Spec};
use crate::exposition::{Exposition, Kind};

pub(super) const SPEC: Spec = Spec {
    name: "timex",
    default_on: true,
    help: "how the system's clock is kept in time (adjtimex)",
    flags: &[],
    build: |_| Ok(Box::new(Clock)),
};

struct Clock;

impl Collector for Clock {
    fn collect(&mut self, _: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        match adjtimex::read() {
            Ok(clock) => {
                write(&clock, out);
                Ok(())
            }
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::PERM | Errno::ACCESS)) => {
                Err(CollectError::NoData("adjtimex is forbidden here, as in some sandboxes"))
            }
            Err(error) => Err(CollectError::Other(format!("adjtimex failed: {error}"))),
        }
    }
}

const MICROSECONDS: f64 = 1e6;
const NANOSECONDS: f64 = 1e9;
/// Frequencies are in parts per million with 16 bits behind the point.
const SCALED_PPM: f64 = 1e6 * 65536.0;

fn write(clock: &Timex, out: &mut Exposition) {
    let fine_units = if clock.status & STA_NANO == 0 { MICROSECONDS } else { NANOSECONDS };
    let synchronized = f64::from(clock.state != TIME_ERROR);
    let mut gauge = |name, help, value| {
        out.family_parts(&["node_timex_", name], &[help], Kind::Gauge).sample(&[], value);
    };
    gauge("sync_status", "Whether the clock is synchronized to a reliable server.", synchronized);
    gauge("offset_seconds", "Offset that is still to be corrected.", clock.offset as f64 / fine_units);
    gauge(
        "frequency_adjustment_ratio",
        "How fast the clock is made to run, 1 being its own frequency.",
        1.0 + clock.freq as f64 / SCALED_PPM,
    );
    gauge("maxerror_seconds", "Largest error that the clock can have.", clock.maxerror as f64 / MICROSECONDS);
    gauge(
        "estimated_error_seconds",
        "Error that the clock is thought to have.",
        clock.esterror as f64 / MICROSECONDS,
    );
    gauge("status", "Flags of the clock, STA_* in adjtimex(2).", f64::from(clock.status));
    gauge("loop_time_constant", "Time constant of the loop that corrects the clock.", clock.constant as f64);
    gauge("tick_seconds", "Time between two ticks.", clock.tick as f64 / MICROSECONDS);
    gauge(
        "pps_frequency_hertz",
        "Frequency of the pulse per second, as a share of it.",
        clock.ppsfreq as f64 / SCALED_PPM,
    );
    gauge("pps_jitter_seconds", "Jitter of the pulse per second.", clock.jitter as f64 / fine_units);
    gauge(
        "pps_shift_seconds",
        "Length of a calibration with the pulse per second, as a power of two.",
        f64::from(clock.shift),
    );
    gauge(
        "pps_stability_hertz",
        "Mean change of the frequency of the pulse per second.",
        clock.stabil as f64 / SCALED_PPM,
    );
    gauge("tai_offset_seconds", "How far international atomic time is ahead.", f64::from(clock.tai));
    let mut counter = |name, help, value| {
        out.family_parts(&["node_timex_pps_", name], &[help], Kind::Counter).sample(&[], value);
    };
    counter("jitter_total", "Number of pulses with too much jitter.", clock.jitcnt as f64);
    counter("calibration_total", "Number of calibrations.", clock.calcnt as f64);
    counter("error_total", "Number of calibrations that failed.", clock.errcnt as f64);
    counter(
        "stability_exceeded_total",
        "Number of calibrations with too little stability.",
        clock.stbcnt as f64,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;

    fn samples(clock: &Timex) -> Vec<String> {
        let mut out = Exposition::new();
        write(clock, &mut out);
        let mut page = Vec::new();
        out.render(Format::Text, &mut page);
        let page = String::from_utf8(page).unwrap();
        page.lines().filter_map(|line| line.strip_prefix("node_timex_").map(str::to_owned)).collect()
    }

    #[test]
    fn units_of_every_number() {
        let clock = Timex {
            state: TIME_ERROR,
            offset: -1_500_000,
            freq: 65_536_000,
            maxerror: 16_000_000,
            esterror: 25,
            status: 1 | STA_NANO,
            constant: 7,
            tick: 10_000,
            ppsfreq: -65_536,
            jitter: 2_000,
            shift: 4,
            stabil: 131_072,
            jitcnt: 1,
            calcnt: 2,
            errcnt: 3,
            stbcnt: 4,
            tai: 37,
        };
        let want = [
            "estimated_error_seconds 2.5e-05",
            "frequency_adjustment_ratio 1.001",
            "loop_time_constant 7",
            "maxerror_seconds 16",
            "offset_seconds -0.0015",
            "pps_calibration_total 2",
            "pps_error_total 3",
            "pps_frequency_hertz -1e-06",
            "pps_jitter_seconds 2e-06",
            "pps_jitter_total 1",
            "pps_shift_seconds 4",
            "pps_stability_exceeded_total 4",
            "pps_stability_hertz 2e-06",
            "status 8193",
            "sync_status 0",
            "tai_offset_seconds 37",
            "tick_seconds 0.01",
        ];
        assert_eq!(samples(&clock), want);
        let coarse = samples(&Timex { state: 0, status: 1, ..clock });
        for want in ["offset_seconds -1.5", "pps_jitter_seconds 0.002", "status 1", "sync_status 1"] {
            assert!(coarse.iter().any(|line| line == want), "{want}: {coarse:?}");
        }
    }
}
