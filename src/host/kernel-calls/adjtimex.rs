//! The state of the kernel's clock, adjtimex(2), which no file of procfs or sysfs has.

use std::ffi::{c_int, c_long};
use std::io;
use std::mem::MaybeUninit;

/// What adjtimex(2) tells, in the units that it has there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timex {
    /// The state that the call returns, [`TIME_ERROR`] for a clock that is not synchronized.
    pub state: c_int,
    /// Offset that is still to be corrected, in nanoseconds with [`STA_NANO`] and in microseconds without.
    pub offset: c_long,
    /// Correction of the frequency, in parts per million times 65536.
    pub freq: c_long,
    /// Largest error that the clock can have, in microseconds.
    pub maxerror: c_long,
    /// Error that the clock is thought to have, in microseconds.
    pub esterror: c_long,
    /// Flags `STA_*`.
    pub status: c_int,
    /// Time constant of the control loop.
    pub constant: c_long,
    /// Microseconds between two ticks.
    pub tick: c_long,
    /// Frequency of the pulses, in parts per million times 65536.
    pub ppsfreq: c_long,
    /// Jitter of the pulses, in the unit of `offset`.
    pub jitter: c_long,
    /// Length of a calibration, in seconds as a power of two.
    pub shift: c_int,
    /// Stability of the pulses, in parts per million times 65536.
    pub stabil: c_long,
    /// Number of pulses with too much jitter.
    pub jitcnt: c_long,
    /// Number of calibrations.
    pub calcnt: c_long,
    /// Number of calibrations that failed.
    pub errcnt: c_long,
    /// Number of calibrations with too little stability.
    pub stbcnt: c_long,
    /// Seconds that international atomic time is ahead.
    pub tai: c_int,
}

/// The state of a clock that is not synchronized.
pub const TIME_ERROR: c_int = libc::TIME_ERROR;
/// The flag that says that `offset` and `jitter` are in nanoseconds.
pub const STA_NANO: c_int = libc::STA_NANO;

/// Reads the state of the clock. Changes nothing.
///
/// # Errors
/// What the call gave: EPERM or ENOSYS where a sandbox forbids it.
pub fn read() -> io::Result<Timex> {
    let mut raw = MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: the pointer is to a whole `timex` that lives throughout the call. Its `modes` is 0, with which the kernel
    // only writes to it.
    let state = unsafe { libc::adjtimex(raw.as_mut_ptr()) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `timex` has whole numbers only, for which zeros are valid, and the kernel has filled it.
    let raw = unsafe { raw.assume_init() };
    Ok(Timex {
        state,
        offset: raw.offset,
        freq: raw.freq,
        maxerror: raw.maxerror,
        esterror: raw.esterror,
        status: raw.status,
        constant: raw.constant,
        tick: raw.tick,
        ppsfreq: raw.ppsfreq,
        jitter: raw.jitter,
        shift: raw.shift,
        stabil: raw.stabil,
        jitcnt: raw.jitcnt,
        calcnt: raw.calcnt,
        errcnt: raw.errcnt,
        stbcnt: raw.stbcnt,
        tai: raw.tai,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_ticks_about_a_hundred_times_a_second() {
        let clock = read().expect("adjtimex is allowed to all users");
        assert!((9_000..=11_000).contains(&clock.tick), "{clock:?}");
        assert!((0..=TIME_ERROR).contains(&clock.state), "{clock:?}");
        assert!(clock.freq.abs() <= 500 << 16, "{clock:?}");
    }
}
