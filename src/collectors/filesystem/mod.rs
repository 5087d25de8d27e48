//! Sizes and states of mounted file systems, from the mount table and statfs(2).
//!
//! A mount that does not answer costs its own samples only: see [`statfs`].
//!
//! Where a mount covers another one that has the same labels there is one set of samples for both, with the number of
//! the first. node_exporter gives the numbers of both, which makes queries that join by mount point ambiguous.

mod mountinfo;
mod statfs;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::{BuildError, CollectError, Collector, Context, Flag, FlagKind, Settings, Spec};
use crate::exposition::{Exposition, Kind};
use crate::host::{FileError, KernelFile};
use mountinfo::{Mount, Selection};
use statfs::{Answer, Usage, Workers};

const MOUNT_POINTS_EXCLUDE: Flag = Flag::new(
    "filesystem.mount-points-exclude",
    FlagKind::Pattern(
        "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
    ),
    "Regular expression of mount points to leave out.",
);
const MOUNT_POINTS_INCLUDE: Flag = Flag::new(
    "filesystem.mount-points-include",
    FlagKind::Pattern(""),
    "Regular expression of mount points to keep; not together with the exclude flag.",
);
const FS_TYPES_EXCLUDE: Flag = Flag::new(
    "filesystem.fs-types-exclude",
    FlagKind::Pattern(
        "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|\
         overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$",
    ),
    "Regular expression of file system types to leave out.",
);
const FS_TYPES_INCLUDE: Flag = Flag::new(
    "filesystem.fs-types-include",
    FlagKind::Pattern(""),
    "Regular expression of file system types to keep; not together with the exclude flag.",
);
const MOUNT_TIMEOUT: Flag = Flag::new(
    "filesystem.mount-timeout",
    FlagKind::Duration("5s"),
    "A mount that takes longer than this, or than 1s, is left alone until it answers.",
)
.hidden();
const STAT_WORKERS: Flag = Flag::new(
    "filesystem.stat-workers",
    FlagKind::Count(4),
    "How many local mounts may be asked at once when some are slow.",
)
.hidden();

pub(super) const SPEC: Spec = Spec {
    name: "filesystem",
    default_on: true,
    help: "sizes and states of mounted file systems (/proc/1/mountinfo, statfs)",
    flags: &[
        MOUNT_POINTS_EXCLUDE,
        MOUNT_POINTS_INCLUDE,
        FS_TYPES_EXCLUDE,
        FS_TYPES_INCLUDE,
        Flag::alias("filesystem.ignored-mount-points", MOUNT_POINTS_EXCLUDE.name, FlagKind::Pattern("")),
        Flag::alias("filesystem.ignored-fs-types", FS_TYPES_EXCLUDE.name, FlagKind::Pattern("")),
        MOUNT_TIMEOUT,
        STAT_WORKERS,
    ],
    build: |settings| Ok(Box::new(FileSystem::new(settings)?)),
};

struct FileSystem {
    table_of_init: KernelFile,
    table_of_self: KernelFile,
    selection: Selection,
    /// The text that `mounts` came from. Mount tables rarely change, and comparing is cheaper than parsing.
    text: Vec<u8>,
    buffer: Vec<u8>,
    mounts: Arc<Vec<Mount>>,
    broken: Option<FileError>,
    answers: Vec<Answer>,
    workers: Workers,
    /// What came of starting the present gather.
    started: Option<Result<(), CollectError>>,
    mount_timeout: Duration,
}

impl FileSystem {
    fn new(settings: &Settings) -> Result<Self, BuildError> {
        Ok(Self {
            table_of_init: KernelFile::new(settings.root.proc("1/mountinfo")),
            table_of_self: KernelFile::new(settings.root.proc("self/mountinfo")),
            selection: Selection {
                mount_points: settings.filter(&MOUNT_POINTS_INCLUDE, &MOUNT_POINTS_EXCLUDE)?,
                fs_types: settings.filter(&FS_TYPES_INCLUDE, &FS_TYPES_EXCLUDE)?,
                rootfs: settings.root.rootfs.clone(),
            },
            text: Vec::new(),
            buffer: Vec::new(),
            mounts: Arc::default(),
            broken: None,
            answers: Vec::new(),
            workers: Workers::new(settings.count(&STAT_WORKERS), statfs::statfs),
            started: None,
            mount_timeout: settings.duration(&MOUNT_TIMEOUT),
        })
    }

    /// Reads the mount table of the first process, which sees all of the host, or that of this process.
    fn read(&mut self) -> Result<(), CollectError> {
        let buffer = &mut self.buffer;
        let file = match self.table_of_init.read(buffer) {
            Ok(_) => &self.table_of_init,
            Err(error) => match self.table_of_self.read(buffer) {
                Ok(_) => &self.table_of_self,
                Err(_) => return Err(CollectError::read(self.table_of_init.path(), error)),
            },
        };
        if *buffer != self.text {
            let (mounts, broken) = mountinfo::parse(buffer, &mut self.selection);
            self.mounts = Arc::new(mounts);
            self.broken = broken.map(|error| error.at(file.path()));
            self.answers.clear();
            std::mem::swap(&mut self.text, buffer);
        }
        Ok(())
    }
}

impl Collector for FileSystem {
    fn prepare(&mut self) {
        self.started = Some(self.read().and_then(|()| {
            let no_thread = |error| CollectError::Other(format!("cannot start a thread for statfs: {error}"));
            self.workers.start(&self.mounts, &self.answers).map_err(no_thread)
        }));
    }

    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        self.started.take().unwrap_or(Ok(()))?;
        context.wait(|latest| {
            let latest = latest.min(Instant::now() + self.mount_timeout);
            self.workers.finish(&mut self.answers, latest);
        });
        write(&self.mounts, &self.answers, out);
        self.broken.clone().map_or(Ok(()), |error| Err(error.into()))
    }
}

fn write(mounts: &[Mount], answers: &[Answer], out: &mut Exposition) {
    let each = || mounts.iter().zip(answers);
    let help = "Whether asking the file system for its sizes failed.";
    let mut family = out.family("node_filesystem_device_error", help, Kind::Gauge);
    for (mount, answer) in each() {
        let failed = !matches!(answer, Answer::Usage(_));
        family.sample(&labels(mount, &error_text(answer)), f64::from(failed));
    }
    let mut family = out.family("node_filesystem_readonly", "Filesystem read-only status.", Kind::Gauge);
    for (mount, answer) in each() {
        family.sample(&labels(mount, &error_text(answer)), f64::from(mount.read_only));
    }
    let mut family =
        out.family("node_filesystem_mount_info", "The device number of a mounted file system.", Kind::Gauge);
    for (mount, answer) in each() {
        if mount.first_with_number && matches!(answer, Answer::Usage(_)) {
            let labels = [
                ("device", mount.device.as_bytes()),
                ("major", mount.major.as_bytes()),
                ("minor", mount.minor.as_bytes()),
                ("mountpoint", mount.mount_point.as_bytes()),
            ];
            family.sample(&labels, 1.0);
        }
    }
    for (name, help, value) in SIZES {
        let mut family = out.family(name, help, Kind::Gauge);
        for (mount, answer) in each() {
            if let Answer::Usage(usage) = answer {
                family.sample(&labels(mount, ""), value(usage) as f64);
            }
        }
    }
}

type Size = (&'static str, &'static str, fn(&Usage) -> u64);

const SIZES: [Size; 6] = [
    ("node_filesystem_size_bytes", "Filesystem size in bytes.", |usage| usage.size_bytes),
    ("node_filesystem_free_bytes", "Filesystem free space in bytes.", |usage| usage.free_bytes),
    ("node_filesystem_avail_bytes", "Filesystem space available to non-root users in bytes.", |usage| {
        usage.available_bytes
    }),
    ("node_filesystem_files", "Filesystem total file nodes.", |usage| usage.files),
    ("node_filesystem_files_free", "Filesystem total free file nodes.", |usage| usage.files_free),
    // Space that macOS would free by itself. node_exporter gives this 0 on Linux too.
    ("node_filesystem_purgeable_bytes", "Filesystem space that the system can reclaim in bytes.", |_| 0),
];

fn labels<'a>(mount: &'a Mount, error: &'a str) -> [(&'static str, &'a [u8]); 4] {
    [
        ("device", mount.device.as_bytes()),
        ("device_error", error.as_bytes()),
        ("fstype", mount.fs_type.as_bytes()),
        ("mountpoint", mount.mount_point.as_bytes()),
    ]
}

/// The label `device_error`, with node_exporter's words for the errors that statfs(2) and the file systems of
/// networks are known for.
fn error_text(answer: &Answer) -> Cow<'static, str> {
    let error = match *answer {
        Answer::Usage(_) => return "".into(),
        Answer::Timeout => return "mountpoint timeout".into(),
        Answer::Failed(error) => error,
    };
    match error {
        Errno::ACCESS => "permission denied".into(),
        Errno::PERM => "operation not permitted".into(),
        Errno::NOENT => "no such file or directory".into(),
        Errno::NOTDIR => "not a directory".into(),
        Errno::LOOP => "too many levels of symbolic links".into(),
        Errno::NAMETOOLONG => "file name too long".into(),
        Errno::IO => "input/output error".into(),
        Errno::STALE => "stale NFS file handle".into(),
        Errno::NOTCONN => "transport endpoint is not connected".into(),
        Errno::TIMEDOUT => "connection timed out".into(),
        Errno::HOSTDOWN => "host is down".into(),
        Errno::HOSTUNREACH => "no route to host".into(),
        Errno::NOSYS => "function not implemented".into(),
        Errno::NODEV => "no such device".into(),
        Errno::NXIO => "no such device or address".into(),
        Errno::REMOTEIO => "remote I/O error".into(),
        Errno::UCLEAN => "structure needs cleaning".into(),
        Errno::CONNABORTED => "software caused connection abort".into(),
        Errno::CONNREFUSED => "connection refused".into(),
        Errno::CONNRESET => "connection reset by peer".into(),
        Errno::NETUNREACH => "network is unreachable".into(),
        Errno::NOKEY => "required key not available".into(),
        Errno::KEYEXPIRED => "key has expired".into(),
        other => format!("errno {}", other.raw_os_error()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collectors::Filter;
    use crate::exposition::Format;

    #[test]
    fn a_mount_that_fails_has_two_samples() {
        let table = b"1 0 8:1 / /good rw - ext4 a rw\n2 0 0:2 / /bad ro - nfs4 b rw\n\
            3 0 0:3 / /dead rw - nfs4 c rw\n";
        let mut all =
            Selection { mount_points: Filter::default(), fs_types: Filter::default(), rootfs: "/".into() };
        let (mounts, _) = mountinfo::parse(table, &mut all);
        let usage = Usage { size_bytes: 5, free_bytes: 4, available_bytes: 3, files: 2, files_free: 1 };
        let mut out = Exposition::new();
        let answers = [Answer::Usage(usage), Answer::Failed(Errno::ACCESS), Answer::Timeout];
        write(&mounts, &answers, &mut out);
        let mut page = Vec::new();
        out.render(Format::Text, &mut page);
        let page = String::from_utf8(page).unwrap();
        let samples: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
        let of = |rest: &str| format!("node_filesystem_{rest}");
        let good = "{device=\"a\",device_error=\"\",fstype=\"ext4\",mountpoint=\"/good\"}";
        let bad = "{device=\"b\",device_error=\"permission denied\",fstype=\"nfs4\",mountpoint=\"/bad\"}";
        let dead = "{device=\"c\",device_error=\"mountpoint timeout\",fstype=\"nfs4\",mountpoint=\"/dead\"}";
        assert_eq!(
            samples,
            [
                of(&format!("avail_bytes{good} 3")),
                of(&format!("device_error{good} 0")),
                of(&format!("device_error{bad} 1")),
                of(&format!("device_error{dead} 1")),
                of(&format!("files{good} 2")),
                of(&format!("files_free{good} 1")),
                of(&format!("free_bytes{good} 4")),
                of("mount_info{device=\"a\",major=\"8\",minor=\"1\",mountpoint=\"/good\"} 1"),
                of(&format!("purgeable_bytes{good} 0")),
                of(&format!("readonly{good} 0")),
                of(&format!("readonly{bad} 1")),
                of(&format!("readonly{dead} 0")),
                of(&format!("size_bytes{good} 5")),
            ]
        );
    }
}
