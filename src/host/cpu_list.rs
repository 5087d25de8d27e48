//! Lists of CPUs, as in `/sys/devices/system/cpu/online` (kernel: `Documentation/admin-guide/cputopology.rst`).

use std::ops::RangeInclusive;

use super::parse::{ParseError, unsigned};

/// No kernel can be built for as many CPUs.
const CPUS_MAX: u64 = 1 << 16;

/// A list such as `0-3,8`, the kernel's way to name CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuList(Vec<RangeInclusive<u64>>);

impl CpuList {
    /// Reads the text of such a list. An empty one names no CPU.
    ///
    /// # Errors
    /// When the text is no such list.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        let ranges = text.trim_ascii().split(|&byte| byte == b',').filter(|range| !range.is_empty());
        let range = |range: &[u8]| {
            let mut ends = range.splitn(2, |&byte| byte == b'-').map(unsigned);
            let first = ends.next().flatten();
            let last = ends.next().unwrap_or(first);
            match (first, last) {
                (Some(first), Some(last)) if first <= last && last < CPUS_MAX => Ok(first..=last),
                _ => Err(ParseError::new(1, "a list of CPUs such as 0-3,8", text)),
            }
        };
        ranges.map(range).collect::<Result<_, _>>().map(Self)
    }

    /// The numbers of the CPUs, in the order of the list.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.iter().cloned().flatten()
    }

    /// Whether the CPU is in the list.
    pub fn contains(&self, cpu: u64) -> bool {
        self.0.iter().any(|range| range.contains(&cpu))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        let all = |text: &[u8]| CpuList::parse(text).map(|list| list.iter().collect::<Vec<_>>());
        assert_eq!(all(b"\n").unwrap(), [0u64; 0]);
        assert_eq!(all(b"0-2,8\n").unwrap(), [0, 1, 2, 8]);
        for bad in [&b"x\n"[..], b"3-1\n", b"1-\n", b"0-4294967295\n", b"(null)\n", b"1-2-3\n"] {
            assert!(all(bad).is_err(), "{}", bad.escape_ascii());
        }
        for end in 0..6 {
            drop(all(&b"0-2,8\n"[..end])); // whatever the place where the text ends, it must not panic
        }
        assert!(CpuList::parse(b"0-2,8").unwrap().contains(8));
        assert!(!CpuList::parse(b"0-2,8").unwrap().contains(7));
    }
}
