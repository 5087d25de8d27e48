//! Hosts of the kind that break when a test says so.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::common::hosts::{copy, folder, temporary_folder};
use super::common::servers::{Server, vitals_exporter_at};
use super::common::small_disk::SmallDisk;

/// What can break: a file, and what differs in it from the fixture when all is well and when not.
pub struct Part {
    file: &'static str,
    well: &'static [(&'static str, &'static str)],
    broken: &'static [(&'static str, &'static str)],
}

/// The array md2 of six disks, five of them in use and one of these failed.
pub const RAID: Part = Part {
    file: "proc/mdstat",
    well: &[("sdf1[4](F)", "sdf1[4]"), ("[5/4] [UUUU_]", "[5/5] [UUUUU]")],
    broken: &[],
};
/// One of two pools.
const POOL: Part =
    Part { file: "proc/spl/kstat/zfs/backup/state", well: &[("DEGRADED", "ONLINE")], broken: &[] };
/// One of two links of bond0.
pub const BOND: Part =
    Part { file: "sys/class/net/enp3s0f1/bonding_slave/mii_status", well: &[("down", "up")], broken: &[] };
/// A processor with a limit of 100 °C.
pub const COOLING: Part = Part {
    file: "sys/devices/platform/coretemp.0/hwmon/hwmon0/temp1_input",
    well: &[],
    broken: &[("47000", "101500")],
};
/// A memory controller that has lost nothing so far.
pub const MEMORY: Part =
    Part { file: "sys/devices/system/edac/mc/mc0/ue_count", well: &[], broken: &[("0", "3")] };

/// A copy of a fixture host with our exporter.
pub struct Host {
    fixture: PathBuf,
    folder: tempfile::TempDir,
    arguments: Vec<OsString>,
    wrapper: Vec<String>,
    exporter: Option<Server>,
    /// Where its exporter listens, or listened.
    pub address: SocketAddr,
}

impl Host {
    /// A server with much hardware, all of it well. Its root file system is `disk`, if there is one.
    pub fn server(disk: Option<&SmallDisk>) -> Self {
        let mounts = disk.map_or("", |_| "27 1 0:60 / / rw,relatime shared:1 - tmpfs tmpfs rw\n");
        let mut host = Self::prepared("server", mounts);
        if let Some(disk) = disk {
            host.arguments.push(flag("rootfs", disk.path()));
            host.wrapper = disk.wrapper();
        }
        for part in [RAID, POOL, BOND] {
            host.mend(&part);
        }
        host.start();
        host
    }

    /// A virtual machine with next to no hardware that has just been started.
    pub fn just_booted() -> Self {
        let mut host = Self::prepared("vm", "");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let stat = host.read("proc/stat");
        let boot = stat.lines().find(|line| line.starts_with("btime ")).unwrap();
        host.write("proc/stat", &stat.replace(boot, &format!("btime {now}")));
        host.start();
        host
    }

    fn prepared(fixture: &str, mounts: &str) -> Self {
        let fixture = folder("fixtures").join(fixture);
        let folder = temporary_folder();
        copy(&fixture, folder.path());
        let arguments = vec![
            flag("procfs", &folder.path().join("proc")),
            flag("sysfs", &folder.path().join("sys")),
            flag("udev.data", &folder.path().join("udev")),
            // These would tell of the clock and the disks of the machine that runs the tests.
            "--no-collector.timex".into(),
            "--no-collector.vitals".into(),
        ];
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let host = Self { fixture, folder, arguments, wrapper: Vec::new(), exporter: None, address };
        // Sizes of file systems are the kernel's; those of the fixture are not mounted here.
        host.write("proc/1/mountinfo", mounts);
        host
    }

    /// Starts the exporter, where it was if it ran before.
    pub fn start(&mut self) {
        let exporter = vitals_exporter_at(self.address, &self.wrapper, &self.arguments);
        self.address = exporter.address;
        self.exporter = Some(exporter);
    }

    /// Kills the exporter.
    pub fn kill(&mut self) {
        self.exporter = None;
    }

    /// Something goes wrong.
    pub fn break_down(&self, part: &Part) {
        self.change(part.file, part.broken);
    }

    /// It is well again.
    pub fn mend(&self, part: &Part) {
        self.change(part.file, part.well);
    }

    fn change(&self, file: &str, edits: &[(&str, &str)]) {
        let mut content = fs::read_to_string(self.fixture.join(file)).unwrap();
        for (from, to) in edits {
            assert!(content.contains(from), "no {from} in {file}");
            content = content.replace(from, to);
        }
        self.write(file, &content);
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.path().join(file)).unwrap()
    }

    /// The file stays the same one, as those of the kernel do, and is never empty in between.
    fn write(&self, file: &str, content: &str) {
        let file = fs::File::options().write(true).open(self.folder.path().join(file)).unwrap();
        file.write_all_at(content.as_bytes(), 0).unwrap();
        file.set_len(content.len() as u64).unwrap();
    }
}

fn flag(name: &str, path: &Path) -> OsString {
    let mut flag = OsString::from(format!("--path.{name}="));
    flag.push(path);
    flag
}
