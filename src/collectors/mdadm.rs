//! Software RAID from `/proc/mdstat` and `/sys/block/md*/md` (kernel: `Documentation/admin-guide/md.rst`; the text
//! is made by `md_seq_show` in `drivers/md/md.c`).
//!
//! ```text
//! md0 : active raid1 sdb1[1] sda1[0](F)
//!       488253440 blocks super 1.2 [2/1] [_U]
//!       [====>................]  recovery = 21.3% (104168960/488253440) finish=41.8min speed=153001K/sec
//!       bitmap: 1/4 pages [4KB], 65536KB chunk
//! ```

use super::{CollectError, Collector, Context, Settings, Spec, read_or_absent};
use crate::exposition::{Exposition, Kind};
use crate::host::parse::{ParseError, fields, lines, unsigned};
use crate::host::{KernelFile, Root};

pub(super) const SPEC: Spec = Spec {
    name: "mdadm",
    default_on: true,
    help: "software RAID: state, disks and progress of each array (/proc/mdstat, /sys/block/md*/md)",
    flags: &[],
    build: |settings| Ok(Box::new(Mdadm::new(settings))),
};

struct Mdadm {
    root: Root,
    mdstat: KernelFile,
    text: Vec<u8>,
    /// What sysfs has on the arrays, by name.
    folders: Vec<ArrayFolder>,
}

impl Mdadm {
    fn new(settings: &Settings) -> Self {
        Self {
            root: settings.root.clone(),
            mdstat: KernelFile::new(settings.root.proc("mdstat")),
            text: Vec::new(),
            folders: Vec::new(),
        }
    }
}

impl Collector for Mdadm {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let text = read_or_absent(&mut self.mdstat, &mut self.text, "the kernel has no software RAID")?;
        let arrays = parse(text).map_err(|error| error.at(self.mdstat.path()))?;
        write_states(&arrays, out);
        let names = || arrays.iter().map(|array| array.name);
        if !self.folders.iter().map(|folder| &*folder.name).eq(names()) {
            self.folders = names().map(|name| ArrayFolder::new(&self.root, name)).collect();
        }
        write_folders(&mut self.folders, &mut context.buffer, out);
        Ok(())
    }
}

/// The states that are given; an array that is being reshaped is in none of them.
const STATES: [(&str, State); 5] = [
    ("active", State::Active),
    ("check", State::Checking),
    ("inactive", State::Inactive),
    ("recovering", State::Recovering),
    ("resync", State::Resyncing),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Active,
    Inactive,
    Recovering,
    Resyncing,
    Checking,
    Other,
}

#[derive(Debug, PartialEq)]
struct Array<'a> {
    name: &'a [u8],
    state: State,
    /// How many disks it needs and how many of these work. `None` for kinds that do not say.
    disks: Option<(u64, u64)>,
    failed_disks: usize,
    spare_disks: usize,
    /// In blocks of 1 KiB.
    blocks: u64,
    /// How far the present action is. `None` if another machine performs it.
    blocks_synced: Option<u64>,
}

/// The arrays by name.
fn parse(text: &[u8]) -> Result<Vec<Array<'_>>, ParseError> {
    let mut arrays: Vec<Array<'_>> = Vec::new();
    let mut wants_blocks = false;
    for (number, line) in lines(text) {
        let indented = line.first().is_some_and(u8::is_ascii_whitespace);
        if line.is_empty() || line.starts_with(b"Personalities") || line.starts_with(b"unused devices") {
            continue;
        }
        if !indented {
            let array =
                first_line(line).ok_or_else(|| ParseError::new(number, "an array and its state", line))?;
            arrays.push(array);
            wants_blocks = true;
            continue;
        }
        let Some(array) = arrays.last_mut() else { continue };
        if wants_blocks {
            wants_blocks = false;
            second_line(array, line).ok_or_else(|| ParseError::new(number, "a number of blocks", line))?;
        } else {
            action_line(array, line)
                .ok_or_else(|| ParseError::new(number, "the progress as (done/all)", line))?;
        }
    }
    arrays.sort_unstable_by_key(|array| array.name);
    Ok(arrays)
}

/// `md0 : active (auto-read-only) raid1 sdb1[1](S) sda1[0]`
fn first_line(line: &[u8]) -> Option<Array<'_>> {
    let mut words = fields(line);
    let name = words.next()?;
    words.next().filter(|&word| word == b":")?;
    let state = match words.next()? {
        b"active" => State::Active,
        b"inactive" => State::Inactive,
        _ => State::Other,
    };
    let mut array = Array {
        name,
        state,
        disks: (state == State::Inactive).then_some((0, 0)),
        failed_disks: 0,
        spare_disks: 0,
        blocks: 0,
        blocks_synced: None,
    };
    let mut members = 0;
    let mut needs_all = false;
    for word in words {
        needs_all |= matches!(word, b"raid0" | b"linear");
        members += u64::from(word.contains(&b'['));
        let has = |mark: &[u8]| word.windows(mark.len()).any(|part| part == mark);
        array.failed_disks += usize::from(has(b"(F)"));
        array.spare_disks += usize::from(has(b"(S)"));
    }
    if needs_all {
        array.disks = Some((members, members));
    }
    Some(array)
}

/// `488253440 blocks super 1.2 [2/1] [_U]`
fn second_line(array: &mut Array<'_>, line: &[u8]) -> Option<()> {
    let mut words = fields(line);
    array.blocks = unsigned(words.next()?)?;
    array.blocks_synced = Some(array.blocks);
    if array.disks.is_none() {
        array.disks = words.find_map(|word| pair(word.strip_prefix(b"[")?.strip_suffix(b"]")?));
    }
    Some(())
}

/// `[=>..]  recovery = 8.4% (82129920/976629248) finish=149.2min speed=99882K/sec` or `resync=DELAYED`. Other lines
/// are about a bitmap.
fn action_line(array: &mut Array<'_>, line: &[u8]) -> Option<()> {
    let mut words = fields(line);
    let mut action = None;
    let mut pending = None;
    for word in words.by_ref() {
        let mut parts = word.splitn(2, |&byte| byte == b'=');
        let state = match parts.next()? {
            b"recovery" => State::Recovering,
            b"resync" => State::Resyncing,
            b"check" => State::Checking,
            b"reshape" => State::Other,
            _ => continue,
        };
        action = Some(state);
        pending = parts.next();
        break;
    }
    let Some(state) = action else { return Some(()) };
    array.state = state;
    array.blocks_synced = match pending {
        Some(b"PENDING" | b"DELAYED") => Some(0),
        Some(b"REMOTE") => None,
        _ => {
            let progress = words.find_map(|word| pair(word.strip_prefix(b"(")?.strip_suffix(b")")?));
            Some(progress?.0)
        }
    };
    Some(())
}

/// `2/1`
fn pair(text: &[u8]) -> Option<(u64, u64)> {
    let slash = text.iter().position(|&byte| byte == b'/')?;
    Some((unsigned(text.get(..slash)?)?, unsigned(text.get(slash + 1..)?)?))
}

fn write_states(arrays: &[Array<'_>], out: &mut Exposition) {
    let mut family = out.family("node_md_state", "Which state the array is in.", Kind::Gauge);
    for array in arrays {
        for (name, state) in STATES {
            let labels = [("device", array.name), ("state", name.as_bytes())];
            family.sample(&labels, f64::from(array.state == state));
        }
    }
    let mut family = out.family("node_md_disks", "Disks of the array by their state.", Kind::Gauge);
    for array in arrays {
        let mut sample = |state: &[u8], count: u64| {
            family.sample(&[("device", array.name), ("state", state)], count as f64);
        };
        if let Some((_, active)) = array.disks {
            sample(b"active", active);
        }
        sample(b"failed", array.failed_disks as u64);
        sample(b"spare", array.spare_disks as u64);
    }
    let mut gauge = |name, help, value: fn(&Array<'_>) -> Option<u64>| {
        let mut family = out.family(name, help, Kind::Gauge);
        for array in arrays {
            if let Some(value) = value(array) {
                family.sample(&[("device", array.name)], value as f64);
            }
        }
    };
    gauge("node_md_disks_required", "Disks that the array needs to be whole.", |array| Some(array.disks?.0));
    gauge("node_md_blocks", "Size of the array in blocks of 1 KiB.", |array| Some(array.blocks));
    gauge("node_md_blocks_synced", "Blocks that are in sync, or done by the present action.", |array| {
        array.blocks_synced
    });
}

/// `/sys/block/NAME/md`.
struct ArrayFolder {
    name: Box<[u8]>,
    level: KernelFile,
    raid_disks: KernelFile,
    degraded: KernelFile,
    raid_disks_value: Option<u64>,
    degraded_value: Option<u64>,
}

impl ArrayFolder {
    fn new(root: &Root, name: &[u8]) -> Self {
        let folder = root.sys("block").join(String::from_utf8_lossy(name).as_ref()).join("md");
        let file = |name| KernelFile::new(folder.join(name));
        Self {
            name: name.into(),
            level: file("level"),
            raid_disks: file("raid_disks"),
            degraded: file("degraded"),
            raid_disks_value: None,
            degraded_value: None,
        }
    }

    fn read(&mut self, buffer: &mut Vec<u8>) {
        (self.raid_disks_value, self.degraded_value) = (None, None);
        let Ok(level) = self.level.value(buffer) else { return };
        // Containers hold other arrays and need no disks themselves.
        if !matches!(level, b"" | b"container" | b"imsm" | b"ddf") {
            let disks = self.raid_disks.value(buffer).ok();
            // `4 (3)` while it grows from 3 to 4.
            self.raid_disks_value = disks.and_then(|text| unsigned(fields(text).next()?));
        }
        // Levels without redundancy have no such file, and no degraded disk.
        self.degraded_value = match self.degraded.value(buffer) {
            Ok(text) => unsigned(text),
            Err(error) => (error.kind() == std::io::ErrorKind::NotFound).then_some(0),
        };
    }
}

fn write_folders(folders: &mut [ArrayFolder], buffer: &mut Vec<u8>, out: &mut Exposition) {
    folders.iter_mut().for_each(|folder| folder.read(buffer));
    let mut gauge = |name, help, value: fn(&ArrayFolder) -> Option<u64>| {
        let mut family = out.family(name, help, Kind::Gauge);
        for folder in &*folders {
            if let Some(value) = value(folder) {
                family.sample(&[("device", &folder.name)], value as f64);
            }
        }
    };
    gauge("node_md_raid_disks", "Disks that the array is made for.", |folder| folder.raid_disks_value);
    gauge("node_md_degraded", "Disks that the array lacks.", |folder| folder.degraded_value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Array<'_> {
        let mut arrays = parse(text.as_bytes()).unwrap();
        assert_eq!(arrays.len(), 1, "{text}");
        arrays.remove(0)
    }

    #[test]
    fn actions_and_their_progress() {
        for (action, state, synced) in [
            ("", State::Active, Some(1000)),
            ("bitmap: 0/1 pages [0KB], 65536KB chunk", State::Active, Some(1000)),
            ("[>....]  resync =  0.1% (10/1000) finish=1min speed=1K/sec", State::Resyncing, Some(10)),
            ("[>....]  check =100.0% (1000/1000) finish=0min speed=1K/sec", State::Checking, Some(1000)),
            ("[>....]  recovery = 2.0% (20/1000) finish=1min speed=1K/sec", State::Recovering, Some(20)),
            ("[>....]  reshape = 2.0% (20/1000) finish=1min speed=1K/sec", State::Other, Some(20)),
            ("resync=DELAYED", State::Resyncing, Some(0)),
            ("recovery=PENDING", State::Recovering, Some(0)),
            ("resync=REMOTE", State::Resyncing, None),
        ] {
            let text = format!("md0 : active raid1 sdb1[1] sda1[0]\n  1000 blocks [2/2] [UU]\n  {action}\n");
            let array = one(&text);
            assert_eq!((array.state, array.blocks_synced), (state, synced), "{action}");
        }
    }

    #[test]
    fn disks_by_kind_of_array() {
        for (words, status, disks) in [
            ("active raid1 sdb1[1] sda1[0](F)", "[2/1] [U_]", Some((2, 1))),
            ("active (read-only) linear sdb1[1] sda1[0]", "64k rounding", Some((2, 2))),
            ("active raid0 sda1[0]", "64k chunks", Some((1, 1))),
            ("active faulty sda1[0]", "WriteTransient=1(100)", None),
            ("inactive sda1[0](S)", "super 1.2", Some((0, 0))),
            ("broken raid0 sda1[0](F)", "64k chunks", Some((1, 1))),
        ] {
            assert_eq!(one(&format!("md_d0 : {words}\n   8 blocks {status}\n")).disks, disks, "{words}");
        }
        let array =
            one("md0 : active raid5 a[0](W)(F) b[1](S) c[2](S) d[3](J)\n 8 blocks level 5 [3/2] [U_U]\n");
        assert_eq!((array.failed_disks, array.spare_disks), (1, 2));
        assert_eq!(parse(b"Personalities : \nunused devices: <none>\n").unwrap(), []);
    }

    #[test]
    fn bad_lines_are_errors() {
        for (bad, line) in [
            ("md0\n", 1),
            ("md0 = active\n", 1),
            ("md0 : active raid1 a[0]\n  many blocks\n", 2),
            ("md0 : active raid1 a[0]\n  8 blocks [1/1] [U]\n [>..] resync = 1.0% finish=1min\n", 3),
        ] {
            assert_eq!(parse(bad.as_bytes()).unwrap_err().line, line, "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/mdstat", |text| parse(text).map(|arrays| arrays.len()));
    }
}
