//! Sensors of temperature, voltage, fans and so on, from `/sys/class/hwmon` (kernel:
//! `Documentation/hwmon/sysfs-interface.rst`).
//!
//! Most drivers read a register and are done. Others ask a device over a slow bus, and where the device is broken
//! that takes seconds or never ends. So a chip that has once taken [`SLOW`] is from then on read by a thread, for
//! which a scrape waits no longer than [`Context::wait`] allows; hosts with prompt chips have no such thread. A chip
//! that hangs without ever having been slow before holds up the scrape.

mod chip;
mod names;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use self::chip::Chip;
use super::{
    CollectError, Collector, Context, Filter, Flag, FlagKind, NoAnswer, Reader, Spec, no_data_if_absent,
};
use crate::exposition::Exposition;
use crate::host::Folder;

const CHIP_INCLUDE: Flag = Flag::new(
    "hwmon.chip-include",
    FlagKind::Pattern(""),
    "Regular expression of the chips to give, by the label chip.",
);
const CHIP_EXCLUDE: Flag = Flag::new(
    "hwmon.chip-exclude",
    FlagKind::Pattern(""),
    "Regular expression of the chips to leave out, by the label chip.",
);
const SENSOR_INCLUDE: Flag = Flag::new(
    "hwmon.sensor-include",
    FlagKind::Pattern(""),
    "Regular expression of the sensors to give, as chip;sensor.",
);
const SENSOR_EXCLUDE: Flag = Flag::new(
    "hwmon.sensor-exclude",
    FlagKind::Pattern(""),
    "Regular expression of the sensors to leave out, as chip;sensor.",
);

pub(super) const SPEC: Spec = Spec {
    name: "hwmon",
    default_on: true,
    help: "temperatures, voltages, fans, power and other sensors of chips (/sys/class/hwmon)",
    flags: &[CHIP_INCLUDE, CHIP_EXCLUDE, SENSOR_INCLUDE, SENSOR_EXCLUDE],
    build: |settings| {
        Ok(Box::new(Hwmon {
            folder: Folder::new(settings.root.sys("class/hwmon")),
            chip_filter: settings.both(&CHIP_INCLUDE, &CHIP_EXCLUDE),
            sensor_filter: settings.both(&SENSOR_INCLUDE, &SENSOR_EXCLUDE),
            prompt: Vec::new(),
            slow: SlowChips::default(),
            turned_slow: false,
        }))
    },
};

/// A chip that takes this long, so many times in a row, is no longer read beside the others. Once may be this thread's
/// own wait for a CPU.
const SLOW: Duration = Duration::from_millis(10);
const SLOW_TIMES: u32 = 3;

struct Hwmon {
    folder: Folder,
    chip_filter: Filter,
    sensor_filter: Filter,
    /// Chips by label that have always been prompt.
    prompt: Vec<Chip>,
    slow: SlowChips,
    /// A chip has turned slow since they were found.
    turned_slow: bool,
}

impl Hwmon {
    fn find(&mut self, buffer: &mut Vec<u8>) {
        let folders = self.folder.names().iter().map(|name| self.folder.entry(name));
        let folders = folders.filter(|folder| folder.is_dir()).collect();
        let mut places = chip::label_all(folders, buffer);
        places.sort_unstable_by(|a, b| a.1.cmp(&b.1));
        places.retain(|(_, label)| self.chip_filter.keeps(label.as_bytes()));
        let chips = places
            .into_iter()
            .map(|(folder, label)| Chip::find(&folder, label, &mut self.sensor_filter, buffer));
        let (slow, prompt) = chips.partition(|chip| self.slow.labels.contains(&chip.label));
        self.prompt = prompt;
        self.slow.replace(slow);
    }
}

impl Collector for Hwmon {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let listed = self.folder.list(&mut context.buffer);
        let absent = "the kernel has no hardware monitors";
        if no_data_if_absent(listed, self.folder.path(), absent)? || std::mem::take(&mut self.turned_slow) {
            self.find(&mut context.buffer);
        }
        for chip in &mut self.prompt {
            let start = Instant::now();
            chip.read(&mut context.buffer);
            chip.slow_times = if start.elapsed() >= SLOW { chip.slow_times + 1 } else { 0 };
            if chip.slow_times == SLOW_TIMES {
                self.turned_slow = true;
                self.slow.labels.insert(chip.label.clone());
            }
        }
        match self.slow.read(context) {
            Ok(None) => self.prompt.iter().for_each(|chip| chip.write(out)),
            Ok(Some(slow)) => {
                let slow = slow.lock().unwrap_or_else(PoisonError::into_inner);
                let mut all: Vec<&Chip> = self.prompt.iter().chain(&*slow).collect();
                all.sort_unstable_by(|a, b| a.label.cmp(&b.label));
                all.into_iter().for_each(|chip| chip.write(out));
            }
            Err(error) => {
                self.prompt.iter().for_each(|chip| chip.write(out));
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Chips that are read by a thread.
#[derive(Default)]
struct SlowChips {
    labels: HashSet<String>,
    /// By label. The thread has the lock while it reads them.
    chips: Option<Arc<Mutex<Vec<Chip>>>>,
    /// Started when there are such chips.
    reader: Option<Reader<Arc<Mutex<Vec<Chip>>>, ()>>,
}

impl SlowChips {
    /// Forgets the chips, which the thread may still be reading, and takes others.
    fn replace(&mut self, chips: Vec<Chip>) {
        self.chips = (!chips.is_empty()).then(|| Arc::new(Mutex::new(chips)));
    }

    /// The chips, read just now; nothing if there are none.
    fn read(&mut self, context: &mut Context) -> Result<Option<&Mutex<Vec<Chip>>>, CollectError> {
        let Some(chips) = &self.chips else { return Ok(None) };
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(Reader::start("hwmon", read_all()).map_err(|error| {
                CollectError::Other(format!("cannot start the thread that reads slow sensors: {error}"))
            })?),
        };
        reader.ask(Arc::clone(chips));
        match context.wait(|latest| reader.answer(latest)) {
            Ok(()) => Ok(Some(chips)),
            Err(NoAnswer::Late) => Err(CollectError::Other(format!(
                "slow sensors have not answered in time, one of them may hang: {}",
                self.names()
            ))),
            Err(NoAnswer::Gone) => {
                self.reader = None;
                Err(CollectError::Other(
                    "the thread that reads slow sensors has ended, starting another".into(),
                ))
            }
        }
    }

    /// The labels of all chips that were ever slow.
    fn names(&self) -> String {
        let mut labels: Vec<&str> = self.labels.iter().map(String::as_str).collect();
        labels.sort_unstable();
        labels.join(", ")
    }
}

/// What the thread does.
fn read_all() -> impl FnMut(Arc<Mutex<Vec<Chip>>>) + Send {
    let mut buffer = Vec::new();
    move |chips| {
        let mut chips = chips.lock().unwrap_or_else(PoisonError::into_inner);
        chips.iter_mut().for_each(|chip| chip.read(&mut buffer));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::collectors::Settings;
    use crate::exposition::Format;

    fn hwmon(folder: &Path, flags: &[(&'static Flag, &str)]) -> (Box<dyn Collector>, Context) {
        let mut settings = Settings::default();
        settings.root.sys = folder.to_owned();
        flags.iter().for_each(|(flag, value)| settings.set(flag, value).unwrap());
        ((SPEC.build)(&settings).unwrap(), Context::new(&settings))
    }

    fn samples(built: &mut (Box<dyn Collector>, Context)) -> (Vec<String>, Result<(), CollectError>) {
        let mut out = Exposition::new();
        built.1.begin(Instant::now() + Duration::from_secs(10));
        let result = built.0.collect(&mut built.1, &mut out);
        let mut page = Vec::new();
        out.render(Format::Text, &mut page);
        let page = String::from_utf8(page).unwrap();
        let temperatures = page.lines().filter_map(|line| line.strip_prefix("node_hwmon_temp_celsius"));
        (temperatures.map(str::to_owned).collect(), result)
    }

    /// Chips called as their directory, with one sensor each.
    fn add_chips(folder: &Path, names: &[&str]) {
        for name in names {
            let chip = folder.join("class/hwmon").join(name);
            std::fs::create_dir_all(&chip).unwrap();
            std::fs::write(chip.join("temp1_input"), "20000\n").unwrap();
        }
    }

    #[test]
    fn chips_come_go_and_refuse() {
        let folder = tempfile::tempdir().unwrap();
        let mut built = hwmon(folder.path(), &[]);
        assert!(matches!(samples(&mut built).1, Err(CollectError::NoData(_))));
        add_chips(folder.path(), &["hwmon0", "hwmon1"]);
        assert_eq!(
            samples(&mut built).0,
            ["{chip=\"hwmon0\",sensor=\"temp1\"} 20", "{chip=\"hwmon1\",sensor=\"temp1\"} 20"]
        );
        for broken in ["N/A\n", ""] {
            std::fs::write(folder.path().join("class/hwmon/hwmon0/temp1_input"), broken).unwrap();
            let (lines, result) = samples(&mut built);
            assert_eq!(lines, ["{chip=\"hwmon1\",sensor=\"temp1\"} 20"]);
            result.unwrap();
        }
        std::fs::remove_dir_all(folder.path().join("class/hwmon/hwmon1")).unwrap();
        assert_eq!(samples(&mut built).0, [""; 0]);
    }

    #[test]
    fn labels_tell_chips_of_one_device_apart() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().join("devices/platform/asus-nb-wmi");
        std::fs::create_dir_all(&device).unwrap();
        add_chips(folder.path(), &["hwmon0", "hwmon1", "hwmon2", "hwmon3"]);
        for (chip, name) in
            [("hwmon0", "asus"), ("hwmon1", "Fan Curve"), ("hwmon2", "same"), ("hwmon3", "same")]
        {
            let chip = folder.path().join("class/hwmon").join(chip);
            std::fs::write(chip.join("name"), name).unwrap();
            std::os::unix::fs::symlink(&device, chip.join("device")).unwrap();
        }
        let device = "{chip=\"platform_asus_nb_wmi";
        assert_eq!(
            samples(&mut hwmon(folder.path(), &[])).0,
            ["_asus", "_fan_curve", "_hwmon2", "_hwmon3"]
                .map(|suffix| format!("{device}{suffix}\",sensor=\"temp1\"}} 20"))
        );
        let mut filtered = hwmon(
            folder.path(),
            &[(&CHIP_INCLUDE, "^platform_.*_(asus|hwmon.)$"), (&SENSOR_EXCLUDE, "hwmon3;temp1$")],
        );
        assert_eq!(
            samples(&mut filtered).0,
            ["_asus", "_hwmon2"].map(|suffix| format!("{device}{suffix}\",sensor=\"temp1\"}} 20"))
        );
    }

    /// A pipe that nobody writes to stands for a device that does not answer.
    #[test]
    fn a_chip_that_was_slow_may_hang_without_holding_up_scrapes() {
        let folder = tempfile::tempdir().unwrap();
        add_chips(folder.path(), &["hwmon0", "hwmon1"]);
        let hanging = folder.path().join("class/hwmon/hwmon0/temp1_input");
        let mut hwmon = Hwmon {
            folder: Folder::new(folder.path().join("class/hwmon")),
            chip_filter: Filter::default(),
            sensor_filter: Filter::default(),
            prompt: Vec::new(),
            slow: SlowChips::default(),
            turned_slow: false,
        };
        hwmon.slow.labels.insert("hwmon0".into());
        let mut built: (Box<dyn Collector>, _) = (Box::new(hwmon), Context::new(&Settings::default()));
        for _ in 0..3 {
            let (lines, result) = samples(&mut built);
            assert_eq!(lines.len(), 2);
            result.unwrap();
        }
        std::fs::remove_file(&hanging).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &hanging, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .unwrap();
        let start = Instant::now();
        for _ in 0..20 {
            let (lines, result) = samples(&mut built);
            assert_eq!(lines, ["{chip=\"hwmon1\",sensor=\"temp1\"} 20"]);
            assert!(result.unwrap_err().to_string().ends_with("one of them may hang: hwmon0"));
        }
        assert!(start.elapsed() < Duration::from_secs(5), "each scrape waited");
        drop(std::fs::OpenOptions::new().write(true).open(&hanging).unwrap());
        std::fs::remove_file(&hanging).unwrap();
        std::fs::write(&hanging, "30000\n").unwrap();
        while samples(&mut built).0.len() < 2 {
            assert!(start.elapsed() < Duration::from_secs(20), "it does not come back");
        }
    }
}
