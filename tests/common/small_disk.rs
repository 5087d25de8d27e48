//! A filesystem that a test can fill.

use super::process::Running;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const START: Duration = Duration::from_secs(10);
const MOUNT: &str = "mount -t tmpfs -o size=\"$2\",mode=755 tmpfs \"$1\" && echo mounted && exec sleep 600";

/// A tmpfs in a mount namespace of its own: other programs don't see it, and it goes with this handle.
pub struct SmallDisk {
    namespace: Running,
    mount_point: tempfile::TempDir,
    enter: &'static [&'static str],
}

impl SmallDisk {
    /// A filesystem of so many bytes. `None` where this user may not mount one.
    pub fn mount(bytes: u64) -> Option<Self> {
        // Others than root may where the kernel lets users have namespaces.
        const WAYS: [(&[&str], &[&str]); 2] = [
            (&["--mount"], &["--mount"]),
            (&["--mount", "--user", "--map-root-user"], &["--mount", "--user", "--preserve-credentials"]),
        ];
        let are_there = ["unshare", "nsenter"]
            .iter()
            .all(|program| Command::new(program).arg("--version").output().is_ok());
        for (unshare, enter) in WAYS.iter().filter(|_| are_there) {
            let mount_point = tempfile::tempdir().unwrap();
            let mut command = Command::new("unshare");
            command.args(*unshare).args(["sh", "-c", MOUNT, "sh"]);
            command.arg(mount_point.path()).arg(bytes.to_string());
            let mut namespace = Running::start(command);
            let mounted = |log: &str| log.contains("mounted").then_some(());
            if namespace.try_wait_for(START, mounted).is_ok() {
                return Some(Self { namespace, mount_point, enter });
            }
        }
        None
    }

    /// The command line that starts a program where the filesystem is.
    pub fn wrapper(&self) -> Vec<String> {
        let target = self.namespace.id().to_string();
        let words = ["nsenter", "--target", &target].into_iter().chain(self.enter.iter().copied());
        words.map(str::to_owned).collect()
    }

    /// Where programs that are started there find it.
    pub fn path(&self) -> &Path {
        self.mount_point.path()
    }

    /// Where this process finds it.
    pub fn seen_from_here(&self) -> PathBuf {
        let path = self.path().strip_prefix("/").unwrap();
        Path::new("/proc").join(self.namespace.id().to_string()).join("root").join(path)
    }

    /// Leaves so many bytes free.
    pub fn fill_but(&self, bytes: u64) {
        let free = self.free_bytes();
        let more = free.checked_sub(bytes).unwrap_or_else(|| panic!("only {free} bytes are free"));
        let mut ballast = File::options().create(true).append(true).open(self.ballast()).unwrap();
        std::io::copy(&mut std::io::repeat(0).take(more), &mut ballast).unwrap();
        assert_eq!(self.free_bytes(), bytes);
    }

    /// How many bytes are free, as its kernel says.
    pub fn free_bytes(&self) -> u64 {
        let found = rustix::fs::statvfs(self.seen_from_here()).unwrap();
        found.f_bavail * found.f_frsize
    }

    /// Leaves no byte free.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        for size in [64 << 10, 1] {
            let piece = vec![0; size];
            let error = loop {
                if let Err(error) = ballast.write_all(&piece) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        }
    }

    /// Gives all of that back.
    pub fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.seen_from_here().join("ballast")
    }
}
