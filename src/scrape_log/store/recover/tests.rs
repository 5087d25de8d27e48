use super::*;
use crate::exposition::Format;
use crate::scrape_log::lines::{Lines, Rules, Scrape, Workspace};
use crate::scrape_log::store::tests::FaultyDisk;
use crate::vitals::Observation;
use std::fs;
use std::time::Duration;

/// A file of scrapes as the recorder writes them, and where each of them ends.
fn file_of_scrapes(pages: &[Result<&str, &str>]) -> (Vec<u8>, Vec<usize>) {
    let labels = [("job", "node"), ("instance", "db01:9100")].into_iter().collect();
    let rules = Rules { labels, ..Rules::default() };
    let mut lines = Lines::new("http://db01:9100/metrics".to_owned(), Duration::from_secs(15), rules);
    let mut workspace = Workspace::default();
    let (mut data, mut ends) = (Vec::new(), Vec::new());
    for (index, page) in pages.iter().enumerate() {
        let scrape = Scrape {
            timestamp_milliseconds: 1_795_226_400_016 + 15_000 * index as i64,
            duration: Duration::from_millis(7),
            page: page.map(|page| (page.as_bytes(), Format::Text)),
        };
        lines.write(&mut workspace, &scrape, index == 0, None, &mut Observation::default());
        data.extend_from_slice(workspace.record());
        ends.push(data.len());
    }
    (data, ends)
}

const PAGES: [Result<&str, &str>; 5] = [
    Ok("# HELP a Some help.\n# TYPE a gauge\na 1\nb{x=\"1\"} 2\n"),
    Err("connect: connection refused"),
    Ok(""),
    Ok("a 2\na 2\n# TYPE c counter\nc 1\nscrape_samples_post_metric_relabeling 0\n"),
    Ok("b{x=\"scrape_samples_post_metric_relabeling{\"} 3\n"),
];

fn recover_bytes(data: &[u8]) -> Option<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("samples-x.om");
    fs::write(&path, data).unwrap();
    let disk = FaultyDisk::default(); // which never waits for the device
    recover(&disk, directory.path(), "samples-x.om").unwrap();
    // What was mended once is left alone the second time.
    if path.exists() {
        assert_eq!(recover(&disk, directory.path(), "samples-x.om").unwrap(), Recovered::Closed);
    }
    fs::read(&path).ok()
}

#[test]
fn a_file_cut_at_any_byte_keeps_exactly_the_whole_scrapes() {
    let (data, ends) = file_of_scrapes(&PAGES);
    let tails: [&[u8]; 4] = [b"", &[0; 1], &[0; 4096], b"\xff\xfe half"];
    for cut in 0..=data.len() {
        let whole = ends.iter().copied().filter(|&end| end <= cut).max();
        let want = whole.map(|end| [&data[..end], END_OF_FILE].concat());
        // The same rule holds for each tail; trying all of them at each cut would only wait for the disk.
        for tail in [tails[0], tails[cut % tails.len()]] {
            let torn = [&data[..cut], tail].concat();
            assert_eq!(recover_bytes(&torn), want, "cut at {cut}, tail of {} bytes", tail.len());
        }
    }
}

#[test]
fn a_torn_end_of_file_is_mended_and_a_whole_one_left() {
    let (data, _) = file_of_scrapes(&PAGES);
    for cut in 0..=END_OF_FILE.len() {
        let torn = [&data, &END_OF_FILE[..cut]].concat();
        // promtool takes a last line without its line end.
        let want = if cut == 5 { torn.clone() } else { [&data, END_OF_FILE].concat() };
        assert_eq!(recover_bytes(&torn).unwrap(), want, "{cut}");
    }
}

#[test]
fn holes_in_the_middle_make_a_scrape_worthless() {
    let (data, ends) = file_of_scrapes(&PAGES);
    let last = ends[3];
    for at in last..data.len() - 1 {
        let mut torn = data.clone();
        torn[at] = 0;
        let kept = recover_bytes(&torn).unwrap();
        assert!(kept == [&data[..last], END_OF_FILE].concat(), "hole at {at}");
    }
}

#[test]
fn a_mark_with_the_wrong_count_is_no_mark() {
    let (data, ends) = file_of_scrapes(&[Ok("a 1\n"), Ok("a 2\nb 3\n")]);
    let text = String::from_utf8(data.clone()).unwrap();
    let wrong = text.replace("b{job=\"node\",instance=\"db01:9100\"} 3 1795226415.016\n", "");
    assert_ne!(wrong, text);
    assert_eq!(recover_bytes(wrong.as_bytes()).unwrap(), [&data[..ends[0]], END_OF_FILE].concat());
}

#[test]
fn large_files_are_read_from_their_end() {
    let page: String = (0..40_000).map(|n| format!("a{{n=\"{n}\"}} 1\n")).collect();
    let (data, ends) = file_of_scrapes(&[Ok(page.as_str()), Ok(page.as_str()), Ok(page.as_str())]);
    assert!(data.len() as u64 > 4 * FIRST_WINDOW_BYTES);
    for cut in [data.len(), data.len() - 1, ends[1] + 5, ends[1], ends[1] - 1, ends[0], ends[0] - 1] {
        let whole = ends.iter().copied().filter(|&end| end <= cut).max();
        let want = whole.map(|end| [&data[..end], END_OF_FILE].concat());
        assert!(recover_bytes(&data[..cut]) == want, "cut at {cut}");
    }
}

#[test]
fn only_files_of_its_own_are_touched() {
    let storage = tempfile::tempdir().unwrap();
    let directory = storage.path().join("db01_9100");
    fs::create_dir(&directory).unwrap();
    let (data, _) = file_of_scrapes(&PAGES);
    let torn = &data[..data.len() - 1];
    let own = "samples-20261121T120000Z.om";
    for name in [own, "samples-1.om", "notes.om", "samples-20261121T140000Z.om.zst", "samples-1.txt"] {
        fs::write(directory.join(name), torn).unwrap();
    }
    fs::write(storage.path().join(own), torn).unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join(own), torn).unwrap();
    std::os::unix::fs::symlink(outside.path(), storage.path().join("link")).unwrap();
    let files = FaultyDisk::default().storage(storage.path());
    files.settle();
    assert!(fs::read(directory.join(own)).unwrap().ends_with(END_OF_FILE));
    for other in ["db01_9100/notes.om", "db01_9100/samples-1.om", "db01_9100/samples-1.txt", own] {
        assert_eq!(fs::read(storage.path().join(other)).unwrap(), torn, "{other}");
    }
    assert_eq!(fs::read(outside.path().join(own)).unwrap(), torn);
}

#[test]
fn all_files_left_open_are_closed() {
    let storage = tempfile::tempdir().unwrap();
    let directory = storage.path().join("db01_9100");
    fs::create_dir(&directory).unwrap();
    let (data, _) = file_of_scrapes(&PAGES);
    let names = ["samples-20261121T120000Z.om", "samples-20261121T140000Z.om", "samples-20261121T160000Z.om"];
    for name in names {
        fs::write(directory.join(name), &data[..data.len() - 1]).unwrap();
    }
    let files = FaultyDisk::default().storage(storage.path());
    let is_closed = |name: &str| fs::read(directory.join(name)).unwrap().ends_with(END_OF_FILE);
    assert!(is_closed(names[2]) && !is_closed(names[0]), "the newest at once");
    files.settle();
    assert!(names.into_iter().all(is_closed), "the others soon");
}
