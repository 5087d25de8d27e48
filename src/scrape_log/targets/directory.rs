//! What a target's directory is called.
//!
//! The name has to be one plain file name on every filesystem, those that don't tell capital letters from small ones
//! included, and never another target's. `job_host_port` is that for targets that have no more to them than a job and
//! an address: neither host nor port has an underscore, so that the name can be read in one way only. The job `node`,
//! which targets of the command line have, is left out. All others get the hash of their labels and their URL, behind
//! a `~`, which is in no short name.

use crate::scrape_log::config::DEFAULT_PATH;
use crate::scrape_log::labels::Labels;
use crate::web::client::Endpoint;

/// The longest readable part of a name, in bytes.
const READABLE_BYTES: usize = 100;
/// The job that goes without saying.
const UNSAID_JOB: &str = "node";

pub(super) fn name(labels: &Labels, endpoint: &Endpoint, url: &str, identity: u64) -> String {
    let (job, instance) = (labels.get("job"), labels.get("instance"));
    let authority = format!("{}:{}", endpoint.host(), endpoint.port());
    let short = match job {
        UNSAID_JOB => format!("{}_{}", endpoint.host(), endpoint.port()),
        job => format!("{job}_{}_{}", endpoint.host(), endpoint.port()),
    };
    if labels.len() == 2
        && !job.is_empty()
        && instance == authority
        && url == format!("http://{instance}{DEFAULT_PATH}")
        && !endpoint.host().contains('_')
        && short.len() <= READABLE_BYTES
        && short.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && short.bytes().all(is_safe)
    {
        return short;
    }
    let said = if job == UNSAID_JOB { instance.to_owned() } else { format!("{job}_{instance}") };
    let readable: String = said
        .chars()
        .map(|c| match c.to_ascii_lowercase() {
            ':' => '_',
            c if u8::try_from(c).is_ok_and(is_safe) => c,
            _ => '-',
        })
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take(READABLE_BYTES)
        .collect();
    format!("{readable}~{identity:016x}")
}

/// Characters without a meaning to any filesystem or shell.
fn is_safe(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
}
