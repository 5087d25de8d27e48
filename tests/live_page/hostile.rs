//! Names and values that are out to do harm.

use crate::fleet::Fleet;
use crate::{Scene, cell};

#[test]
#[ignore = "needs chromium (tests/run installs it)"]
fn hostile_names_and_values_are_shown_and_harmless() {
    let fleet = Fleet::start(8);
    let long = "x".repeat(10_000);
    let names = [
        "<img src=x onerror=alert(1)><script>document.title='broken'</script>",
        "\"'&amp;</template></table><style>*{display:none}</style>",
        "tab\tbell\u{7}line\nend\u{85}",
        "db\u{202e}gpj.exe\u{2066}",
        long.as_str(),
        "שרת-01 خادم",
        "__proto__",
    ];
    for (number, name) in names.iter().enumerate() {
        fleet.change(number, |host| {
            host.name = (*name).to_owned();
            host.memory_available = 0.02;
        });
    }
    fleet.change(4, |host| {
        host.more = format!(
            "node_filesystem_size_bytes{{device=\"d\",fstype=\"ext4\",mountpoint=\"/<b>{long}\"}} 100\n\
             node_filesystem_avail_bytes{{device=\"d\",fstype=\"ext4\",mountpoint=\"/<b>{long}\"}} 1\n"
        );
    });
    fleet.change(5, |host| {
        host.memory_available = f64::NAN;
        host.more = "node_load1 1e308\nnode_disk_written_bytes_total{device=\"sdz\"} 1e308\n\
                     node_hwmon_temp_celsius{chip=\"c\",sensor=\"<i>\"} 1e308\n"
            .into();
    });
    fleet.change(6, |host| {
        host.celsius = f64::NEG_INFINITY;
        host.more = "node_load1 NaN\nnode_boot_time_seconds +Inf\nnode_time_seconds -Inf\n".into();
    });
    let mut scene = Scene::with(fleet, 8);
    let browser = &mut scene.browser;
    browser.wait_for("all names", "[...rows.values()].every((row) => row.host.name !== row.host.instance)");
    browser.value("for (const row of rows.values()) if (!row.detail) setOpen(row, true)");
    browser.wait_for("all details", "[...rows.values()].every((row) => row.host.recent && row.detail)");
    assert_eq!(cell(browser, names[0], "name"), names[0]);
    assert_eq!(cell(browser, names[1], "name"), names[1]);
    // The recorder has replaced most control characters by then, the page replaces the rest.
    let recorded = "tab\tbell\u{fffd}line\nend\u{fffd}";
    let want = recorded.replace(char::is_control, "\u{fffd}");
    assert_eq!(cell(browser, recorded, "name"), want);
    assert_eq!(cell(browser, names[3], "name"), "db\u{fffd}gpj.exe\u{fffd}");
    // The model of the host keeps so much of a name, and its cell less.
    let kept = format!("{}…", "x".repeat(512));
    assert_eq!(cell(browser, &kept, "name").chars().count(), 201);
    assert_eq!(cell(browser, names[5], "name"), names[5]);
    assert_eq!(cell(browser, names[5], "memory"), "", "not a number is none");
    let detail = browser
        .text("[...rows.values()].find((row) => row.host.name.startsWith('xxx')).detail.root.textContent");
    assert!(detail.contains(&kept) && detail.contains("/<b>xxx"), "all that is kept is among the details");
    let strange = "document.querySelectorAll('main img, main script, main style, main b:not([data-text]), main i:not([data-bar])').length";
    assert_eq!(browser.value(strange), 0);
    assert!(browser.text("document.title").contains("critical"));
    for (width, height) in [(1600, 1000), (390, 844)] {
        browser.look(width, height, false);
        browser.picture(&format!("hostile-{width}"));
        assert_eq!(browser.value("document.documentElement.scrollWidth - innerWidth"), 0);
    }
    browser.assert_content();
}
