use super::*;
use crate::scrape_log::files::tests::{NOON, Writer, compress, put};

/// What a check of the path prints, and how many problems it finds.
fn checked(path: &Path, quiet: bool) -> (u64, String) {
    let mut out = Vec::new();
    let problems = check(path, quiet, &Progress::new(true), &mut out).unwrap();
    (problems, String::from_utf8(out).unwrap())
}

/// Five scrapes from noon on.
fn five() -> Writer {
    let mut writer = Writer::new("db01:9100");
    writer.raw("# HELP a Some \\n help.\n# TYPE a gauge\n");
    for number in 0..5 {
        writer.scrape(NOON + number * 15_000, &["a 1", "b{x=\"} 1 2\\n# EOF\"} NaN"]);
    }
    writer
}

const NAME: &str = "db01_9100/samples-20261121T120000Z.om";
const NEXT: &str = "db01_9100/samples-20261121T140000Z.om";

fn next() -> Writer {
    let mut writer = Writer::new("db01:9100");
    writer.scrape(NOON + 7_200_000, &["a 1"]);
    writer
}

#[test]
fn a_sound_recording() {
    let storage = tempfile::tempdir().unwrap();
    put(storage.path(), &format!("{NAME}.zst"), five().compressed());
    put(storage.path(), NEXT, &next().text);
    put(storage.path(), "db01_9100/vitals-20261121.log", "x");
    put(storage.path(), "db01_9100/notes.txt", "x");
    put(storage.path(), "scrape-log.lock", "1");
    let (problems, text) = checked(storage.path(), false);
    assert_eq!(problems, 0, "{text}");
    for want in [
        "notes.txt: not a file of this program\n",
        "targets   1\nfiles     2 (1 compressed, 1 open)\nscrapes   6\nsamples   41\n",
        "first     2026-11-21T12:00:00Z\nlast      2026-11-21T14:00:00Z\n",
        "gaps      1 longer than two intervals, the longest 7140 s after 2026-11-21T12:01:00Z (db01_9100)\n",
        "problems  0\n",
    ] {
        assert!(text.contains(want), "{want} is not in\n{text}");
    }
    assert_eq!(text.matches("note:").count(), 1, "{text}");
    assert_eq!(checked(storage.path(), true), (0, String::new()));
}

#[test]
fn each_kind_of_damage_is_told_with_its_line() {
    let sound = String::from_utf8(five().closed()).unwrap();
    // The header has four lines and the metadata two; a scrape has seven.
    let change = |from: &str, to: &str| sound.replacen(from, to, 1);
    for (damaged, line, want) in [
        (change("# HELP scrapelog_file", "# HELP something"), 1, "the header is missing"),
        (change("} 1 1795262400.000\n", "}  1 1795262400.000\n"), 7, "promtool refuses"),
        (change("a{job", "a{jöb"), 7, "promtool refuses"),
        (change("a{job=\"node\",", "a{job=\"node\", "), 7, "blanks or commas"),
        (change("} NaN", "} nan"), 8, "not a number"),
        (change("} NaN 1795262400.000", "} NaN 1795262400.001"), 8, "not that of the scrape"),
        (change("# TYPE a gauge", "# a comment"), 6, "no comment that importers know"),
        (change("# TYPE a gauge", "# TYPE a gouge"), 6, "unknown metric type"),
        (
            change(
                "b{job=\"node\",instance=\"db01:9100\",x=\"} 1 2\\n# EOF\"} NaN",
                "a{job=\"node\",instance=\"db01:9100\"} 2",
            ),
            8,
            "comes twice",
        ),
        (change("# TYPE a gauge\n", "# TYPE a gauge\n\n"), 7, "it is not a sample"),
        (
            change(
                "post_metric_relabeling{job=\"node\",instance=\"db01:9100\"} 2",
                "post_metric_relabeling{job=\"node\",instance=\"db01:9100\"} 3",
            ),
            13,
            "not what its commit mark says",
        ),
        (sound.replace("1795262415.000", "1795262400.000"), 20, "not later than the one before"),
        (sound.replace("1795262415.000", "1795352415.000"), 20, "the name of the file allows"),
        (change("# EOF\n", "").replace("# EOF\n", ""), 42, "without # EOF"),
        (format!("{}half a line", sound.strip_suffix("# EOF\n").unwrap()), 42, "in the middle of a scrape"),
    ] {
        let storage = tempfile::tempdir().unwrap();
        let path = put(storage.path(), NAME, &damaged);
        put(storage.path(), NEXT, next().closed());
        let (problems, text) = checked(storage.path(), true);
        assert!(problems > 0 && text.contains(want), "{want} is not in\n{text}");
        let at = format!("{}:{line}: ", path.display());
        assert!(
            text.lines().any(|said| said.starts_with(&at) && said.contains(want)),
            "{at} is not in\n{text}"
        );
        assert_eq!(text.lines().count() as u64, problems, "{text}");
    }
}

#[test]
fn a_plain_file_cut_at_any_byte_is_a_problem_unless_it_is_the_newest() {
    let writer = five();
    let data = writer.closed();
    let storage = tempfile::tempdir().unwrap();
    for cut in 0..data.len() - 1 {
        put(storage.path(), NAME, &data[..cut]);
        let (problems, text) = checked(storage.path(), true);
        assert_eq!(problems, 0, "the file may be growing, cut at {cut}: {text}");
    }
    put(storage.path(), NEXT, next().closed());
    for cut in 0..data.len() - 1 {
        put(storage.path(), NAME, &data[..cut]);
        let (problems, text) = checked(storage.path(), true);
        assert_eq!(problems, 1, "cut at {cut}: {text}");
    }
    // promtool takes a last line without its line end.
    put(storage.path(), NAME, &data[..data.len() - 1]);
    assert_eq!(checked(storage.path(), true), (0, String::new()));
}

#[test]
fn damaged_compression_is_a_problem() {
    let storage = tempfile::tempdir().unwrap();
    let data = five().compressed();
    let name = format!("{NAME}.zst");
    for cut in 0..data.len() {
        put(storage.path(), &name, &data[..cut]);
        let (problems, text) = checked(storage.path(), true);
        assert_eq!(problems, 1, "cut at {cut}: {text}");
    }
    for at in (0..data.len()).step_by(3) {
        let mut flipped = data.clone();
        flipped[at] ^= 0x10;
        put(storage.path(), &name, &flipped);
        let (problems, text) = checked(storage.path(), true);
        // The bits that only say how large the window is do no harm.
        let harmless = zstd::decode_all(&flipped[..]).is_ok();
        assert_eq!(problems == 0, harmless, "bit flipped at {at}: {text}");
    }
    put(storage.path(), &name, [&data[..], b"\0\0\0\0garbage"].concat());
    assert_eq!(checked(storage.path(), true).0, 1);
    put(storage.path(), &name, compress(five().text.as_bytes()));
    assert!(checked(storage.path(), true).1.contains("without # EOF"));
}

#[test]
fn what_is_around_the_files() {
    let storage = tempfile::tempdir().unwrap();
    assert!(checked(storage.path(), false).1.contains("files     0"), "an empty directory is sound");
    put(storage.path(), NAME, five().closed());
    let mut back = Writer::new("db01:9100");
    back.scrape(NOON + 20_000, &["a 1"]);
    put(storage.path(), "db01_9100/samples-20261121T120020Z.om", back.closed());
    let tmp = put(storage.path(), "db01_9100/samples-20261121T100000Z.om.zst.tmp", "x");
    put(storage.path(), "stranger", "x");
    put(storage.path(), "lost+found/x", "x");
    let (problems, text) = checked(storage.path(), false);
    assert_eq!(problems, 1, "{text}");
    assert!(
        text.contains("the clock was set back")
            && text.contains("note: ")
            && text.contains("being compressed")
    );
    assert_eq!(text.matches("not a file of this program").count(), 2, "{text}");
    let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    std::fs::File::open(&tmp).unwrap().set_modified(hour_ago).unwrap();
    assert!(checked(storage.path(), true).1.contains("compression was interrupted"));
    let error = check(&storage.path().join("none"), true, &Progress::new(true), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("can't list"), "{error}");
}

#[test]
fn a_file_that_is_wrong_all_over_is_not_told_line_by_line() {
    let storage = tempfile::tempdir().unwrap();
    let mut writer = Writer::new("a");
    for number in 0..100 {
        writer.scrape(NOON + number, &["a 0x10"]);
    }
    put(storage.path(), NAME, writer.closed());
    let (problems, text) = checked(storage.path(), true);
    assert_eq!((problems, text.lines().count()), (21, 21), "{text}");
    assert!(text.contains("and 80 more problems"), "{text}");
}
