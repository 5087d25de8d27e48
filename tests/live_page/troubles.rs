//! What the page does when something happens, and what people do with it.

use rustix::process::Signal;

use crate::{Scene, cell};

/// The names of the hosts in their order on the page.
const ORDER: &str = "[...table.tBodies].map((body) => body.row.host.name)";

#[test]
#[ignore = "needs chromium (tests/run installs it)"]
fn a_problem_comes_and_goes() {
    let mut scene = Scene::new(20);
    let browser = &mut scene.browser;
    let row = "table.tBodies[0]";
    scene.fleet.change(13, |host| host.memory_available = 0.02);
    browser.wait_for(
        "the problem, at the top",
        &format!("{row}.row.host.name === 'host013' && {row}.row.level === 'critical'"),
    );
    assert_eq!(cell(browser, "host013", "sentence"), "2 % of the memory is available");
    assert_eq!(
        browser.text(&format!("{row}.querySelector('[data-cell=memory]').dataset.severity")),
        "critical"
    );
    assert_eq!(browser.text("document.title.split(' · ')[0]"), "1 critical");
    // Seen by the recorder at the next scrape, and by the page at the next update: two intervals, and time for the
    // browser, by the clocks of both.
    scene.fleet.change(7, |host| host.celsius = 97.0);
    let late = browser.value(
        "new Promise((done) => { const start = Date.now(); const look = () => { \
         const row = [...rows.values()].find((row) => row.host.name === 'host007'); \
         if (row.level === 'warning') done((Date.now() - start) / (1000 + pace)); else setTimeout(look, 10); }; look(); })",
    );
    println!("after {late} of the recorder's and the page's interval");
    assert!(late.as_f64().unwrap() < 10.0, "{late}");
    browser.look(1600, 1000, false);
    browser.picture("problems");
    scene.fleet.change(13, |host| host.memory_available = 0.5);
    scene.fleet.change(7, |host| host.celsius = 50.0);
    browser.wait_for("the end of it", "[...rows.values()].every((row) => row.level === 'up')");
    assert_eq!(cell(browser, "host013", "sentence"), "");
    assert_eq!(browser.value("document.querySelectorAll('[data-severity]').length"), 0);
    assert!(browser.text("document.title").starts_with("all well"));
    browser.assert_content();
}

#[test]
#[ignore = "needs chromium (tests/run installs it)"]
fn a_target_that_stops_is_down_and_its_numbers_are_old() {
    let mut scene = Scene::new(5);
    let browser = &mut scene.browser;
    let memory = cell(browser, "host003", "memory");
    scene.fleet.change(3, |host| host.answers = false);
    browser.wait_for("it to be down", "table.tBodies[0].row.level === 'down'");
    assert!(cell(browser, "host003", "sentence").starts_with("does not answer: "));
    assert!(cell(browser, "host003", "since").starts_with("for "));
    assert_eq!(cell(browser, "host003", "memory"), memory, "what was known last");
    assert_eq!(browser.value("table.tBodies[0].classList.contains('old')"), true);
    assert_eq!(browser.text("counts.children[0].textContent"), "4 of 5 up");
    scene.fleet.change(3, |host| host.answers = true);
    browser.wait_for("it to be back", "[...rows.values()].every((row) => row.level === 'up')");
    // One whose scrapes do not come any more without that anybody says so.
    browser.stop_asking();
    browser.value(
        "(() => { const hosts = [...rows.values()].map((row) => row.host); \
         hosts[2] = { ...hosts[2], seen_milliseconds: Date.now() - 45000 }; \
         show({ time_milliseconds: Date.now(), hosts }); })()",
    );
    assert_eq!(browser.text("table.tBodies[0].row.level"), "stale");
    assert_eq!(browser.text("counts.querySelector('[data-level=stale]').textContent"), "1 stale");
    let since = browser.text("table.tBodies[0].row.text.since.textContent");
    assert!(since.starts_with("numbers 4") && since.ends_with(" s old"), "{since}");
    browser.assert_content();
}

#[test]
#[ignore = "needs chromium (tests/run installs it)"]
fn a_program_that_does_not_answer_is_told_of() {
    let mut scene = Scene::new(3);
    let browser = &mut scene.browser;
    scene.server.process.signal(Signal::STOP);
    browser.wait_for("the page to say so", "!banner.hidden && document.body.classList.contains('silent')");
    browser.wait_for("the age", "/, \\d+ s ago$/.test(updated.textContent)");
    scene.server.process.signal(Signal::CONT);
    browser.wait_for("it to be over", "banner.hidden && !document.body.classList.contains('silent')");
    browser.assert_content();
    scene.server.process.signal(Signal::KILL);
    browser.wait_for(
        "the page to say so again",
        "banner.textContent.startsWith('scrape-log does not answer. What is here is as of ')",
    );
    assert!(browser.text("document.title").starts_with("no answer"));
    browser.look(1600, 1000, false);
    browser.picture("silent");
}

#[test]
#[ignore = "needs chromium (tests/run installs it)"]
fn the_filter_and_the_keyboard() {
    let mut scene = Scene::new(20);
    scene.fleet.change(4, |host| host.memory_available = 0.05);
    let browser = &mut scene.browser;
    browser.wait_for("a problem", "table.tBodies[0].row.level === 'warning'");
    let shown =
        "[...table.tBodies].filter((body) => !body.hidden).map((body) => body.row.host.name).join(' ')";
    browser.press("/");
    assert_eq!(browser.value("document.activeElement === input && input.value === ''"), true);
    for key in ["h", "o", "s", "t", "0", "1", "7"] {
        browser.press(key);
    }
    assert_eq!(browser.text(shown), "host017");
    assert_eq!(browser.text("document.getElementById('shown').textContent"), "1 of 20 hosts");
    assert_eq!(browser.text("location.hash"), "#text=host017");
    browser.press("Escape");
    assert_eq!(browser.value(shown).as_str().unwrap().split(' ').count(), 20);
    for (text, want) in [
        ("MEMORY available", "host004"),
        ("0.0.7:9100", "host007"),
        ("is:warning", "host004"),
        ("nobody", ""),
    ] {
        browser.value(&format!("filterBy({text:?})"));
        assert_eq!(browser.text(shown), want, "{text}");
    }
    assert_eq!(browser.value("document.getElementById('none').hidden"), false);
    browser.value("filterBy('')");
    browser.click("#counts [data-level=warning]");
    assert_eq!(browser.text(shown), "host004");
    browser.click("#counts [data-level=warning]");

    // Open with the keyboard, walk on, and stay where one is while everything is updated.
    browser.value("table.tBodies[1].querySelector('button').focus()");
    let name = browser.text("document.activeElement.textContent");
    for (key, open) in [("Enter", "true"), (" ", "false"), ("Enter", "true")] {
        browser.press(key);
        assert_eq!(browser.text("document.activeElement.getAttribute('aria-expanded')"), open, "{key:?}");
    }
    browser.press("ArrowDown");
    assert_eq!(browser.value("document.activeElement === table.tBodies[2].querySelector('button')"), true);
    browser.press("ArrowUp");
    browser.wait_for("the plots", "document.querySelectorAll('.plots figure').length === 5");
    let order = browser.value(ORDER);
    // The open row moves to the top, another one right below it.
    browser.value("getSelection().selectAllChildren(document.querySelector('.numbers dd')); window.kept = document.querySelector('.detail')");
    let number: usize = name.trim_start_matches("host").parse().unwrap();
    scene.fleet.change(number, |host| host.memory_available = 0.01);
    scene.fleet.change(19, |host| host.answers = false);
    browser.wait_for(
        "another order",
        &format!("table.tBodies[1].row.host.name === {name:?} && table.tBodies[0].row.level === 'down'"),
    );
    assert_ne!(browser.value(ORDER), order);
    assert_eq!(browser.text("document.activeElement.textContent"), name, "the focus stays");
    assert_eq!(browser.text("getSelection().toString()"), name, "so does the selection");
    assert_eq!(
        browser.value("window.kept === document.querySelector('.detail')"),
        true,
        "the row stays open"
    );
    let sorted = "[...table.tBodies].every((body, at, all) => at === 0 || \
                  LEVELS.indexOf(all[at - 1].row.level) >= LEVELS.indexOf(body.row.level))";
    assert_eq!(browser.value(sorted), true);
    browser.value("getSelection().removeAllRanges()");
    browser.click("tr.row td[data-cell=cpu]");
    browser.wait_for("the first row to be open too", "document.querySelectorAll('.detail').length === 2");
    browser.look(1600, 1000, true);
    browser.picture("open");
    browser.assert_content();
}

/// What has not changed is not touched, so that nothing flickers.
#[test]
#[ignore = "needs chromium (tests/run installs it)"]
fn only_what_changes_is_touched() {
    let mut scene = Scene::new(20);
    let browser = &mut scene.browser;
    browser.stop_asking();
    let touched = browser.value(
        "new Promise((done) => { let count = 0; \
         const hosts = [...rows.values()].map((row) => row.host); const again = { time_milliseconds: Date.now(), hosts }; \
         show(again); const watcher = new MutationObserver((changes) => count += changes.length); \
         watcher.observe(document, { subtree: true, childList: true, attributes: true, characterData: true }); \
         show(again); setTimeout(() => { const idle = count; count = 0; \
         hosts[5] = { ...hosts[5], vitals: { ...hosts[5].vitals, load1: 3, uptime_seconds: 1e7 } }; \
         show({ ...again, hosts }); setTimeout(() => { watcher.disconnect(); done([idle, count]); }, 0); }, 0); })",
    );
    assert_eq!(touched, serde_json::json!([0, 1]));
    browser.assert_content();
}
