//! ZFS on Linux from `/proc/spl/kstat/zfs` (OpenZFS: `man 4 zfs`, `module/os/linux/spl/spl-kstat.c`): what the
//! module counts as a whole, what each pool and each mounted dataset has read and written, and the states of pools.
//! Which numbers there are depends on the version of OpenZFS: the names of families come from the files.

mod datasets;
mod kstat;

use super::{
    Branch, Branches, CollectError, Collector, Context, Settings, Spec, no_data_if_absent, read_word,
};
use crate::exposition::{Exposition, Kind};
use crate::host::{FileError, KernelFile};

use datasets::Datasets;
use kstat::{Row, pool_io, rows};

pub(super) const SPEC: Spec = Spec {
    name: "zfs",
    default_on: true,
    help: "caches, pools and datasets of ZFS (/proc/spl/kstat/zfs)",
    flags: &[],
    build: |settings| Ok(Box::new(Zfs::new(settings))),
};

const ABSENT: &str = "the kernel has no ZFS";

/// The files about the module as a whole, and what the names of their families begin with, after `node_zfs_`.
const FILES: &[(&str, &str)] = &[
    ("abdstats", "abd"),
    ("arcstats", "arc"),
    ("dbufstats", "dbuf"),
    ("dmu_tx", "dmu_tx"),
    ("dnodestats", "dnode"),
    ("fm", "fm"),
    ("vdev_cache_stats", "vdev_cache"),
    ("vdev_mirror_stats", "vdev_mirror"),
    ("xuio_stats", "xuio"),
    ("zfetchstats", "zfetch"),
    ("zil", "zil"),
];

/// Values of the label `state`. The file has one of them, in capitals.
const STATES: &[&str] = &["degraded", "faulted", "offline", "online", "removed", "suspended", "unavail"];

struct Zfs {
    /// The directory of a pool has files that come with the datasets.
    pools: Branches,
    files: Vec<GlobalFile>,
    io: Vec<PoolFile>,
    states: Vec<PoolState>,
    datasets: Datasets,
    name: FamilyName,
}

struct GlobalFile {
    name: &'static str,
    subsystem: &'static str,
    file: KernelFile,
}

struct PoolFile {
    pool: Box<[u8]>,
    file: KernelFile,
}

struct PoolState {
    pool: PoolFile,
    /// What the file had at this scrape; empty if it can't be read.
    state: Vec<u8>,
}

impl Zfs {
    fn new(settings: &Settings) -> Self {
        Self {
            pools: Branches::new(settings.root.proc("spl/kstat/zfs"), &[""]),
            files: Vec::new(),
            io: Vec::new(),
            states: Vec::new(),
            datasets: Datasets::default(),
            name: FamilyName::default(),
        }
    }

    fn find(&mut self) {
        let folder = self.pools.folder();
        let global = |&(name, subsystem): &(&'static str, &'static str)| GlobalFile {
            name,
            subsystem,
            file: KernelFile::new(folder.join(name)),
        };
        self.files = FILES.iter().map(global).filter(|global| global.file.path().exists()).collect();
        self.io.clear();
        self.states.clear();
        self.datasets.clear();
        for Branch { name: pool, folders, .. } in self.pools.iter() {
            for folder in folders {
                for name in folder.names() {
                    let path = folder.entry(name);
                    let pool_file = |file| PoolFile { pool: pool.clone(), file: KernelFile::new(file) };
                    match &**name {
                        b"io" => self.io.push(pool_file(path)),
                        b"state" => self.states.push(PoolState { pool: pool_file(path), state: Vec::new() }),
                        name if name.starts_with(b"objset-") => self.datasets.add(pool, &path),
                        _ => {}
                    }
                }
            }
        }
    }
}

impl Collector for Zfs {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let buffer = &mut context.buffer;
        let listed = self.pools.list(buffer, |_| true);
        if no_data_if_absent(listed, self.pools.folder(), ABSENT)? {
            self.find();
        }
        let mut result = Ok(());
        for global in &mut self.files {
            result = result.and(global.write(buffer, &mut self.name, out));
        }
        for pool in &mut self.io {
            result = result.and(pool.write_io(buffer, &mut self.name, out));
        }
        result = result.and(self.datasets.write(buffer, &mut self.name, out));
        for PoolState { pool, state } in &mut self.states {
            read_word(&mut pool.file, state, buffer);
        }
        let mut family = out.family("node_zfs_zpool_state", "Whether a pool is in this state.", Kind::Gauge);
        for name in STATES {
            for PoolState { pool, state } in self.states.iter().filter(|pool| !pool.state.is_empty()) {
                let is = state.eq_ignore_ascii_case(name.as_bytes());
                let labels = [("state", name.as_bytes()), ("zpool", &pool.pool)];
                family.sample(&labels, f64::from(is));
            }
        }
        Ok(result?)
    }
}

impl GlobalFile {
    fn write(
        &mut self,
        buffer: &mut Vec<u8>,
        name: &mut FamilyName,
        out: &mut Exposition,
    ) -> Result<(), FileError> {
        let Ok(text) = self.file.read(buffer) else { return Ok(()) };
        let path = self.file.path();
        for row in rows(text).map_err(|error| error.at(path))? {
            let Row::Number(key, value) = row.map_err(|error| error.at(path))? else { continue };
            let Some(family) = name.of(self.subsystem, key) else { continue };
            let help = ["Row ", key, " of /proc/spl/kstat/zfs/", self.name, "."];
            out.family_parts(&[family], &help, Kind::Untyped).sample(&[], value);
        }
        Ok(())
    }
}

impl PoolFile {
    fn write_io(
        &mut self,
        buffer: &mut Vec<u8>,
        name: &mut FamilyName,
        out: &mut Exposition,
    ) -> Result<(), FileError> {
        let Ok(text) = self.file.read(buffer) else { return Ok(()) };
        for (key, value) in pool_io(text).map_err(|error| error.at(self.file.path()))? {
            let Some(family) = name.of("zpool", key) else { continue };
            let help = ["Column ", key, " of the file io of pools in /proc/spl/kstat/zfs."];
            let mut family = out.family_parts(&[family], &help, Kind::Untyped);
            family.sample(&[("zpool", &self.pool)], value as f64);
        }
        Ok(())
    }
}

/// A family's name under construction.
#[derive(Default)]
struct FamilyName(String);

impl FamilyName {
    /// The family of the kstat's row `key`. `None` if the key can't be part of a name.
    fn of(&mut self, subsystem: &str, key: &str) -> Option<&str> {
        self.0.clear();
        self.0.extend(["node_zfs_", subsystem, "_"]);
        for letter in key.chars() {
            self.0.push(match letter {
                '-' => '_',
                letter if letter.is_ascii_alphanumeric() || letter == '_' => letter,
                _ => return None,
            });
        }
        Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;
    use crate::host::Root;

    #[test]
    fn names_of_families() {
        let mut name = FamilyName::default();
        assert_eq!(name.of("fm", "erpt-dropped"), Some("node_zfs_fm_erpt_dropped"));
        assert_eq!(["a.b", "ä"].map(|key| name.of("fm", key).is_some()), [false, false]);
    }

    #[test]
    fn datasets_and_pools_come_and_go() {
        let host = tempfile::tempdir().unwrap();
        let path = |name: &str| host.path().join("spl/kstat/zfs").join(name);
        let dataset = |file: &str, name: &str, rows: &str| {
            let text = format!("41 1 0x01\nname type data\ndataset_name 7 {name}\n{rows}\n");
            std::fs::create_dir_all(path(file).parent().unwrap()).unwrap();
            std::fs::write(path(file), text).unwrap();
        };
        let settings = Settings::new(Root { proc: host.path().into(), ..Root::default() });
        let mut zfs = Zfs::new(&settings);
        let mut samples = || {
            let (mut out, mut page) = (Exposition::new(), Vec::new());
            let result = zfs.collect(&mut Context::new(&settings), &mut out);
            out.render(Format::Text, &mut page);
            let page = String::from_utf8(page).unwrap();
            let lines = page.lines().filter_map(|line| line.strip_prefix("node_zfs_zpool_"));
            (lines.map(str::to_owned).collect::<Vec<_>>(), result)
        };
        let sample = |family: &str, name: &str, pool: &str, value: u32| {
            format!("dataset_{family}{{dataset=\"{name}\",zpool=\"{pool}\"}} {value}")
        };
        dataset("b/objset-0x1", "b/one", "reads 4 1\nwrites 4 2");
        dataset("a/objset-0x9", "a", "writes 4 3\nreads 4 4");
        let want = [
            sample("reads", "a", "a", 4),
            sample("reads", "b/one", "b", 1),
            sample("writes", "a", "a", 3),
            sample("writes", "b/one", "b", 2),
        ];
        let (lines, result) = samples();
        result.unwrap();
        assert_eq!(lines, want);
        dataset("b/objset-0x1", "b/new name", "reads 4 5\nwrites 4 x");
        let (lines, result) = samples();
        assert!(result.unwrap_err().to_string().contains("b/objset-0x1: line 5"));
        let of_a = [sample("reads", "a", "a", 4), sample("writes", "a", "a", 3)];
        assert_eq!(lines, [of_a[0].clone(), sample("reads", "b/new name", "b", 5), of_a[1].clone()]);
        std::fs::remove_dir_all(path("b")).unwrap();
        std::fs::write(path("a/state"), "SUSPENDED\n").unwrap();
        let (lines, result) = samples();
        result.unwrap();
        assert_eq!(lines[..2], of_a);
        let suspended: Vec<_> = lines.iter().filter(|line| line.ends_with(" 1")).collect();
        assert_eq!(suspended, ["state{state=\"suspended\",zpool=\"a\"} 1"]);
        std::fs::remove_dir_all(host.path().join("spl")).unwrap();
        assert!(matches!(samples().1, Err(CollectError::NoData(_))));
    }
}
