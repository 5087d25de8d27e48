//! The mount table, `/proc/<pid>/mountinfo` (kernel: `Documentation/filesystems/proc.rst`, section 3.5).
//!
//! `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`: mount and parent number,
//! device number, root, mount point, options, any number of tags, a dash, type, source, options of the super
//! block. Fields are parted by exactly one blank, and the source may be empty.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::collectors::Filter;
use crate::host::parse::{ParseError, lines, unsigned};

/// One line of the mount table, its names not yet decoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line<'a> {
    id: u64,
    parent: u64,
    major: u64,
    minor: u64,
    mount_point: &'a [u8],
    fs_type: &'a [u8],
    source: &'a [u8],
    read_only: bool,
}

/// A mounted file system as the collector needs it: names as labels show them, without bytes that are not UTF-8.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mount {
    /// The source of the mount, often a device file.
    pub device: String,
    /// The mount point as the host sees it, without the prefix of the host's root.
    pub mount_point: String,
    /// The type, for example `ext4` or `fuse.sshfs`.
    pub fs_type: String,
    /// The device number.
    pub major: String,
    /// The device number.
    pub minor: String,
    /// Whether the mount or its super block can't be written.
    pub read_only: bool,
    /// Where this process finds the mount point; its bytes are those of the mount table.
    pub path: Arc<CString>,
    /// Whether no other machine and no user process can make its calls wait.
    pub local: bool,
    /// Whether the kernel answers from memory: no disk, no other machine and no user process has a say, neither in
    /// what is mounted nor in the way there.
    pub prompt: bool,
    /// What answers for it, so far as the source tells: the name before a colon, or all of it.
    pub server: Arc<str>,
    /// Whether it is the first with its device, number and mount point, and so has the info sample.
    pub first_with_number: bool,
}

/// Which mounts to keep, and where they are found.
#[derive(Debug)]
pub(super) struct Selection {
    /// The filter of mount points.
    pub mount_points: Filter,
    /// The filter of types.
    pub fs_types: Filter,
    /// Where the host's root is mounted.
    pub rootfs: PathBuf,
}

/// The mounts that `selection` keeps, each set of labels once, and what is wrong with the first line that is not
/// as documented. Such lines are left out.
pub(super) fn parse(text: &[u8], selection: &mut Selection) -> (Vec<Mount>, Option<ParseError>) {
    let mut mounts = Vec::new();
    let mut ways = Ways::default();
    let mut broken = None;
    for (number, line) in lines(text) {
        let Some(line) = split(line) else {
            broken.get_or_insert_with(|| ParseError::new(number, "a line of a mount table", line));
            continue;
        };
        ways.add(&line);
        mounts.extend(select(&line, selection).map(|mount| (line.id, mount)));
    }
    let mut mounts: Vec<Mount> =
        mounts.into_iter().map(|(id, mount)| Mount { prompt: ways.prompt(id), ..mount }).collect();
    let (mut labels, mut numbers) = (HashSet::new(), HashSet::new());
    let keep: Vec<(bool, bool)> = mounts
        .iter()
        .map(|mount| {
            let first = labels.insert((&mount.device, &mount.mount_point, &mount.fs_type));
            (first, first && numbers.insert((&mount.device, &mount.mount_point, &mount.major, &mount.minor)))
        })
        .collect();
    let mut keep = keep.into_iter();
    mounts.retain_mut(|mount| {
        let (first, first_with_number) = keep.next().unwrap_or_default();
        mount.first_with_number = first_with_number;
        first
    });
    (mounts, broken)
}

fn split(line: &[u8]) -> Option<Line<'_>> {
    let mut fields = line.split(|&byte| byte == b' ');
    let (id, parent) = (unsigned(fields.next()?)?, unsigned(fields.next()?)?);
    let number = fields.next()?;
    let colon = number.iter().position(|&byte| byte == b':')?;
    let (major, minor) = (unsigned(number.get(..colon)?)?, unsigned(number.get(colon + 1..)?)?);
    let mount_point = fields.nth(1)?;
    let options = fields.next()?;
    fields.find(|field| *field == b"-")?;
    let (fs_type, source, super_options) = (fields.next()?, fields.next()?, fields.next()?);
    let has = |options: &[u8], wanted: &[u8]| options.split(|&byte| byte == b',').any(|one| one == wanted);
    let read_only = has(options, b"ro") || has(super_options, b"ro") || has(super_options, b"emergency_ro");
    Some(Line { id, parent, major, minor, mount_point, fs_type, source, read_only })
}

fn select(line: &Line<'_>, selection: &mut Selection) -> Option<Mount> {
    let fs_type = decode(line.fs_type);
    if !selection.fs_types.keeps(&fs_type) {
        return None;
    }
    let decoded = decode(line.mount_point);
    let mount_point = strip_root(&decoded, &selection.rootfs);
    if !selection.mount_points.keeps(mount_point) {
        return None;
    }
    let below_root = mount_point.strip_prefix(b"/").unwrap_or(mount_point);
    let path = selection.rootfs.join(Path::new(std::ffi::OsStr::from_bytes(below_root)));
    let (fs_type, device) = (lossy(&fs_type), lossy(&decode(line.source)));
    Some(Mount {
        server: server(&device).into(),
        device,
        mount_point: lossy(mount_point),
        major: line.major.to_string(),
        minor: line.minor.to_string(),
        read_only: line.read_only,
        path: Arc::new(CString::new(path.as_os_str().as_bytes()).ok()?),
        prompt: false,
        local: line.major != 0 || LOCAL_TYPES.contains(&fs_type.as_str()),
        fs_type,
        first_with_number: true,
    })
}

/// Types with no block device of their own (their major number is 0) that the kernel serves by itself.
const LOCAL_TYPES: [&str; 8] =
    ["bcachefs", "btrfs", "devtmpfs", "overlay", "ramfs", "rootfs", "tmpfs", "zfs"];

/// Types whose statfs(2) reads counters in memory, once they have been read from the disk, and which never ask
/// whether a name on the way to a mount point still holds. The names of mount points are themselves kept in memory
/// while something is mounted there.
const PROMPT_TYPES: [&[u8]; 10] =
    [b"devtmpfs", b"ext2", b"ext3", b"ext4", b"proc", b"ramfs", b"sysfs", b"tmpfs", b"vfat", b"xfs"];

/// Which mount is on which.
#[derive(Default)]
struct Ways(HashMap<u64, (u64, bool)>);

impl Ways {
    fn add(&mut self, line: &Line<'_>) {
        self.0.insert(line.id, (line.parent, PROMPT_TYPES.contains(&line.fs_type)));
    }

    /// Whether the mount and all those on the way to it are of [`PROMPT_TYPES`].
    fn prompt(&self, id: u64) -> bool {
        let mut id = id;
        // No way is longer than there are mounts, unless the table has a circle.
        for _ in 0..=self.0.len() {
            match self.0.get(&id) {
                Some((_, false)) => return false,
                Some((parent, true)) if *parent != id => id = *parent,
                _ => return true, // the root, whose parent is not in the table
            }
        }
        false
    }
}

/// `host` of `host:/export` and `//host/share`; any other source as it is.
fn server(device: &str) -> &str {
    match device.strip_prefix("//") {
        Some(share) => share.split('/').next().unwrap_or(share),
        None => device.split(':').next().unwrap_or(device),
    }
}

/// Undoes the kernel's escapes: a backslash and three octal digits stand for one byte.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'\\', [high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', after @ ..]) => {
                decoded.push((high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0'));
                rest = after;
            }
            _ => decoded.push(first),
        }
    }
    Cow::Owned(decoded)
}

/// Takes the prefix of the host's root away, which mount points have when this process' own table is read.
fn strip_root<'a>(mount_point: &'a [u8], rootfs: &Path) -> &'a [u8] {
    let root = rootfs.as_os_str().as_bytes();
    let root = root.strip_suffix(b"/").unwrap_or(root);
    match mount_point.strip_prefix(root) {
        Some(b"") => b"/",
        Some(rest) if rest.starts_with(b"/") => rest,
        _ => mount_point,
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n\
        28 27 0:25 / /mnt/a\\040b\\011\\012\\134\\043c ro,nosuid shared:5 master:1 - tmpfs none\\040here ro\n\
        29 27 8:1 / /mnt/\xff rw - ext4 /dev/sda1 rw,emergency_ro\n\
        30 27 8:1 / /mnt/\xfe rw - ext4 /dev/sda1 rw\n\
        31 27 0:30 / /mnt/empty rw - nfs4  rw,ro2\n\
        32 27 254:0 / / rw - ext4 /dev/vda rw\n";

    fn selection(rootfs: &str) -> Selection {
        Selection { mount_points: Filter::default(), fs_types: Filter::default(), rootfs: rootfs.into() }
    }

    #[test]
    fn names_are_decoded_and_labels_unique() {
        let (mounts, broken) = parse(TABLE, &mut selection("/"));
        assert_eq!(broken, None);
        let shown: Vec<_> = mounts
            .iter()
            .map(|m| (m.device.as_str(), m.mount_point.as_str(), m.fs_type.as_str(), m.read_only, m.local))
            .collect();
        assert_eq!(
            shown,
            [
                ("/dev/vda", "/", "ext4", false, true),
                ("none here", "/mnt/a b\t\n\\#c", "tmpfs", true, true),
                ("/dev/sda1", "/mnt/\u{fffd}", "ext4", true, true),
                ("", "/mnt/empty", "nfs4", false, false),
            ]
        );
        assert_eq!(mounts[2].path.as_bytes(), b"/mnt/\xff");
        assert_eq!((mounts[0].major.as_str(), mounts[0].minor.as_str()), ("254", "0"));
    }

    #[test]
    fn the_prefix_of_the_root_goes_by_whole_components() {
        let table = b"1 0 8:1 / /host rw - ext4 a rw\n2 0 8:2 / /host/var rw - ext4 b rw\n\
            3 0 8:3 / /hostile rw - ext4 c rw\n";
        for root in ["/host", "/host/"] {
            let (mounts, _) = parse(table, &mut selection(root));
            let shown: Vec<_> =
                mounts.iter().map(|m| (m.mount_point.as_str(), m.path.to_str().unwrap())).collect();
            assert_eq!(
                shown,
                [("/", "/host/"), ("/var", "/host/var"), ("/hostile", "/host/hostile")],
                "{root}"
            );
        }
    }

    #[test]
    fn a_broken_line_costs_that_line_only() {
        let (mounts, broken) = parse(b"1 0 8:1 / /a rw - ext4 a rw\nrubbish\n", &mut selection("/"));
        assert_eq!(mounts.len(), 1);
        assert_eq!(broken.unwrap().line, 2);
        for end in 0..TABLE.len() {
            let (mounts, _) = parse(&TABLE[..end], &mut selection("/"));
            assert!(mounts.len() <= 4, "cut at {end}");
        }
    }

    #[test]
    fn a_mount_is_prompt_when_all_on_the_way_to_it_are() {
        let table = b"20 1 8:1 / / rw - ext4 a rw\n21 20 0:5 / /run rw - tmpfs b rw\n\
            22 20 0:6 / /nas rw - nfs4 c:/ rw\n23 22 8:2 / /nas/disk rw - ext4 d rw\n\
            24 21 8:3 / /run/disk rw - xfs e rw\n25 24 0:7 / /run/disk/x rw - fuse.x f rw\n\
            26 27 8:5 / /a rw - ext4 g rw\n27 26 8:6 / /b rw - ext4 h rw\n28 28 8:7 / /c rw - ext4 i rw\n";
        let (mounts, _) = parse(table, &mut selection("/"));
        let prompt: Vec<_> =
            mounts.iter().filter(|mount| mount.prompt).map(|mount| mount.mount_point.as_str()).collect();
        assert_eq!(prompt, ["/", "/run", "/run/disk", "/c"]);
    }

    #[test]
    fn servers_of_sources() {
        for (source, want) in
            [("nas:/a/b", "nas"), ("//nas/share", "nas"), ("/dev/sda1", "/dev/sda1"), ("", ""), ("//", "")]
        {
            assert_eq!(server(source), want, "{source}");
        }
    }

    #[test]
    fn only_whole_octal_escapes_are_decoded() {
        for (text, want) in [
            (&b"\\040"[..], &b" "[..]),
            (b"\\377x", b"\xffx"),
            (b"\\400", b"\\400"),
            (b"\\04", b"\\04"),
            (b"\\", b"\\"),
            (b"a\\089", b"a\\089"),
            (b"\\134040", b"\\040"),
        ] {
            assert_eq!(&*decode(text), want, "{text:?}");
        }
    }
}
