//! Machines that never were: what each of their scrapes would have said, written into files as the recorder does.
//!
//! A machine depends on nothing but its name, so that a run can be repeated.

use std::fs;
use std::hash::{BuildHasher, Hash};
use std::path::{Path, PathBuf};

/// The window of a samples file, in seconds.
const WINDOW: i64 = 7_200;
const MEMORY_BYTES: f64 = 16.0 * 1024.0 * 1024.0 * 1024.0;
const SWAP_BYTES: f64 = MEMORY_BYTES / 4.0;
const DISK_BYTES: f64 = 400e9;
const CPUS: f64 = 4.0;

/// What a machine does at a moment.
#[derive(Clone, Debug)]
pub struct State {
    pub cpu: f64,
    pub load: f64,
    pub memory: f64,
    pub swap: f64,
    pub swapped_pages_per_second: f64,
    pub root: f64,
    pub srv: f64,
    pub celsius: f64,
    pub cpu_waiting: f64,
    pub memory_waiting: f64,
    pub io_waiting: f64,
    pub io_stalled: f64,
    pub received: f64,
    pub sent: f64,
    pub read: f64,
    pub written: f64,
    pub oom_kills_per_second: f64,
    pub hung_tasks_per_second: f64,
}

/// What a machine says of its last end.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastRun {
    pub clean: Option<f64>,
    pub alive: Option<f64>,
    pub watchdog: Option<u32>,
}

/// A machine that is being recorded.
pub struct Machine {
    name: String,
    directory: PathBuf,
    interval: i64,
    compressed: bool,
    /// Further lines for each page, with `@` for the value.
    filler: Vec<String>,
    boot: f64,
    pub last_run: LastRun,
    counters: Counters,
    labels: String,
    extra: String,
    window: Option<i64>,
    text: String,
}

#[derive(Default)]
struct Counters {
    busy: f64,
    idle: f64,
    received: f64,
    sent: f64,
    read: f64,
    written: f64,
    swapped: f64,
    cpu_waiting: f64,
    memory_waiting: f64,
    io_waiting: f64,
    io_stalled: f64,
    oom_kills: f64,
    hung_tasks: f64,
}

impl State {
    /// An ordinary moment of a server: busier by day than by night, with a job each quarter of an hour, and noise.
    pub fn quiet(name: &str, at: i64) -> Self {
        let noise = |what: &str| unit(&(name, at, what)) - 0.5;
        let day = (at as f64 / 86_400.0 * std::f64::consts::TAU + 4.0 * unit(&name)).sin() * 0.5 + 0.5;
        let job = f64::from(u8::from(at.rem_euclid(900) < 45));
        let cpu = 0.05 + 0.2 * day + 0.04 * noise("cpu") + 0.3 * job;
        Self {
            cpu,
            load: 4.0 * cpu + 0.2 * noise("load").abs(),
            memory: 0.42 + 0.06 * day + 0.004 * noise("memory"),
            swap: 0.01,
            swapped_pages_per_second: 0.0,
            root: 0.31 + 0.0005 * noise("root"),
            srv: 0.55 + 0.0005 * noise("srv"),
            celsius: 44.0 + 8.0 * day + 2.0 * noise("celsius"),
            cpu_waiting: 0.01 + 0.02 * job + 0.004 * noise("cpu waiting").abs(),
            memory_waiting: 0.0,
            io_waiting: 0.005 + 0.004 * noise("io").abs() + 0.02 * job,
            io_stalled: 0.002 + 0.002 * noise("io").abs(),
            received: 2e5 + 3e6 * day * (1.0 + noise("received")),
            sent: 4e5 + 6e6 * day * (1.0 + noise("sent")),
            read: 1e5 * (1.0 + noise("read")) + 2e6 * job,
            written: 8e5 * (1.0 + noise("written")) + 4e6 * job,
            oom_kills_per_second: 0.0,
            hung_tasks_per_second: 0.0,
        }
    }
}

impl Machine {
    /// A machine that was booted at `boot`, in seconds since 1970 UTC; its files go below `storage`.
    pub fn new(storage: &Path, name: &str, boot: i64) -> Self {
        Self {
            name: name.to_owned(),
            directory: storage.join(format!("{name}_9100")),
            interval: 15,
            compressed: false,
            filler: Vec::new(),
            boot: boot as f64,
            last_run: LastRun::default(),
            counters: Counters::default(),
            labels: format!("job=\"node\",instance=\"{name}:9100\""),
            extra: String::new(),
            window: None,
            text: String::new(),
        }
    }

    /// With pages of about so many samples, and files as the recorder leaves them behind.
    pub fn filled(mut self, samples: usize) -> Self {
        self.filler = (0..samples)
            .map(|index| {
                format!(
                    "node_interrupts_total{{{},cpu=\"{}\",type=\"{}\"}} @",
                    self.labels,
                    index % 4,
                    index / 4
                )
            })
            .collect();
        self.compressed = true;
        self
    }

    /// Scraped each so many seconds.
    pub fn each(mut self, seconds: i64) -> Self {
        self.interval = seconds;
        self
    }

    /// With this value of the label `instance`, as it stands in a file.
    pub fn instance(mut self, escaped: &str) -> Self {
        self.labels = format!("job=\"node\",instance=\"{escaped}\"");
        self
    }

    /// With these lines on each page as well; `LABELS` stands for those of the target.
    pub fn saying(mut self, lines: &str) -> Self {
        self.extra = lines.replace("LABELS", &self.labels);
        self
    }

    /// The machine is booted: counters begin anew.
    pub fn boots(&mut self, at: i64, last_run: LastRun) {
        self.boot = at as f64;
        self.last_run = last_run;
        self.counters = Counters::default();
    }

    /// A scrape that brings a page.
    pub fn answers(&mut self, at: i64, state: &State) {
        self.turn(at);
        let start = self.text.len();
        self.count(state);
        self.page(at, state);
        let lines = self.text.split_at(start).1.lines();
        let samples = lines.filter(|line| !line.starts_with('#')).count();
        self.close_scrape(at, 1, samples);
    }

    /// A scrape that fails.
    pub fn fails(&mut self, at: i64, why: &str) {
        self.turn(at);
        self.text.push_str(&format!("# HELP scrapelog_error {{\"ts\":{at}.000,\"err\":\"{why}\"}}\n"));
        self.close_scrape(at, 0, 0);
    }

    fn close_scrape(&mut self, at: i64, up: u8, samples: usize) {
        let own = self.labels.clone();
        for (name, value) in [
            ("up", up.to_string()),
            ("scrape_duration_seconds", "0.006".to_owned()),
            ("scrape_response_size_bytes", (samples * 80).to_string()),
            ("scrape_samples_scraped", samples.to_string()),
            ("scrape_samples_post_metric_relabeling", samples.to_string()),
        ] {
            self.text.push_str(&format!("{name}{{{own}}} {value} {at}.000\n"));
        }
    }

    fn count(&mut self, state: &State) {
        let seconds = self.interval as f64;
        let counters = &mut self.counters;
        for (counter, rate) in [
            (&mut counters.busy, state.cpu.min(1.0) * CPUS),
            (&mut counters.idle, (1.0 - state.cpu.min(1.0)) * CPUS),
            (&mut counters.received, state.received),
            (&mut counters.sent, state.sent),
            (&mut counters.read, state.read),
            (&mut counters.written, state.written),
            (&mut counters.swapped, state.swapped_pages_per_second),
            (&mut counters.cpu_waiting, state.cpu_waiting),
            (&mut counters.memory_waiting, state.memory_waiting),
            (&mut counters.io_waiting, state.io_waiting),
            (&mut counters.io_stalled, state.io_stalled),
            (&mut counters.oom_kills, state.oom_kills_per_second),
            (&mut counters.hung_tasks, state.hung_tasks_per_second),
        ] {
            *counter += rate * seconds;
        }
    }

    fn page(&mut self, at: i64, state: &State) {
        let (own, name) = (self.labels.clone(), self.name.clone());
        let counters = &self.counters;
        let disk = |mountpoint: &str, device: &str| {
            format!("{own},device=\"/dev/{device}\",fstype=\"ext4\",mountpoint=\"{mountpoint}\"")
        };
        let cpu = |mode: &str| format!("{own},cpu=\"0\",mode=\"{mode}\"");
        let device = |device: &str| format!("{own},device=\"{device}\"");
        let sensor = format!("{own},chip=\"platform_coretemp_0\",sensor=\"temp1\"");
        let round = |value: f64| value.max(0.0).floor();
        let mut samples = vec![
            ("node_uname_info", format!("{own},nodename=\"{name}\",release=\"6.12\""), 1.0),
            ("node_time_seconds", own.clone(), at as f64),
            ("node_boot_time_seconds", own.clone(), self.boot),
            ("node_cpu_seconds_total", cpu("idle"), counters.idle),
            ("node_cpu_seconds_total", cpu("user"), counters.busy),
            ("node_load1", own.clone(), state.load),
            ("node_memory_MemTotal_bytes", own.clone(), MEMORY_BYTES),
            ("node_memory_MemAvailable_bytes", own.clone(), round(MEMORY_BYTES * (1.0 - state.memory))),
            ("node_memory_SwapTotal_bytes", own.clone(), SWAP_BYTES),
            ("node_memory_SwapFree_bytes", own.clone(), round(SWAP_BYTES * (1.0 - state.swap))),
            ("node_vmstat_pswpin", own.clone(), round(counters.swapped)),
            ("node_vmstat_pswpout", own.clone(), round(counters.swapped)),
            ("node_vmstat_oom_kill", own.clone(), round(counters.oom_kills)),
            ("node_kernel_hung_tasks_total", own.clone(), round(counters.hung_tasks)),
            ("node_pressure_cpu_waiting_seconds_total", own.clone(), counters.cpu_waiting),
            ("node_pressure_memory_waiting_seconds_total", own.clone(), counters.memory_waiting),
            ("node_pressure_io_waiting_seconds_total", own.clone(), counters.io_waiting),
            ("node_pressure_io_stalled_seconds_total", own.clone(), counters.io_stalled),
            ("node_network_receive_bytes_total", device("eth0"), round(counters.received)),
            ("node_network_transmit_bytes_total", device("eth0"), round(counters.sent)),
            ("node_disk_read_bytes_total", device("sda"), round(counters.read)),
            ("node_disk_written_bytes_total", device("sda"), round(counters.written)),
            ("node_hwmon_temp_celsius", sensor.clone(), state.celsius),
            ("node_hwmon_temp_crit_celsius", sensor, 100.0),
        ];
        for (mountpoint, source, used) in [("/", "sda1", state.root), ("/srv", "sda2", state.srv)] {
            samples.push(("node_filesystem_size_bytes", disk(mountpoint, source), DISK_BYTES));
            let available = round(DISK_BYTES * (1.0 - used.min(1.0)));
            samples.push(("node_filesystem_avail_bytes", disk(mountpoint, source), available));
            samples.push(("node_filesystem_readonly", disk(mountpoint, source), 0.0));
        }
        let LastRun { clean, alive, watchdog } = self.last_run;
        samples.extend(clean.map(|clean| ("vitals_last_shutdown_clean", own.clone(), clean)));
        samples.extend(alive.map(|alive| ("vitals_last_alive_timestamp_seconds", own.clone(), alive)));
        let timer = format!("{own},name=\"watchdog0\"");
        samples.extend(watchdog.map(|flags| ("node_watchdog_bootstatus", timer, f64::from(flags))));
        for (name, labels, value) in samples {
            self.text.push_str(&format!("{name}{{{labels}}} {value} {at}.000\n"));
        }
        for line in self.extra.lines() {
            self.text.push_str(&format!("{line} {at}.000\n"));
        }
        for line in &self.filler {
            let series = line.trim_end_matches('@');
            let count = (at / 15 * 7 + line.len() as i64) % 100_000_007;
            self.text.push_str(series);
            self.text.push_str(&format!("{count} {at}.000\n"));
        }
    }

    /// Begins a file, where its time has come.
    fn turn(&mut self, at: i64) {
        let window = at.div_euclid(WINDOW);
        if self.window == Some(window) {
            return;
        }
        self.finish();
        self.window = Some(window);
        self.text = format!(
            "# HELP scrapelog_file {{\"v\":1,\"tool\":\"test\",\"job\":\"node\",\"interval\":{}}}\n\
             # TYPE scrapelog_file unknown\n",
            self.interval
        );
    }

    /// Writes what is not in a file yet.
    pub fn finish(&mut self) {
        let Some(window) = self.window.take() else { return };
        self.text.push_str("# EOF\n");
        fs::create_dir_all(&self.directory).unwrap();
        let name = file_name(window * WINDOW);
        if self.compressed {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
            encoder.include_checksum(true).unwrap();
            std::io::Write::write_all(&mut encoder, self.text.as_bytes()).unwrap();
            fs::write(self.directory.join(name + ".zst"), encoder.finish().unwrap()).unwrap();
        } else {
            fs::write(self.directory.join(name), &self.text).unwrap();
        }
        self.text.clear();
    }
}

/// The name of the file that begins at a time: an even hour of UTC.
fn file_name(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // From days to a date of the Gregorian calendar, by eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("samples-{year:04}{month:02}{day:02}T{:02}0000Z.om", rest / 3_600)
}

/// A number from 0 to 1 that looks drawn by lot, and is the same in every run.
fn unit(value: &impl Hash) -> f64 {
    let hash = foldhash::fast::FixedState::with_seed(7).hash_one(value);
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}
