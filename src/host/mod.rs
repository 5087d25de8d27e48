//! The host under watch: where its `/proc`, `/sys`, root file system and udev database are mounted, and how
//! their files are read cheaply.

mod cpu_list;
pub mod dbus;
mod directory;
mod file;
mod folder;
mod links;
pub mod netlink;
pub mod parse;

use std::path::{Path, PathBuf};

pub use cpu_list::CpuList;
pub use directory::Directory;
pub use file::{FileStamp, KernelFile, read_small};
pub use folder::Folder;
pub use links::{Link, Links};
pub use parse::{FileError, ParseError};

/// `USER_HZ`: how many of the ticks that `/proc` counts time in make a second. It is 100 on all architectures that
/// are left.
pub const TICKS_PER_SECOND: u64 = 100;

/// The directories that describe one host. All paths below are built from these, so that a container can look
/// at its host and a test at plain files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Where procfs is mounted (`--path.procfs`).
    pub proc: PathBuf,
    /// Where sysfs is mounted (`--path.sysfs`).
    pub sys: PathBuf,
    /// Where the host's own `/` is mounted (`--path.rootfs`).
    pub rootfs: PathBuf,
    /// The udev database (`--path.udev.data`).
    pub udev: PathBuf,
}

impl Default for Root {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into(), rootfs: "/".into(), udev: "/run/udev/data".into() }
    }
}

impl Root {
    /// A path below procfs.
    pub fn proc(&self, path: impl AsRef<Path>) -> PathBuf {
        self.proc.join(path)
    }

    /// Whether procfs is the kernel's own, wherever it is mounted, and not a copy of its files.
    pub fn proc_is_live(&self) -> bool {
        rustix::fs::statfs(&self.proc).is_ok_and(|found| found.f_type == rustix::fs::PROC_SUPER_MAGIC)
    }

    /// A path below sysfs.
    pub fn sys(&self, path: impl AsRef<Path>) -> PathBuf {
        self.sys.join(path)
    }

    /// A path of the host, given as the host sees it: absolute.
    pub fn rootfs(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.rootfs.join(path.strip_prefix("/").unwrap_or(path))
    }
}
