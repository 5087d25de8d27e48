//! How many files and sockets this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A target's connection, its samples file and its log for people.
const PER_TARGET: u64 = 3;
/// What the process has open besides: standard streams, the log, listeners and their callers, look-ups of names.
const OTHERS: u64 = 256;

/// Raises the limit to what this user may have, and gives it; `None` is no limit.
pub(super) fn raise_limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it is");
            current
        }
    }
}

/// How many descriptors that many targets need.
pub(super) fn needed(targets: usize) -> u64 {
    u64::try_from(targets).unwrap_or(u64::MAX).saturating_mul(PER_TARGET).saturating_add(OTHERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_what_this_user_may_have() {
        let limit = raise_limit();
        assert_eq!(limit, getrlimit(Resource::Nofile).maximum);
        assert_eq!(getrlimit(Resource::Nofile).current, limit);
        assert_eq!(needed(5000), 15_256);
    }
}
