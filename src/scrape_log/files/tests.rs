use super::*;
use std::fs;
use std::path::{Path, PathBuf};

/// An even hour UTC: 2026-11-21T12:00:00Z.
pub(in crate::scrape_log) const NOON: i64 = 1_795_262_400_000;

/// Writes files as the recorder does.
pub(in crate::scrape_log) struct Writer {
    instance: String,
    interval_seconds: u32,
    pub(in crate::scrape_log) text: String,
    /// Where each scrape ends.
    pub(in crate::scrape_log) ends: Vec<usize>,
}

impl Writer {
    pub(in crate::scrape_log) fn new(instance: &str) -> Self {
        let mut writer = Self {
            instance: instance.to_owned(),
            interval_seconds: 15,
            text: String::new(),
            ends: Vec::new(),
        };
        writer.header();
        writer
    }

    fn header(&mut self) {
        let interval = self.interval_seconds;
        self.text.push_str(&format!(
            "# HELP scrapelog_file {{\"v\":1,\"job\":\"node\",\"target\":\"http://{}/metrics\",\"interval\":{interval}}}\n\
             # TYPE scrapelog_file unknown\n# HELP up 1 if the scrape worked, 0 if it failed.\n# TYPE up gauge\n",
            self.instance
        ));
    }

    /// Adds lines as they are.
    pub(in crate::scrape_log) fn raw(&mut self, lines: &str) -> &mut Self {
        self.text.push_str(lines);
        self
    }

    /// Adds a scrape of samples such as `a{x="1"} 5`.
    pub(in crate::scrape_log) fn scrape(&mut self, time: i64, samples: &[&str]) -> &mut Self {
        let seconds = format!("{}.{:03}", time / 1000, time % 1000);
        let own = format!("job=\"node\",instance=\"{}\"", self.instance);
        for sample in samples {
            let (series, value) = sample.rsplit_once(' ').unwrap();
            let series = match series.split_once('{') {
                Some((name, labels)) => format!("{name}{{{own},{labels}"),
                None => format!("{series}{{{own}}}"),
            };
            self.text.push_str(&format!("{series} {value} {seconds}\n"));
        }
        let count = samples.len();
        for (name, value) in [
            ("up", "1".to_owned()),
            ("scrape_duration_seconds", "0.007".to_owned()),
            ("scrape_response_size_bytes", "75".to_owned()),
            ("scrape_samples_scraped", count.to_string()),
            ("scrape_samples_post_metric_relabeling", count.to_string()),
        ] {
            self.text.push_str(&format!("{name}{{{own}}} {value} {seconds}\n"));
        }
        self.ends.push(self.text.len());
        self
    }

    pub(in crate::scrape_log) fn closed(&self) -> Vec<u8> {
        [self.text.as_bytes(), b"# EOF\n"].concat()
    }

    pub(in crate::scrape_log) fn compressed(&self) -> Vec<u8> {
        compress(&self.closed())
    }
}

/// One zstd frame with a checksum.
pub(in crate::scrape_log) fn compress(data: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    std::io::Write::write_all(&mut encoder, data).unwrap();
    encoder.finish().unwrap()
}

/// Writes a file and makes the directory for it.
pub(in crate::scrape_log) fn put(storage: &Path, path: &str, data: impl AsRef<[u8]>) -> PathBuf {
    let path = storage.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, data).unwrap();
    path
}

fn only_target(storage: &Path) -> Vec<SamplesFile> {
    let storage = Storage::open(storage).unwrap();
    let [target] = &storage.targets[..] else { panic!("{storage:?}") };
    target.files().unwrap()
}

/// Times and texts of all scrapes in the range, and how many files were opened.
fn read(files: &[SamplesFile], range: TimeRange) -> (Vec<(i64, String)>, Vec<String>, usize) {
    let mut scrapes = TargetScrapes::new(files, range);
    let mut found = Vec::new();
    while let Some(time) = scrapes.advance() {
        let text = String::from_utf8(scrapes.scrape().unwrap().text.to_vec()).unwrap();
        found.push((time, text));
    }
    let problems = scrapes.take_problems().iter().map(ToString::to_string).collect();
    (found, problems, scrapes.opened())
}

fn times(files: &[SamplesFile], range: TimeRange) -> Vec<i64> {
    read(files, range).0.into_iter().map(|(time, _)| time).collect()
}

#[test]
fn a_file_cut_at_any_byte_gives_exactly_the_whole_scrapes() {
    let mut writer = Writer::new("db01:9100");
    writer.scrape(NOON, &["a 1", "b{x=\"scrape_samples_post_metric_relabeling{\"} 2"]);
    writer.scrape(NOON + 15_000, &[]);
    writer.raw("# HELP scrapelog_error {\"ts\":1,\"err\":\"x\"}\n").scrape(NOON + 30_000, &["a 3"]);
    let data = writer.closed();
    let storage = tempfile::tempdir().unwrap();
    for cut in 0..=data.len() {
        put(storage.path(), "a/samples-20261121T120000Z.om", &data[..cut]);
        let (found, problems, _) = read(&only_target(storage.path()), TimeRange::ALL);
        let whole = writer.ends.iter().filter(|&&end| end <= cut).count();
        let text: String = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(found.len(), whole, "cut at {cut}");
        let end = whole.checked_sub(1).map_or(0, |last| writer.ends[last]);
        assert_eq!(text.as_bytes(), &data[..end]);
        assert!(problems.is_empty(), "a plain file may be growing: {problems:?}");
    }
}

#[test]
fn a_compressed_file_cut_at_any_byte_gives_whole_scrapes_and_says_so() {
    let mut writer = Writer::new("db01:9100");
    writer.scrape(NOON, &["a 1"]).scrape(NOON + 15_000, &["a 2"]);
    let data = writer.compressed();
    let storage = tempfile::tempdir().unwrap();
    let name = "a/samples-20261121T120000Z.om.zst";
    for cut in 0..data.len() {
        put(storage.path(), name, &data[..cut]);
        let (found, problems, _) = read(&only_target(storage.path()), TimeRange::ALL);
        assert!(found.len() <= 2 && found.iter().all(|(_, text)| writer.text.contains(text)));
        assert_eq!(problems.len(), 1, "cut at {cut}: {problems:?}");
    }
    put(storage.path(), name, &data);
    let (found, problems, _) = read(&only_target(storage.path()), TimeRange::ALL);
    assert_eq!((found.len(), problems), (2, Vec::new()));
    let mut damaged = data.clone();
    *damaged.last_mut().unwrap() ^= 1;
    put(storage.path(), name, &damaged);
    let (_, problems, _) = read(&only_target(storage.path()), TimeRange::ALL);
    assert!(problems[0].contains("checksum"), "{problems:?}");
}

#[test]
fn a_damaged_scrape_is_left_out_and_counted() {
    let mut writer = Writer::new("db01:9100");
    for time in 0..4 {
        writer.scrape(NOON + time, &["a 1"]);
    }
    let mut data = writer.closed();
    data[writer.ends[1] + 3] = 0;
    let storage = tempfile::tempdir().unwrap();
    put(storage.path(), "a/samples-20261121T120000Z.om", data);
    let (found, problems, _) = read(&only_target(storage.path()), TimeRange::ALL);
    assert_eq!(found.iter().map(|(time, _)| *time).collect::<Vec<_>>(), [NOON, NOON + 1, NOON + 3]);
    assert!(problems[0].ends_with("1 scrapes are damaged and left out"), "{problems:?}");
}

#[test]
fn only_files_that_may_hold_the_range_are_opened() {
    let storage = tempfile::tempdir().unwrap();
    for hour in (0..24).step_by(2) {
        let start = NOON + (hour - 12) * 3_600_000;
        let mut writer = Writer::new("db01:9100");
        for minute in 0..120 {
            writer.scrape(start + minute * 60_000, &["a 1"]);
        }
        put(storage.path(), &format!("a/samples-20261121T{hour:02}0000Z.om.zst"), writer.compressed());
    }
    let files = only_target(storage.path());
    let range = |start: i64, end: i64| TimeRange { start: NOON + start * 60_000, end: NOON + end * 60_000 };
    for (range, scrapes, opened) in [
        (range(10, 70), 60, 1),
        (range(90, 150), 60, 2),
        (range(0, 120), 120, 1),
        (range(0, 121), 121, 2),
        (range(-1000, -900), 0, 0),
        (TimeRange::ALL, 1440, 12),
    ] {
        let (found, problems, files) = read(&files, range);
        assert_eq!((found.len(), files), (scrapes, opened), "{range:?}");
        assert!(problems.is_empty(), "{problems:?}");
    }
}

#[test]
fn files_that_overlap_are_merged() {
    let storage = tempfile::tempdir().unwrap();
    let second = |seconds: i64| NOON + seconds * 1000;
    let mut first = Writer::new("a");
    first.scrape(second(0), &["a 1"]).scrape(second(20), &["a 2"]).scrape(second(30), &["a 3"]);
    let mut back = Writer::new("a");
    back.scrape(second(10), &["a 4"]).scrape(second(20), &["a 5"]).scrape(second(40), &["a 6"]);
    put(storage.path(), "a/samples-20261121T120000Z.om", first.closed());
    put(storage.path(), "a/samples-20261121T120010Z.om.zst", back.compressed());
    let want = [0, 10, 20, 30, 40].map(second);
    assert_eq!(times(&only_target(storage.path()), TimeRange::ALL), want);
}

#[test]
fn a_file_may_be_compressed_or_removed_after_it_was_listed() {
    let storage = tempfile::tempdir().unwrap();
    let mut writer = Writer::new("a");
    writer.scrape(NOON, &["a 1"]);
    let plain = put(storage.path(), "a/samples-20261121T120000Z.om", writer.closed());
    let files = only_target(storage.path());
    put(storage.path(), "a/samples-20261121T120000Z.om.zst", writer.compressed());
    assert_eq!(only_target(storage.path()).len(), 1, "one file in two forms");
    fs::remove_file(plain).unwrap();
    assert_eq!(times(&files, TimeRange::ALL), [NOON]);
    fs::remove_file(storage.path().join("a/samples-20261121T120000Z.om.zst")).unwrap();
    assert_eq!(read(&files, TimeRange::ALL), (Vec::new(), Vec::new(), 0));
}

#[test]
fn a_file_may_grow_while_it_is_read() {
    let storage = tempfile::tempdir().unwrap();
    let mut writer = Writer::new("a");
    for time in 0..50 {
        writer.scrape(NOON + time, &["a 1"]);
    }
    let path = put(storage.path(), "a/samples-20261121T120000Z.om", "");
    let mut reader = ScrapeReader::open(&only_target(storage.path())[0]).unwrap().unwrap();
    let mut seen = 0;
    // Steps of a prime length cut lines everywhere.
    for written in (0..writer.text.len()).step_by(97).chain([writer.text.len()]) {
        fs::write(&path, &writer.text.as_bytes()[..written]).unwrap();
        while reader.advance().unwrap() {
            assert_eq!(reader.scrape().timestamp(), Some(NOON + seen));
            assert!(reader.scrape().is_whole());
            seen += 1;
        }
        assert_eq!(seen as usize, writer.ends.iter().filter(|&&end| end <= written).count());
        assert!(matches!(reader.rest(), Rest::Open(_)));
    }
    fs::write(&path, writer.closed()).unwrap();
    assert!(!reader.advance().unwrap() && reader.rest() == Rest::Closed);
}

#[test]
fn scrapes_larger_than_the_buffer() {
    let storage = tempfile::tempdir().unwrap();
    let samples: Vec<String> = (0..20_000).map(|number| format!("a{{n=\"{number}\"}} 1")).collect();
    let samples: Vec<&str> = samples.iter().map(String::as_str).collect();
    let mut writer = Writer::new("a");
    for time in 0..3 {
        writer.scrape(NOON + time, &samples).scrape(NOON + time * 10 + 100, &["a 1"]);
    }
    // Times go back in this one: what is older than what was given is damaged.
    put(storage.path(), "a/samples-20261121T120000Z.om", writer.closed());
    let (found, problems, _) = read(&only_target(storage.path()), TimeRange::ALL);
    assert_eq!(found.len(), 4);
    assert!(problems[0].contains("2 scrapes"), "{problems:?}");
}

#[test]
fn metadata_is_known_from_scrapes_before_the_range() {
    let storage = tempfile::tempdir().unwrap();
    let mut writer = Writer::new("a");
    writer.raw("# HELP c Some \\n help.\n# TYPE c counter\n# UNIT c \n").scrape(NOON, &["c_total 1"]);
    writer.raw("# HELP scrapelog_error {}\n# HELP empty \n").scrape(NOON + 1, &["c_total 2"]);
    put(storage.path(), "a/samples-20261121T120000Z.om", writer.closed());
    let range = TimeRange { start: NOON + 1, end: i64::MAX };
    let mut scrapes = TargetScrapes::new(&only_target(storage.path()), range);
    assert_eq!(scrapes.advance(), Some(NOON + 1));
    let text = |sample: &str| {
        let mut out = Vec::new();
        let metadata = scrapes.metadata();
        metadata.write(metadata.family(sample).unwrap_or("nothing"), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(text("c_total"), "# HELP c Some \\n help.\n# TYPE c counter\n# UNIT c \n");
    assert_eq!(text("empty"), "# HELP empty \n");
    assert_eq!(text("scrapelog_error") + &text("other"), "");
}

#[test]
fn what_the_recorder_writes_is_read_back() {
    use crate::exposition::Format;
    use crate::scrape_log::lines::{Lines, Rules, Scrape, Workspace};
    use std::time::Duration;

    let labels = [("job", "node"), ("instance", "db01:9100")].into_iter().collect();
    let rules = Rules { labels, ..Rules::default() };
    let mut lines = Lines::new("http://db01:9100/metrics".to_owned(), Duration::from_secs(15), rules);
    let mut workspace = Workspace::default();
    let mut data = Vec::new();
    let pages: [Result<&str, &str>; 3] = [
        Ok("# HELP a Some help.\n# TYPE a gauge\na 1\nb{x=\"1\\n} 2 3\"} NaN\n"),
        Err("connect: connection refused"),
        Ok("a -1.5e-07\nc_bucket{le=\"+Inf\"} +Inf\n"),
    ];
    for (index, page) in (0..).zip(pages) {
        let scrape = Scrape {
            timestamp_milliseconds: NOON + 15_000 * index,
            duration: Duration::from_millis(7),
            page: page.map(|page| (page.as_bytes(), Format::Text)),
        };
        lines.write(&mut workspace, &scrape, index == 0, None, &mut crate::vitals::Observation::default());
        data.extend_from_slice(workspace.record());
    }
    let storage = tempfile::tempdir().unwrap();
    put(storage.path(), "a/samples-20261121T120000Z.om", &data);
    let (found, _, _) = read(&only_target(storage.path()), TimeRange::ALL);
    assert_eq!(found.iter().map(|(_, text)| text.as_str()).collect::<String>().as_bytes(), data);
    for (_, text) in &found {
        for sample in samples(text.as_bytes()) {
            let sample = sample.unwrap();
            assert_eq!(check_series(sample.series), Ok(()), "{sample:?}");
            assert!(check_value(sample.value), "{sample:?}");
        }
    }
}

#[test]
fn a_target_directory_by_itself_is_a_storage_path_too() {
    let storage = tempfile::tempdir().unwrap();
    let mut writer = Writer::new("a");
    writer.scrape(NOON, &["a 1"]);
    put(storage.path(), "a_1/samples-20261121T120000Z.om", writer.closed());
    put(storage.path(), "a_1/vitals-20261121.log", "");
    let direct = Storage::open(&storage.path().join("a_1")).unwrap();
    assert_eq!((direct.targets.len(), direct.targets[0].name.as_str()), (1, "a_1"));
    assert_eq!(times(&direct.targets[0].files().unwrap(), TimeRange::ALL), [NOON]);
    assert_eq!(Storage::open(&storage.path().join("none")).unwrap_err().kind(), std::io::ErrorKind::NotFound);
}
