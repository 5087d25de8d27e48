use super::*;
use crate::scrape_log::files::tests::{NOON, Writer, put};
use std::fs;

const HOUR: i64 = 3_600_000;

/// Two targets: four hours of a scrape a minute, the older half compressed.
fn recording() -> tempfile::TempDir {
    let storage = tempfile::tempdir().unwrap();
    for (host, offset) in [("db01", 0), ("web", 7)] {
        for window in 0..2 {
            let start = NOON + window * 2 * HOUR;
            let mut writer = Writer::new(&format!("{host}:9100"));
            writer.raw("# HELP c Some \\\"help\".\n# TYPE c counter\n# HELP unused x\n# TYPE a gauge\n");
            for minute in 0..120 {
                let time = start + minute * 60_000 + offset;
                let value = format!("c_total {minute}");
                let samples = [value.as_str(), "a{x=\"1,\\\"2\\\"\"} NaN", "a{x=\"2\"} -1.5e-07", "b +5"];
                writer.scrape(time, if minute % 2 == 0 { &samples } else { &samples[..2] });
            }
            let name = format!("{host}_9100/samples-20261121T{:02}0000Z.om", 12 + 2 * window);
            match window {
                0 => put(storage.path(), &format!("{name}.zst"), writer.compressed()),
                _ => put(storage.path(), &name, &writer.text),
            };
        }
    }
    storage
}

/// Runs the export with output into a directory; gives its exit code and the files there.
fn exported(storage: &Path, flags: &[&str]) -> (ExitCode, BTreeMap<String, String>) {
    let out = tempfile::tempdir().unwrap();
    let into = format!("{}/new/", out.path().display());
    let code = run_with(storage, &[flags, &["-o", &into]].concat());
    (code, texts(Path::new(&into)))
}

fn run_with(storage: &Path, flags: &[&str]) -> ExitCode {
    let arguments = [&["export", storage.to_str().unwrap(), "--quiet"], flags].concat();
    run(command().try_get_matches_from(arguments).unwrap_or_else(|error| panic!("{error}")))
}

fn texts(directory: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(directory) else { return BTreeMap::new() };
    let read = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
    };
    entries.map(read).collect()
}

fn sample_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.sort_unstable();
    lines
}

/// The sample lines in all files of the recording.
fn recorded(storage: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(storage).unwrap() {
        for file in fs::read_dir(entry.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let data = fs::read(&path).unwrap();
            let compressed = path.extension().is_some_and(|extension| extension == "zst");
            let data = if compressed { zstd::decode_all(&data[..]).unwrap() } else { data };
            all.push_str(std::str::from_utf8(&data).unwrap());
        }
    }
    all
}

#[test]
fn openmetrics_has_every_sample_once() {
    let storage = recording();
    let (code, files) = exported(storage.path(), &[]);
    assert_eq!(code, ExitCode::SUCCESS);
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        ["samples-20261121T120000Z.om", "samples-20261121T140000Z.om"]
    );
    let all: String = files.values().map(String::as_str).collect();
    assert_eq!(sample_lines(&all), sample_lines(&recorded(storage.path())));
    for text in files.values() {
        assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1);
        for once in ["# HELP c Some \\\"help\".\n# TYPE c counter\n", "# TYPE a gauge\n", "# TYPE up gauge\n"]
        {
            assert_eq!(text.matches(once).count(), 1, "{once}");
        }
        assert!(!text.contains("scrapelog_") && !text.contains("unused"));
        let first_of_family = text.find("\nc_total").unwrap();
        assert!(text.find("# TYPE c counter").unwrap() < first_of_family);
    }
}

#[test]
fn one_file_for_all_and_no_replacing_by_accident() {
    let storage = recording();
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("below/all.om");
    let path = file.to_str().unwrap();
    assert_eq!(run_with(storage.path(), &["-o", path]), ExitCode::SUCCESS);
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(sample_lines(&text), sample_lines(&recorded(storage.path())));
    assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1);
    fs::write(&file, "mine").unwrap();
    assert_eq!(run_with(storage.path(), &["-o", path]), ExitCode::from(64));
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(run_with(storage.path(), &["-o", path, "--force"]), ExitCode::SUCCESS);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    assert_eq!(texts(file.parent().unwrap()).len(), 1, "no temporary file stays");
}

#[test]
fn ranges_targets_and_selectors() {
    let storage = recording();
    for (flags, want) in [
        (&["--start", "2026-11-21T13:30:00Z", "--end", "2026-11-21T14:30:00Z", "--match", "up"][..], 120),
        (&["--start", "2026-11-21T15:59:00Z", "--match", "up"], 2),
        (&["--end", "2026-11-21T12:00:00Z"], 0),
        (&["--end", "2026-11-21T12:00:00.001Z", "--match", "up"], 1),
        (&["--match", "c_total{instance=\"web:9100\"}", "--match", "b"], 240 + 240),
        (&["--match", "a{x=~\".*2.*\",x!=\"2\"}"], 480),
        (&["--target", "web_9100", "--match", "up"], 240),
        (&["--target", "db01:9100", "--match", "up"], 240),
        (&["--target", "db01*", "--target", "w?b:9100", "--match", "up"], 480),
        (&["--match", "nothing"], 0),
    ] {
        let (code, files) = exported(storage.path(), flags);
        assert_eq!(code, ExitCode::SUCCESS);
        let lines: usize = files.values().map(|text| sample_lines(text).len()).sum();
        assert_eq!(lines, want, "{flags:?}");
        assert_eq!(files.is_empty(), want == 0, "a file without samples is not made: {flags:?}");
    }
    for flags in [
        &["--target", "wev_9100"][..],
        &["--match", "up{"],
        &["--start", "soon"],
        &["--start", "2026-11-22", "--end", "2026-11-21T00:00:00Z"],
    ] {
        assert_eq!(run_with(storage.path(), flags), ExitCode::from(64), "{flags:?}");
    }
    assert_eq!(run_with(&storage.path().join("none"), &[]), ExitCode::FAILURE);
}

#[test]
fn a_step_keeps_the_last_sample_of_each_series() {
    let storage = recording();
    // Steps of seven minutes do not fit into two hours, so they cross the borders of files.
    for (step, minutes) in [("7m", 7), ("10m", 10), ("1m", 1), ("3h", 180), ("30s", 1)] {
        let flags = ["--match", "{__name__=~\"up|b\",instance=\"db01:9100\"}", "--step", step];
        let (code, files) = exported(storage.path(), &flags);
        assert_eq!(code, ExitCode::SUCCESS);
        let all: String = files.values().map(String::as_str).collect();
        let mut want = BTreeMap::new();
        for minute in 0..240 {
            let time = NOON + minute * 60_000;
            let number = time.div_euclid(minutes * 60_000);
            want.insert((number, "up"), time);
            if minute % 2 == 0 {
                want.insert((number, "b"), time);
            }
        }
        let line = |(&(_, name), time): (&(i64, &str), &i64)| format!("{name}@{}.000", time / 1000);
        let mut want: Vec<String> = want.iter().map(line).collect();
        want.sort();
        let found = |line: &str| {
            let name = line.split('{').next().unwrap();
            format!("{name}@{}", line.rsplit(' ').next().unwrap())
        };
        let mut found: Vec<String> = sample_lines(&all).into_iter().map(found).collect();
        found.sort();
        assert_eq!(found, want, "{step}");
    }
}

#[test]
fn csv_is_a_row_per_sample() {
    let storage = recording();
    let (code, files) = exported(storage.path(), &["--format", "csv", "--end", "2026-11-21T12:01:00Z"]);
    assert_eq!(code, ExitCode::SUCCESS);
    assert_eq!(files.keys().collect::<Vec<_>>(), ["db01_9100.csv", "web_9100.csv"]);
    let mut table = csv::Reader::from_reader(files["web_9100.csv"].as_bytes());
    let header = table.headers().unwrap().clone();
    assert_eq!(header, vec!["time", "job", "instance", "name", "labels", "value"]);
    let rows: Vec<Vec<String>> =
        table.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    assert_eq!(rows.len(), 9);
    let time = "2026-11-21T12:00:00.007Z";
    assert_eq!(rows[0], [time, "node", "web:9100", "c_total", "", "0"]);
    assert_eq!(rows[1], [time, "node", "web:9100", "a", "{x=\"1,\\\"2\\\"\"}", "NaN"]);
    assert_eq!(rows[3], [time, "node", "web:9100", "b", "", "+5"]);
}

#[test]
fn csv_wide_is_a_row_per_scrape() {
    let storage = recording();
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("wide.csv");
    let flags =
        ["--format", "csv-wide", "--match", "{__name__=~\"a|b|up\"}", "--end", "2026-11-21T12:02:00Z"];
    assert_eq!(
        run_with(storage.path(), &[&flags[..], &["-o", file.to_str().unwrap()]].concat()),
        ExitCode::SUCCESS
    );
    let mut table = csv::Reader::from_path(file).unwrap();
    let header = table.headers().unwrap().clone();
    let names = ["time", "job", "instance", "a{x=\"1,\\\"2\\\"\"}", "a{x=\"2\"}", "b", "up"];
    assert_eq!(header, names.to_vec());
    let rows: Vec<Vec<String>> =
        table.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    let row = |time: &str, host: &str, rest: [&str; 4]| {
        let own = [format!("2026-11-21T{time}Z"), "node".to_owned(), format!("{host}:9100")];
        own.into_iter().chain(rest.map(str::to_owned)).collect::<Vec<_>>()
    };
    let (even, odd) = (["NaN", "-1.5e-07", "+5", "1"], ["NaN", "", "", "1"]);
    assert_eq!(
        rows,
        [
            row("12:00:00.000", "db01", even),
            row("12:01:00.000", "db01", odd),
            row("12:00:00.007", "web", even),
            row("12:01:00.007", "web", odd),
        ]
    );
}

#[test]
fn jsonl_has_a_line_per_series() {
    let storage = recording();
    let flags = [
        "--format",
        "jsonl",
        "--target",
        "db01_9100",
        "--match",
        "c_total",
        "--match",
        "b",
        "--match",
        "a{x='1,\"2\"'}",
    ];
    let (code, files) = exported(storage.path(), &flags);
    assert_eq!(code, ExitCode::SUCCESS);
    let lines: Vec<&str> = files["db01_9100.jsonl"].lines().collect();
    assert_eq!(lines.len(), 3);
    let counter: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    let metric = serde_json::json!({"__name__": "c_total", "job": "node", "instance": "db01:9100"});
    assert_eq!(counter["metric"], metric);
    assert_eq!(counter["timestamps"].as_array().unwrap().len(), 240);
    assert_eq!(counter["timestamps"][1], NOON + 60_000);
    assert_eq!(counter["values"][119], 119);
    assert!(lines[1].contains("\"x\":\"1,\\\"2\\\"\"},\"values\":[NaN,NaN,"), "{}", lines[1]);
    let signed: serde_json::Value = serde_json::from_str(lines[2]).unwrap();
    assert_eq!(signed["values"][0], 5);
}

#[test]
fn what_importers_would_refuse_is_left_out_and_told() {
    let storage = tempfile::tempdir().unwrap();
    let mut writer = Writer::new("a");
    writer.scrape(NOON, &["a 1", "b 0x10", "c{x=\"1\", y=\"2\"} 3"]);
    writer.scrape(NOON + 1, &["a 2"]).scrape(NOON + 2, &["a 3"]);
    let mut data = writer.closed();
    data[writer.ends[0] + 1] = 0;
    put(storage.path(), "a_1/samples-20261121T120000Z.om", data);
    let (code, files) = exported(storage.path(), &["--match", "{__name__=~'a|b|c'}"]);
    assert_eq!(code, ExitCode::FAILURE);
    let text = &files["samples-20261121T120000Z.om"];
    let own = "a{job=\"node\",instance=\"a\"}";
    assert_eq!(*text, format!("{own} 1 1795262400.000\n{own} 3 1795262400.002\n# EOF\n"));
}
