//! A host with many CPUs, disks, network interfaces and mounts, as plain files: the fixture host, grown.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::hosts;

/// How many of each there are, the few of the fixture host not counted; but CPUs are these and no others.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub cpus: usize,
    pub disks: usize,
    pub interfaces: usize,
    pub mounts: usize,
}

/// The largest host that tests and benchmarks build.
pub const FULL: Size = Size { cpus: 256, disks: 500, interfaces: 1000, mounts: 2000 };

impl Size {
    /// This size, divided.
    pub fn part(self, divisor: usize) -> Self {
        Self {
            cpus: self.cpus / divisor,
            disks: self.disks / divisor,
            interfaces: self.interfaces / divisor,
            mounts: self.mounts / divisor,
        }
    }
}

/// What attributes whose value does not matter are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attributes {
    /// Files of their own.
    Plain,
    /// Links to a file of procfs that has a number. Readers keep files of the kernel open, but no plain ones.
    OfTheKernel,
}

/// A whole number that no running system changes.
const KERNEL_NUMBER: &str = "/proc/sys/kernel/ngroups_max";

/// A host in a folder of its own, with the names of what was added.
#[derive(Debug)]
pub struct BigHost {
    pub folder: PathBuf,
    pub cpus: Vec<String>,
    pub disks: Vec<String>,
    pub interfaces: Vec<String>,
    pub mounts: Vec<String>,
}

impl BigHost {
    /// Builds a host of `size` in `folder`, which has to be empty.
    pub fn build(folder: &Path, size: Size, attributes: Attributes) -> Self {
        hosts::copy(&hosts::folder("fixtures/server"), folder);
        let name = |prefix: &str, count: usize| (0..count).map(|n| format!("{prefix}{n}")).collect();
        let host = Self {
            folder: folder.to_owned(),
            cpus: name("", size.cpus),
            disks: (0..size.disks).map(|n| format!("big{}", letters(n))).collect(),
            interfaces: name("big", size.interfaces),
            mounts: name("/big/volume", size.mounts),
        };
        host.write_cpus(attributes);
        host.write_disks();
        host.write_interfaces(attributes);
        host.write_mounts();
        host
    }

    fn write_cpus(&self, attributes: Attributes) {
        // All CPUs are alike: what only some of the fixture host's have would look like a gap.
        let folder = self.folder.join("sys/devices/system/cpu");
        for number in 0.. {
            match fs::remove_dir_all(folder.join(format!("cpu{number}"))) {
                Ok(()) => {}
                Err(_) => break,
            }
        }
        let cpus = || 0..self.cpus.len();
        let total = 1_000_000 * self.cpus.len();
        let mut stat = format!("cpu  {total} 20 {total} {total} 50 0 70 0 9 0\n");
        let (mut schedstat, mut softnet) = ("version 15\ntimestamp 4295\n".to_owned(), String::new());
        let mut cpuinfo = String::new();
        for cpu in cpus() {
            let ticks = 1_000_000 + cpu * 7919;
            writeln!(stat, "cpu{cpu} {ticks} 20 {ticks} {ticks} 50 0 70 0 9 0").unwrap();
            writeln!(schedstat, "cpu{cpu} 0 0 0 0 0 0 {ticks}00000 {ticks}000 {ticks}").unwrap();
            let zeros = "00000000 ".repeat(9);
            writeln!(softnet, "{ticks:08x} 00000001 00000002 {zeros}{cpu:08x}").unwrap();
            let package = cpu * 2 / self.cpus.len();
            writeln!(
                cpuinfo,
                "processor\t: {cpu}\nvendor_id\t: GenuineIntel\nmodel name\t: Big 9000\ncpu MHz\t\t: 2400.000\n\
                 physical id\t: {package}\ncore id\t\t: {cpu}\nflags\t\t: fpu aes\nbugs\t\t: spectre_v1\n"
            )
            .unwrap();
        }
        let rest = fs::read_to_string(self.folder.join("proc/stat")).unwrap();
        stat.extend(rest.lines().filter(|line| !line.starts_with("cpu")).flat_map(|line| [line, "\n"]));
        let columns = |head: &str, row: &str| {
            let cells = |cell: &dyn Fn(usize) -> String| cpus().map(cell).collect::<Vec<_>>().join(" ");
            let counts = cells(&|cpu| (cpu * 31).to_string());
            format!("{head}{}\n{row}", cells(&|cpu| format!("CPU{cpu}"))).replace("COUNTS", &counts)
        };
        self.write("proc/stat", &stat);
        self.write("proc/cpuinfo", &cpuinfo);
        self.write("proc/schedstat", &schedstat);
        self.write("proc/net/softnet_stat", &softnet);
        self.write("proc/softirqs", &columns("          ", "      HI: COUNTS\n   TIMER: COUNTS\n"));
        let interrupts = "  1: COUNTS IO-APIC 1-edge i8042\nNMI: COUNTS Non-maskable interrupts\n";
        self.write("proc/interrupts", &columns("     ", interrupts));

        let all = format!("0-{}\n", self.cpus.len() - 1);
        for list in ["isolated", "online", "possible", "present"] {
            self.write(&format!("sys/devices/system/cpu/{list}"), &all);
        }
        for cpu in cpus() {
            let file = |path: &str| format!("sys/devices/system/cpu/cpu{cpu}/{path}");
            self.write(&file("online"), "1\n");
            self.write(&file("topology/core_id"), &format!("{cpu}\n"));
            self.write(&file("topology/physical_package_id"), &format!("{}\n", cpu * 2 / self.cpus.len()));
            for count in ["core_throttle_count", "package_throttle_count"] {
                self.write_number(attributes, &file(&format!("thermal_throttle/{count}")));
            }
            for frequency in
                ["cpuinfo", "scaling"].iter().flat_map(|of| ["cur", "min", "max"].map(|n| (of, n)))
            {
                let (of, which) = frequency;
                self.write_number(attributes, &file(&format!("cpufreq/{of}_{which}_freq")));
            }
            self.write(&file("cpufreq/scaling_governor"), "performance\n");
            self.write(&file("cpufreq/scaling_available_governors"), "performance powersave\n");
            self.write(&file("cpufreq/scaling_driver"), "intel_pstate\n");
            self.write(&file("cpufreq/related_cpus"), &format!("{cpu}\n"));
            let cooling = |path: &str| format!("sys/class/thermal/cooling_device{}/{path}", cpu + 100);
            self.write(&cooling("type"), "Processor\n");
            self.write_number(attributes, &cooling("cur_state"));
            self.write_number(attributes, &cooling("max_state"));
        }
    }

    fn write_disks(&self) {
        let mut lines = fs::read_to_string(self.folder.join("proc/diskstats")).unwrap();
        for (index, disk) in self.disks.iter().enumerate() {
            let (n, minor) = (index * 7919, index + 1000);
            writeln!(lines, "{:4} {minor:7} {disk} {n} 2 {n} 4 {n} 6 {n} 8 0 10 11 12 0 14 15 16 17", 65)
                .unwrap();
            self.write(&format!("sys/block/{disk}/queue/rotational"), "0\n");
            self.write(
                &format!("udev/b65:{minor}"),
                &format!(
                    "E:ID_MODEL=Big\nE:ID_PATH=pci-{index}\nE:ID_SERIAL=S{index}\nE:ID_WWN=0x{index:016x}\n"
                ),
            );
        }
        self.write("proc/diskstats", &lines);
    }

    fn write_interfaces(&self, attributes: Attributes) {
        let mut lines = fs::read_to_string(self.folder.join("proc/net/dev")).unwrap();
        for (index, interface) in self.interfaces.iter().enumerate() {
            let n = index * 7919;
            writeln!(lines, "{interface:>8}: {n} {n} 1 2 3 4 5 6 {n} {n} 9 10 11 12 13 14").unwrap();
            let file = |path: &str| format!("sys/class/net/{interface}/{path}");
            for (path, text) in [
                ("address", format!("02:00:00:00:{:02x}:{:02x}", index / 256, index % 256)),
                ("broadcast", "ff:ff:ff:ff:ff:ff".to_owned()),
                ("duplex", "full".to_owned()),
                ("flags", "0x1003".to_owned()),
                ("ifalias", String::new()),
                ("ifindex", (index + 100).to_string()),
                ("iflink", (index + 100).to_string()),
                ("operstate", "up".to_owned()),
            ] {
                self.write(&file(path), &(text + "\n"));
            }
            for path in
                ["addr_assign_type", "carrier", "dev_id", "dormant", "link_mode", "name_assign_type", "type"]
            {
                let text = if path == "dev_id" { "0x0\n" } else { "1\n" };
                self.write(&file(path), text);
            }
            for path in [
                "carrier_changes",
                "carrier_down_count",
                "carrier_up_count",
                "mtu",
                "netdev_group",
                "speed",
                "tx_queue_len",
            ] {
                self.write_number(attributes, &file(path));
            }
        }
        self.write("proc/net/dev", &lines);
    }

    fn write_mounts(&self) {
        let mut lines = fs::read_to_string(self.folder.join("proc/1/mountinfo")).unwrap();
        for (index, mount) in self.mounts.iter().enumerate() {
            let (id, minor) = (index + 1000, index + 1);
            writeln!(lines, "{id} 1 66:{minor} / {mount} rw,relatime - ext4 /dev/big{index} rw").unwrap();
            fs::create_dir_all(self.folder.join(mount.trim_start_matches('/'))).unwrap();
        }
        self.write("proc/1/mountinfo", &lines);
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    fn write_number(&self, attributes: Attributes, path: &str) {
        if attributes == Attributes::Plain {
            return self.write(path, "65536\n");
        }
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::remove_file(&path).ok(); // the fixture host's
        std::os::unix::fs::symlink(KERNEL_NUMBER, &path).unwrap();
    }
}

/// 0 is `a`, 25 is `z`, 26 is `ba` and so on: names of disks that end in a digit may be taken for partitions.
fn letters(number: usize) -> String {
    let letter = |digit: usize| char::from(b'a' + u8::try_from(digit % 26).unwrap());
    let head = if number < 26 { String::new() } else { letters(number / 26) };
    head + &letter(number).to_string()
}
