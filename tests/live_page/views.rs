//! What the page shows is what the API says, for few and many hosts.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};
use vitals::vitals::words::{bytes_per_second, percent, span};

use crate::browser::Browser;
use crate::common::http;
use crate::common::servers::vitals_exporter;
use crate::{Scene, cell, vitals};

/// The texts of a row, as the page has them and as they have to be by the answer that they were made from. Ages are
/// left out: they go on.
fn assert_equal_to_the_api(browser: &mut Browser, hosts: &[Value]) {
    let rows = browser.value(
        "[...rows.values()].map(({ host, text }) => \
         [host, Object.fromEntries(Object.entries(text).map(([name, at]) => [name, at.textContent]))])",
    );
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), hosts.len());
    for row in rows {
        let (host, shown) = (&row[0], &row[1]);
        assert!(
            hosts.iter().any(|known| known["instance"] == host["instance"] && known["name"] == host["name"])
        );
        let numbers = &host["vitals"];
        let words =
            |value: &Value, words: &dyn Fn(f64) -> String| value.as_f64().map(words).unwrap_or_default();
        let flow =
            |sign, name: &str| words(&numbers[name], &|rate| format!("{sign} {}", bytes_per_second(rate)));
        let degrees = |celsius: f64| format!("{celsius:.0} °C");
        for (name, want) in [
            ("name", host["name"].as_str().unwrap().to_owned()),
            ("uptime", words(&numbers["uptime_seconds"], &span)),
            ("cpu", words(&numbers["cpu_usage_ratio"], &percent)),
            ("memory", words(&numbers["memory_used_ratio"], &percent)),
            ("disk", words(&numbers["fullest_disk"]["used_ratio"], &percent)),
            ("mountpoint", numbers["fullest_disk"]["mountpoint"].as_str().unwrap_or("").to_owned()),
            ("heat", words(&numbers["hottest"]["celsius"], &degrees)),
            ("receive", flow("↓", "network_receive_bytes_per_second")),
            ("transmit", flow("↑", "network_transmit_bytes_per_second")),
            ("read", flow("r", "disk_read_bytes_per_second")),
            ("written", flow("w", "disk_written_bytes_per_second")),
            ("sentence", host["problems"][0]["sentence"].as_str().unwrap_or("").to_owned()),
        ] {
            assert_eq!(shown[name], want, "{name} of {host}");
        }
        let waiting = ["cpu_waiting_ratio", "memory_waiting_ratio", "io_waiting_ratio"];
        let worst = waiting.iter().filter_map(|name| numbers[name].as_f64()).reduce(f64::max);
        assert_eq!(shown["pressure"], worst.map(percent).unwrap_or_default(), "{host}");
    }
}

fn fleet_is_shown(count: usize) {
    let mut scene = Scene::new(count);
    let answer = vitals(&scene.server);
    assert_equal_to_the_api(&mut scene.browser, answer["hosts"].as_array().unwrap());
    // Again after updates, which change elements that are there.
    let first = scene.browser.text("updated.textContent");
    scene.browser.wait_for("an update", &format!("updated.textContent !== {first:?}"));
    assert_equal_to_the_api(&mut scene.browser, answer["hosts"].as_array().unwrap());
    let up = format!("{count} of {count} up");
    assert_eq!(scene.browser.text("counts.children[0].textContent"), up);
    for (width, height, name) in [(1600, 1000, "wall"), (390, 844, "phone")] {
        for is_dark in [false, true] {
            scene.browser.look(width, height, is_dark);
            let scheme = if is_dark { "dark" } else { "light" };
            scene.browser.picture(&format!("{count}-{name}-{scheme}"));
            let overflow = scene.browser.value("document.documentElement.scrollWidth - innerWidth");
            assert_eq!(overflow, 0, "{name}: nothing is beside the window");
        }
    }
    scene.browser.assert_content();
}

#[test]
#[ignore = "needs chromium (tests/run installs it)"]
fn one_host_is_shown_and_open() {
    fleet_is_shown(1);
    let mut scene = Scene::new(1);
    scene.browser.wait_for("the plots", "document.querySelectorAll('.plots figure').length === 5");
    // What is above a plot is what is in the row.
    let same = "[...rows.values()].every(({ detail, text }) => \
                ['cpu', 'memory'].every((name, at) => detail.plots[at].text.last.textContent === text[name].textContent))";
    assert_eq!(scene.browser.value(same), true);
    let detail = scene.browser.text("document.querySelector('.numbers').innerText");
    for want in ["host000", "10.0.0.0:9100", "Read every\n1 s", "of 60 GiB", "2.0 MB/s"] {
        assert!(detail.contains(want), "{want}: {detail}");
    }
    scene.browser.assert_content();
}

#[test]
#[ignore = "needs chromium (tests/run installs it)"]
fn twenty_hosts_are_shown() {
    fleet_is_shown(20);
}

#[test]
#[ignore = "needs chromium (tests/run installs it)"]
fn two_hundred_hosts_are_shown_and_updates_are_quick() {
    fleet_is_shown(200);
    let mut scene = Scene::new(200);
    scene.browser.stop_asking();
    // A number of each host has moved in every column.
    let times = scene.browser.value(
        "(async () => {
           const times = [];
           const hosts = [...rows.values()].map((row) => row.host);
           const moved = (vitals, at, round) => ({ ...vitals,
             cpu_usage_ratio: Math.min(1, Math.max(0, vitals.cpu_usage_ratio + 0.03 * Math.sin(at + round))),
             memory_used_ratio: vitals.memory_used_ratio + 0.01 * Math.sin(at + 2 * round),
             io_waiting_ratio: 0.01 * ((at + round) % 9),
             network_receive_bytes_per_second: 1e5 * at * (round + 1),
             network_transmit_bytes_per_second: 1e4 * at * (round + 2),
             disk_read_bytes_per_second: 1e3 * at * (round + 3) });
           for (let round = 0; round < 30; round += 1) {
             const status = { time_milliseconds: hostTime(),
               hosts: hosts.map((host, at) => ({ ...host, vitals: moved(host.vitals, at, round) })) };
             const before = performance.now();
             show(status);
             const shown = performance.now();
             document.body.offsetHeight; // has the layout done
             times.push([shown - before, performance.now() - shown]);
             await new Promise((done) => setTimeout(done, 20));
           }
           return times;
         })()",
    );
    let sorted = |part: usize| {
        let times = times.as_array().unwrap().iter();
        let mut times: Vec<f64> = times.map(|time| time[part].as_f64().unwrap()).collect();
        times.sort_by(f64::total_cmp);
        times
    };
    let (script, layout) = (sorted(0), sorted(1));
    let middle = script.len() / 2;
    println!("200 hosts: {:.1} ms of script and {:.1} ms of layout (median)", script[middle], layout[middle]);
    // A frame is 16 ms; the machine may be busy with other things.
    assert!(script[0] + layout[0] < 100.0, "{times}");
}

#[test]
#[ignore = "needs chromium (tests/run installs it)"]
fn the_exporter_shows_its_host() {
    let exporter = vitals_exporter(&[] as &[&str]);
    let mut browser = Browser::start();
    browser.open(&format!("http://{}/", exporter.address));
    browser.wait_for("rates", "[...rows.values()].some((row) => row.host.vitals.cpu_usage_ratio != null)");
    let hosts = [browser.value("[...rows.values()][0].host")];
    assert_equal_to_the_api(&mut browser, &hosts);
    browser.wait_for("the plots", "document.querySelectorAll('.plots figure').length >= 2");
    let answer = vitals(&exporter);
    assert_eq!(answer["hosts"][0]["instance"], hosts[0]["instance"]);
    // This machine may have a problem.
    let level = hosts[0]["problems"][0]["severity"].as_str().unwrap_or("up");
    assert_eq!(cell(&mut browser, hosts[0]["name"].as_str().unwrap(), "level"), level);
    assert_eq!(browser.value("document.querySelector('.note').hidden"), false);
    assert_eq!(browser.value("filter.hidden"), true, "there is nothing to choose from");
    browser.look(1600, 1000, false);
    browser.picture("exporter");
    browser.assert_content();
}

#[test]
#[ignore = "needs chromium (tests/run installs it)"]
fn the_page_works_below_the_path_of_a_proxy() {
    let exporter = vitals_exporter(&[] as &[&str]);
    let (proxy, server) = (TcpListener::bind("127.0.0.1:0").unwrap(), exporter.address);
    let address = proxy.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in proxy.incoming() {
            let (mut stream, mut line) = (BufReader::new(stream.unwrap()), String::new());
            stream.read_line(&mut line).unwrap();
            let path = line.split(' ').nth(1).and_then(|path| path.strip_prefix("/hosts/db01"));
            let Some(path) = path else { continue };
            let answer = http::get(server, path).unwrap();
            let head = format!("HTTP/1.0 {} X\r\n{}\r\n\r\n", answer.status, answer.head);
            // The browser may have gone by now.
            stream.get_mut().write_all(&[head.as_bytes(), &answer.body].concat()).ok();
        }
    });
    let mut browser = Browser::start();
    browser.open(&format!("http://{address}/hosts/db01/"));
    browser.wait_for("the host", "rows.size === 1");
    browser.assert_content();
}

#[test]
#[ignore = "needs chromium (tests/run installs it)"]
fn a_hidden_page_does_not_ask() {
    let mut scene = Scene::new(1);
    let hide = |browser: &mut Browser, hidden: bool| {
        browser.value(&format!(
            "Object.defineProperty(document, 'hidden', {{ configurable: true, get: () => {hidden} }}); \
             document.dispatchEvent(new Event('visibilitychange'))"
        ));
    };
    let asked =
        "performance.getEntriesByType('resource').filter((entry) => entry.name.includes('vitals')).length";
    hide(&mut scene.browser, true);
    scene.browser.wait_for("the last answer", "!asking");
    let before = scene.browser.value(asked);
    std::thread::sleep(Duration::from_millis(4500));
    assert_eq!(scene.browser.value(asked), before);
    hide(&mut scene.browser, false);
    let before = json!(before.as_u64().unwrap() + 2);
    scene.browser.wait_for("answers", &format!("{asked} >= {before}"));
}
