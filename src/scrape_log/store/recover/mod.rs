//! Mending what a crash or a power cut left behind.
//!
//! A samples file that does not end in `# EOF` was open when its writer died. It is cut behind its last whole
//! scrape and closed; nothing is ever appended to it. A scrape is whole if its commit mark is: a full line whose
//! value is the number of sample lines between the mark before and the samples about the scrape itself.

use std::io;
use std::path::Path;

use memchr::memmem;

use super::END_OF_FILE;
use super::append::write_whole;
use super::disk::{Disk, DiskFile};
use crate::scrape_log::lines::{COMMIT_MARK, SYNTHETIC_SAMPLES};

/// How much of a file's end is looked at first. A scrape of a usual host has about 75 kB.
const FIRST_WINDOW_BYTES: u64 = 1 << 20;

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recovered {
    /// It ended as it should.
    Closed,
    /// So many bytes behind the last whole scrape were cut off, often none, which leaves `len`.
    Cut { cut_bytes: u64, len: u64 },
    /// It had no whole scrape.
    Removed { bytes: u64 },
}

/// Closes a samples file that is not closed. It is not waited for the device: after a power cut the next start finds
/// the file as this one did.
///
/// # Errors
/// When the file can't be read or changed. It is not worse than before then.
pub(super) fn recover(disk: &dyn Disk, directory: &Path, name: &str) -> io::Result<Recovered> {
    let file = disk.open_file(directory, name)?;
    let len = file.len()?;
    if is_closed(file.as_ref(), len)? {
        return Ok(Recovered::Closed);
    }
    let whole = whole_length(file.as_ref(), len)?;
    if whole == 0 {
        drop(file);
        disk.remove_file(directory, name)?;
        return Ok(Recovered::Removed { bytes: len });
    }
    file.truncate(whole)?;
    write_whole(file.as_ref(), END_OF_FILE)?;
    Ok(Recovered::Cut { cut_bytes: len - whole, len: whole + END_OF_FILE.len() as u64 })
}

/// Whether the last line is `# EOF`, with or without its line end.
fn is_closed(file: &dyn DiskFile, len: u64) -> io::Result<bool> {
    let mut tail = [0; 7];
    let Some(start) = len.checked_sub(tail.len() as u64) else { return Ok(false) };
    file.read_at(&mut tail, start)?;
    Ok(tail.ends_with(END_OF_FILE) || tail.ends_with(b"\n# EOF"))
}

/// Where the last whole scrape ends, 0 if there is none. Reads from the end, since files grow to tens of megabytes.
fn whole_length(file: &dyn DiskFile, len: u64) -> io::Result<u64> {
    let mut window_bytes = FIRST_WINDOW_BYTES;
    let mut data = Vec::new();
    loop {
        let start = len.saturating_sub(window_bytes);
        data.resize(usize::try_from(len - start).unwrap_or(usize::MAX), 0);
        file.read_at(&mut data, start)?;
        if let Some(end) = last_whole_scrape(&data, start == 0) {
            return Ok(start + end as u64);
        }
        if start == 0 {
            return Ok(0);
        }
        window_bytes *= 4;
    }
}

/// The end of the last whole scrape in `data`. `from_start` says whether `data` begins with the file.
fn last_whole_scrape(data: &[u8], from_start: bool) -> Option<usize> {
    let needle = [b"\n", COMMIT_MARK.as_bytes(), b"{"].concat();
    let finder = memmem::FinderRev::new(&needle);
    let mut mark = finder.rfind(data)? + 1;
    loop {
        let before = mark.checked_sub(1).and_then(|end| finder.rfind(data.get(..end)?)).map(|at| at + 1);
        let start = match before {
            Some(previous) => line_end(data, previous)?,
            None if from_start => 0,
            None => return None,
        };
        if let Some(end) = line_end(data, mark)
            && let (Some(lines), Some(line)) = (data.get(start..mark), data.get(mark..end))
            && is_whole(lines, line)
        {
            return Some(end);
        }
        mark = before?;
    }
}

/// Behind the line feed of the line that begins at `start`.
fn line_end(data: &[u8], start: usize) -> Option<usize> {
    memchr::memchr(b'\n', data.get(start..)?).map(|at| start + at + 1)
}

/// Whether a scrape has as many sample lines before its commit mark as that says, and nothing in it is overwritten with
/// zeros.
pub(in crate::scrape_log) fn is_whole(lines: &[u8], mark: &[u8]) -> bool {
    // Readers do this for each scrape, so it has to be fast.
    let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', lines).map(|end| end + 1));
    let samples = starts.filter(|start| lines.get(*start).is_some_and(|byte| *byte != b'#')).count();
    let expected = mark_value(mark).and_then(|written| written.checked_add(SYNTHETIC_SAMPLES - 1));
    let hole = |data| memchr::memchr(0, data).is_some();
    expected == Some(samples) && !hole(lines) && !hole(mark)
}

/// The value of a commit mark, if the line is as this program writes it.
fn mark_value(line: &[u8]) -> Option<usize> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (rest, timestamp) = line.rsplit_once(' ')?;
    let (labels, value) = rest.rsplit_once(' ')?;
    let (seconds, milliseconds) = timestamp.strip_prefix('-').unwrap_or(timestamp).split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let right = labels.ends_with("\"}") && digits(seconds) && milliseconds.len() == 3 && digits(milliseconds);
    if right && digits(value) { value.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
