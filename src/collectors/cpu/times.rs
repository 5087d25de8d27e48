//! The `cpuN` lines of `/proc/stat` (kernel: `Documentation/filesystems/proc.rst`, section 1.7).

use crate::host::TICKS_PER_SECOND;
use crate::host::parse::{ParseError, fields, lines, unsigned};

/// The modes with their columns, sorted by name. The kernel counts guest time into user and nice as well.
pub(super) const MODES: [(&str, usize); 8] = [
    ("idle", IDLE),
    ("iowait", 4),
    ("irq", 5),
    ("nice", 1),
    ("softirq", 6),
    ("steal", 7),
    ("system", 2),
    ("user", 0),
];

/// The modes of time in guests with their columns, sorted by name.
pub(super) const GUEST_MODES: [(&str, usize); 2] = [("nice", 9), ("user", 8)];

const COLUMNS: usize = 10;
const IDLE: usize = 3;

/// The first four columns are as old as the file.
const OLDEST_COLUMNS: usize = 4;

/// Idle time that falls by this much means a new count, not noise.
const RESET_IDLE_TICKS: u64 = 3 * TICKS_PER_SECOND;

/// One CPU's time since it came online.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CpuTimes {
    /// The number in `cpuN`.
    pub(super) cpu: u32,
    ticks: [u64; COLUMNS],
    columns_given: usize,
}

impl CpuTimes {
    /// The time in a column, if this kernel has that column.
    pub(super) fn seconds(&self, column: usize) -> Option<f64> {
        let given = self.ticks.get(..self.columns_given)?;
        given.get(column).map(|&ticks| ticks as f64 / TICKS_PER_SECOND as f64)
    }
}

/// Fills `all`, which is emptied first, with the CPUs that are online.
pub(super) fn parse(text: &[u8], all: &mut Vec<CpuTimes>) -> Result<(), ParseError> {
    all.clear();
    // These lines come first in the file, before some very long ones.
    for (number, line) in lines(text).take_while(|(_, line)| line.starts_with(b"cpu")) {
        let mut fields = fields(line);
        let error = || ParseError::new(number, "a CPU and at least 4 counts", line);
        let cpu = match fields.next().and_then(|name| name.strip_prefix(b"cpu")) {
            Some(b"") => continue,
            digits => digits.and_then(unsigned).and_then(|cpu| u32::try_from(cpu).ok()).ok_or_else(error)?,
        };
        let mut times = CpuTimes { cpu, ticks: [0; COLUMNS], columns_given: 0 };
        for (slot, field) in times.ticks.iter_mut().zip(fields) {
            *slot = unsigned(field).ok_or_else(error)?;
            times.columns_given += 1;
        }
        if times.columns_given < OLDEST_COLUMNS {
            return Err(error());
        }
        all.push(times);
    }
    if all.is_empty() {
        return Err(ParseError::new(1, "a line for each CPU", text));
    }
    Ok(())
}

/// Raises what has fallen below the last reading to that reading, since the kernel's sums of idle and I/O wait
/// time step back now and then. Idle time that fell far shows that the CPU was unplugged and counts anew.
pub(super) fn hold(last: &[CpuTimes], fresh: &mut [CpuTimes]) {
    for (index, now) in fresh.iter_mut().enumerate() {
        let same = |before: &&CpuTimes| before.cpu == now.cpu;
        let Some(before) = last.get(index).filter(same).or_else(|| last.iter().find(same)) else { continue };
        if before.ticks[IDLE].saturating_sub(now.ticks[IDLE]) >= RESET_IDLE_TICKS {
            continue;
        }
        for (now, before) in now.ticks.iter_mut().zip(before.ticks) {
            *now = before.max(*now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<CpuTimes> {
        let mut all = Vec::new();
        parse(text.as_bytes(), &mut all).unwrap();
        all
    }

    #[test]
    fn columns_of_all_ages() {
        let all = read("cpu  1 2 3 4\ncpu0 1 2 3 444\ncpu12 1 2 3 4 5 6 7 8 9 10 11\nintr 1\ncpu99 x\n");
        assert_eq!(all.iter().map(|times| times.cpu).collect::<Vec<_>>(), [0, 12]);
        assert_eq!((all[0].seconds(IDLE), all[0].seconds(4)), (Some(4.44), None));
        assert_eq!((all[1].seconds(9), all[1].seconds(10)), (Some(0.1), None));
    }

    #[test]
    fn bad_lines_are_errors() {
        for bad in
            ["cpu0 1 2 3\n", "cpu0 1 2 3 x\n", "cpux 1 2 3 4\n", "cpu0 1 2 3 -4\n", "cpu4294967296 1 2 3 4\n"]
        {
            let error = parse(format!("cpu 1 2 3 4\n{bad}").as_bytes(), &mut Vec::new()).unwrap_err();
            assert_eq!(error.line, 2, "{bad}");
        }
        assert!(parse(b"", &mut Vec::new()).is_err());
    }

    #[test]
    fn small_steps_back_are_held() {
        let last = read("cpu0 100 0 50 1000 20\ncpu1 1 1 1 1 1\n");
        let mut fresh = read("cpu0 101 0 49 701 19\ncpu1 1 1 1 1 2\n");
        hold(&last, &mut fresh);
        assert_eq!(fresh, read("cpu0 101 0 50 1000 20\ncpu1 1 1 1 1 2\n"));
    }

    #[test]
    fn a_cpu_that_was_plugged_in_again_starts_anew() {
        let last = read("cpu0 100 0 50 1000 20\ncpu1 100 0 50 1000 20\ncpu2 100 0 50 1000 20\n");
        let mut fresh = read("cpu0 100 0 50 1000 20\ncpu2 5 0 4 700 0\n");
        hold(&last, &mut fresh);
        assert_eq!(fresh[1], read("cpu2 5 0 4 700 0\n")[0]);
        // One that was away for a whole scrape is not compared with what it was before.
        let mut again = read("cpu0 100 0 50 1000 20\ncpu1 5 0 4 999 0\ncpu2 5 0 4 700 0\n");
        let want = again.clone();
        hold(&fresh, &mut again);
        assert_eq!(again, want);
    }

    #[test]
    fn survives_a_cut_file() {
        let mut all = Vec::new();
        crate::collectors::at_every_cut("proc/stat", |text| parse(text, &mut all));
    }
}
