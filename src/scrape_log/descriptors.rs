//! How many files and sockets the recorder may need.

/// A target's connection, its samples file and its log for people.
const PER_TARGET: u64 = 3;
/// What the process has open besides: standard streams, the log, listeners and their callers, look-ups of names.
const OTHERS: u64 = 256;

/// How many descriptors that many targets need.
pub(super) fn needed(targets: usize) -> u64 {
    u64::try_from(targets).unwrap_or(u64::MAX).saturating_mul(PER_TARGET).saturating_add(OTHERS)
}
