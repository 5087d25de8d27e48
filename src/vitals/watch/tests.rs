//! What is a problem, from when to when.

use crate::vitals::tests::Host;

const HOUR: i64 = 3600;

/// What is wrong with a host that said `pages`, a minute apart.
fn after(pages: &[&str]) -> Vec<(&'static str, &'static str)> {
    let mut host = Host::default();
    for page in pages {
        host.scrape(60, page);
    }
    host.problems()
}

fn filesystem(available: f64) -> String {
    let labels = "{device=\"/dev/sda1\",fstype=\"ext4\",mountpoint=\"/srv\"}";
    format!("node_filesystem_size_bytes{labels} 1000\nnode_filesystem_avail_bytes{labels} {available}\n")
}

#[test]
fn a_filesystem_that_is_full() {
    for (available, expected) in [(51.0, ""), (49.0, "warning"), (29.0, "critical")] {
        let found = after(&[&filesystem(available)]);
        let expected =
            if expected.is_empty() { vec![] } else { vec![("NodeFilesystemAlmostOutOfSpace", expected)] };
        assert_eq!(found, expected, "{available}");
    }
    let mut host = Host::default().scraped(&filesystem(40.0));
    assert_eq!(host.sentences(), ["/srv has 4 % of its space left (40 B)"]);
    host.scrape(15, &filesystem(25.0));
    host.scrape(15, &filesystem(20.0));
    let problem = &host.watch.problems()[0];
    assert_eq!(
        (problem.since_milliseconds, problem.limit.severity.name()),
        (0, "critical"),
        "since the warning"
    );
    assert_eq!(problem.about, "/srv");
    assert!(host.scrape(15, &filesystem(400.0)).problems().is_empty());
}

#[test]
fn a_filesystem_that_is_filling() {
    let mut host = Host::default();
    let mut seen = Vec::new();
    for minute in 0..=120 {
        host.scrape(60, &filesystem(390.0 - minute as f64 * 0.5));
        seen.push(host.problems().first().copied());
    }
    let first = seen.iter().position(Option::is_some).unwrap();
    assert_eq!(first, 60, "a trend takes an hour");
    assert!(seen[first..].iter().all(|found| *found == Some(("NodeFilesystemSpaceFillingUp", "warning"))));
    assert_eq!(
        host.sentences(),
        ["/srv has 33 % of its space left and none in 11 h if it goes on like this"]
    );
    for minute in 121..=560 {
        host.scrape(60, &filesystem(390.0 - minute as f64 * 0.5));
    }
    assert_eq!(host.problems(), [("NodeFilesystemSpaceFillingUp", "critical")]);
}

#[test]
fn inodes_run_out() {
    let page = |free: f64| {
        let labels = "{device=\"a\",fstype=\"ext4\",mountpoint=\"/\"}";
        format!("node_filesystem_files{labels} 1000\nnode_filesystem_files_free{labels} {free}\n")
    };
    assert_eq!(after(&[&page(40.0)]), [("NodeFilesystemAlmostOutOfFiles", "warning")]);
    assert_eq!(after(&[&page(20.0)]), [("NodeFilesystemAlmostOutOfFiles", "critical")]);
}

#[test]
fn what_turns_read_only_or_does_not_answer() {
    let mount = |family: &str, kind: &str, more: &str, value: f64| {
        format!("{family}{{device=\"d\",{more}fstype=\"{kind}\",mountpoint=\"/m\"}} {value}\n")
    };
    let read_only = |value| mount("node_filesystem_readonly", "ext4", "", value);
    assert!(after(&[&read_only(1.0), &read_only(1.0)]).is_empty(), "read-only from the start");
    let turned = [("NodeFilesystemReadOnly", "critical")];
    assert_eq!(after(&[&read_only(0.0), &read_only(1.0), &read_only(1.0)]), turned);
    let error = |kind, text: &str| {
        mount("node_filesystem_device_error", kind, &format!("device_error=\"{text}\","), 1.0)
    };
    assert_eq!(after(&[&error("ext4", "io")]), [("NodeFilesystemDeviceError", "critical")]);
    assert_eq!(after(&[&error("nfs4", "stale")]), [("NodeFilesystemDeviceError", "warning")]);
    assert!(after(&[&error("ext4", "Permission denied")]).is_empty());
    assert!(after(&[&error("fuse.portal", "io")]).is_empty());
}

#[test]
fn memory_runs_out() {
    let page = |available: f64| {
        format!("node_memory_MemTotal_bytes 1000\nnode_memory_MemAvailable_bytes {available}\n")
    };
    assert!(after(&[&page(101.0)]).is_empty());
    assert_eq!(after(&[&page(99.0)]), [("NodeMemoryHighUtilization", "warning")]);
    assert_eq!(after(&[&page(29.0)]), [("NodeMemoryHighUtilization", "critical")]);
    let stall = |waiting: f64, stalled: f64| {
        format!(
            "node_pressure_memory_waiting_seconds_total {waiting}\n\
             node_pressure_memory_stalled_seconds_total {stalled}\n"
        )
    };
    assert!(after(&[&stall(0.0, 0.0), &stall(5.0, 5.0)]).is_empty());
    assert_eq!(after(&[&stall(0.0, 0.0), &stall(7.0, 5.0)]), [("NodeMemoryPressure", "warning")]);
    assert_eq!(after(&[&stall(0.0, 0.0), &stall(20.0, 13.0)]), [("NodeMemoryPressure", "critical")]);
    let swap = |pages: f64| format!("node_vmstat_pswpin {pages}\nnode_vmstat_pswpout {pages}\n");
    assert_eq!(after(&[&swap(0.0), &swap(31_000.0)]), [("NodeSwapStorm", "warning")]);
    assert!(after(&[&swap(0.0), &swap(29_000.0)]).is_empty());
}

#[test]
fn tables_fill_up() {
    let files = |used: f64| format!("node_filefd_allocated {used}\nnode_filefd_maximum 100\n");
    assert_eq!(after(&[&files(71.0)]), [("NodeFileDescriptorLimit", "warning")]);
    assert_eq!(after(&[&files(91.0)]), [("NodeFileDescriptorLimit", "critical")]);
    let tracked =
        |used: f64| format!("node_nf_conntrack_entries {used}\nnode_nf_conntrack_entries_limit 100\n");
    assert_eq!(after(&[&tracked(96.0)]), [("NodeHighNumberConntrackEntriesUsed", "critical")]);
    assert!(after(&[&tracked(75.0), &files(70.0)]).is_empty());
}

#[test]
fn heat_and_fans() {
    let heat = |celsius: f64| {
        format!(
            "node_hwmon_temp_celsius{{chip=\"cpu\",sensor=\"temp1\"}} {celsius}\n\
             node_hwmon_temp_crit_celsius{{chip=\"cpu\",sensor=\"temp1\"}} 90\n"
        )
    };
    assert!(after(&[&heat(85.0)]).is_empty());
    assert_eq!(after(&[&heat(86.0)]), [("NodeTemperatureHigh", "warning")]);
    assert_eq!(after(&[&heat(90.0)]), [("NodeTemperatureHigh", "critical")]);
    assert_eq!(
        Host::default().scraped(&heat(91.0)).sentences(),
        ["cpu temp1 is at 91 °C, and 90 °C is critical"]
    );
    let fan = |rpm: f64| format!("node_hwmon_fan_rpm{{chip=\"board\",sensor=\"fan2\"}} {rpm}\n");
    assert!(after(&[&fan(0.0), &fan(0.0)]).is_empty(), "a header without a fan");
    let turn = |host: &mut Host, minutes: i64, rpm: f64| {
        for _ in 0..minutes {
            host.scrape(60, &fan(rpm));
        }
    };
    let mut host = Host::default();
    turn(&mut host, 62, 900.0);
    host.scrape(15, &fan(f64::NAN));
    assert!(host.problems().is_empty(), "what can't be read has not stopped");
    turn(&mut host, 1, 0.0);
    assert_eq!(host.sentences(), ["fan board fan2 has stopped"]);
    turn(&mut host, 90, 900.0);
    turn(&mut host, 1, 0.0);
    assert!(host.problems().is_empty(), "it stops by design");
    turn(&mut host, 13 * 60, 900.0);
    turn(&mut host, 1, 0.0);
    assert_eq!(host.problems(), [("NodeFanStopped", "warning")], "it had turned for half a day");
    turn(&mut host, 7 * 60, 0.0);
    assert!(host.problems().is_empty(), "no news any more");
    for (minutes, rpm) in [(5, 0.0), (90, 900.0), (1, 0.0)] {
        turn(&mut host, minutes, rpm);
    }
    assert!(host.problems().is_empty(), "it stood at first");
    let mut laptop = Host::default();
    turn(&mut laptop, 20, 900.0);
    laptop.scrape(HOUR, &fan(900.0));
    turn(&mut laptop, 1, 0.0);
    assert!(laptop.problems().is_empty(), "nobody knows how long it had turned");
    let throttles = |count: f64| format!("node_cpu_package_throttles_total{{package=\"0\"}} {count}\n");
    assert_eq!(after(&[&throttles(7.0), &throttles(98.0)]), [("NodeCPUThrottled", "warning")]);
    assert!(after(&[&throttles(7.0), &throttles(97.0)]).is_empty());
}

#[test]
fn events_are_problems_for_a_while() {
    for (family, alert, severity, many, hours) in [
        ("node_vmstat_oom_kill", "NodeOOMKill", "warning", 1.0, 0.25),
        ("node_kernel_hung_tasks_total", "NodeHungTasks", "warning", 1.0, 0.25),
        ("node_edac_correctable_errors_total", "NodeMemoryErrorsCorrectable", "warning", 11.0, 24.0),
        ("node_edac_uncorrectable_errors_total", "NodeMemoryErrorsUncorrectable", "critical", 1.0, 6.0),
    ] {
        let labels = if family.contains("edac") { "{controller=\"0\"}" } else { "" };
        let page = |count: f64| format!("{family}{labels} {count}\n");
        let mut host = Host::default().scraped(&page(40.0));
        assert!(host.problems().is_empty(), "{alert}: they were there before");
        host.scrape(15, &page(40.0 + many));
        assert_eq!(host.problems(), [(alert, severity)]);
        let window = (hours * HOUR as f64) as i64;
        host.scrape(window - 30, &page(40.0 + many));
        assert_eq!(host.problems(), [(alert, severity)]);
        host.scrape(60, &page(40.0 + many));
        assert!(host.problems().is_empty(), "{alert}");
    }
    assert_eq!(
        after(&["node_memory_HardwareCorrupted_bytes 4096\n"]),
        [("NodeMemoryHardwareCorrupted", "warning")]
    );
}

#[test]
fn an_array_lacks_a_disk() {
    let page = |active: f64| {
        format!(
            "node_md_disks_required{{device=\"md0\"}} 4\nnode_md_disks{{device=\"md0\",state=\"active\"}} {active}\n\
             node_md_disks{{device=\"md0\",state=\"spare\"}} 1\n"
        )
    };
    assert!(after(&[&page(4.0)]).is_empty());
    let host = Host::default().scraped(&page(3.0));
    assert_eq!(host.problems(), [("NodeRAIDDegraded", "critical")]);
    assert_eq!(host.sentences(), ["array md0 lacks 1 of its 4 disks"]);
}

#[test]
fn clocks_are_off() {
    let offset = |seconds: f64| format!("node_timex_offset_seconds {seconds}\n");
    assert_eq!(after(&[&offset(-0.06), &offset(-0.07)]), [("NodeClockSkewDetected", "warning")]);
    assert!(after(&[&offset(0.07), &offset(0.06)]).is_empty(), "it gets better");
    let sync = |status: f64| format!("node_timex_maxerror_seconds 16\nnode_timex_sync_status {status}\n");
    assert_eq!(after(&[&sync(0.0)]), [("NodeClockNotSynchronising", "warning")]);
    assert!(after(&[&sync(1.0)]).is_empty());
    assert_eq!(after(&["node_time_seconds 66\n"]), [("NodeClockDiffersFromPrometheus", "warning")]);
    assert!(after(&["node_time_seconds 64\n"]).is_empty());
}

#[test]
fn a_restart_is_told_with_its_manner() {
    let page =
        |uptime: f64, more: &str| format!("node_time_seconds 0\nnode_boot_time_seconds -{uptime}\n{more}");
    for (more, expected) in [
        ("", &["restarted 5 min ago"][..]),
        ("vitals_last_shutdown_clean 1\n", &["restarted 5 min ago, after a shutdown"]),
        (
            "vitals_last_shutdown_clean 0\nvitals_last_alive_timestamp_seconds -420\n",
            &["had gone without a shutdown, and was away for 2 min", "restarted 5 min ago"],
        ),
    ] {
        let host = Host::default().scraped(&page(300.0, more));
        assert_eq!(host.sentences(), expected);
        assert_eq!(host.problems().last(), Some(&("NodeRebooted", "info")));
    }
    let host = Host::default().scraped(&page(20_000.0, "vitals_last_shutdown_clean 0\n"));
    assert_eq!(host.problems(), [("NodeUncleanShutdown", "warning")]);
    assert!(Host::default().scraped(&page(900.0, "")).problems().is_empty());
}

#[test]
fn a_host_that_does_not_answer_has_this_one_problem() {
    let mut host = Host::default().scraped(&filesystem(20.0));
    host.fail(15, "connect: refused");
    host.fail(15, "timed out");
    assert_eq!(host.problems(), [("TargetDown", "critical")]);
    assert_eq!(host.sentences(), ["does not answer: timed out"]);
    assert_eq!(host.watch.problems()[0].since_milliseconds, 15_000);
    assert_eq!((host.watch.up(), host.watch.seen_milliseconds()), (Some(false), Some(0)));
    assert!(host.watch.vitals().fullest_disk.is_some(), "what it said last stays known");
    host.scrape(15, &filesystem(20.0));
    assert_eq!(host.watch.problems()[0].since_milliseconds, 0);
    assert_eq!(host.watch.up(), Some(true));
}

#[test]
fn the_worst_and_the_newest_come_first() {
    let mut host = Host::default().scraped("node_memory_HardwareCorrupted_bytes 1\n");
    let page = format!(
        "node_memory_HardwareCorrupted_bytes 1\n{}node_filefd_allocated 8\nnode_filefd_maximum 10\n",
        filesystem(10.0)
    );
    host.scrape(15, &page);
    let alerts: Vec<_> = host.problems().iter().map(|(alert, _)| *alert).collect();
    let expected =
        ["NodeFilesystemAlmostOutOfSpace", "NodeFileDescriptorLimit", "NodeMemoryHardwareCorrupted"];
    assert_eq!(alerts, expected);
}

#[test]
fn the_name_and_the_last_quarter_of_an_hour() {
    let mut host = Host::default();
    for second in 0..2000 {
        let page = format!(
            "node_uname_info{{nodename=\"db01\",release=\"6\"}} 1\nnode_memory_MemTotal_bytes 2000\n\
             node_memory_MemAvailable_bytes {}\n",
            2000 - second
        );
        host.scrape(1, &page);
    }
    assert_eq!(host.watch.host_name(), Some("db01"));
    let points: Vec<_> = host.watch.recent().points().collect();
    assert_eq!(points.len(), 90);
    assert_eq!(points[89].at_milliseconds - points[0].at_milliseconds, 890_000);
    assert!(points[89].memory_used_ratio > 0.99 && points[0].cpu_usage_ratio.is_nan());
}

#[test]
fn a_page_of_full_filesystems_is_no_flood() {
    let page = |scrape: usize, more: &str| -> String {
        let mount = |n: usize| {
            format!(
                "node_filesystem_size_bytes{{mountpoint=\"/{scrape}/{n}\"}} 100\n\
                 node_filesystem_avail_bytes{{mountpoint=\"/{scrape}/{n}\"}} 4\n"
            )
        };
        (0..3000).map(mount).chain([more.to_owned()]).collect()
    };
    let mut host = Host::default();
    for scrape in 0..5 {
        host.scrape(15, &page(scrape, ""));
        assert_eq!(host.watch.problems().len(), 256);
        let things: usize = host.watch.memory.counts().iter().sum();
        assert!(things <= 12_000, "{things} are remembered");
    }
    host.scrape(
        15,
        &page(5, "node_md_disks_required{device=\"a\"} 2\nnode_md_disks{device=\"a\",state=\"active\"} 1\n"),
    );
    assert_eq!(host.problems()[0], ("NodeRAIDDegraded", "critical"), "the worst ones are told");
}

#[test]
fn a_clock_that_is_set_back_leaves_no_problem_in_the_future() {
    let mut host = Host::default().scraped(&filesystem(400.0));
    host.scrape(HOUR, &filesystem(40.0));
    host.scrape(-300, &filesystem(40.0));
    assert_eq!(host.watch.problems()[0].since_milliseconds, (HOUR - 300) * 1000);
    assert_eq!(host.watch.recent().points().len(), 1, "one that is not in the future");
    host.scrape(15, &filesystem(40.0));
    assert_eq!(host.watch.recent().points().len(), 2);
    host.fail(15, "gone");
    host.fail(-300, "gone");
    assert_eq!(host.watch.problems()[0].since_milliseconds, (HOUR - 570) * 1000);
}

#[test]
fn what_grew_over_hours_is_no_rate_of_now() {
    let page = |pages: f64| format!("node_vmstat_pswpin {pages}\nnode_vmstat_oom_kill {pages}\n");
    let mut host = Host::default().scraped(&page(0.0));
    assert_eq!(host.scrape(600, &page(600.0)).vitals().swapped_in_pages_per_second, Some(1.0));
    assert_eq!(host.problems(), [("NodeOOMKill", "warning")]);
    assert_eq!(host.scrape(HOUR, &page(1200.0)).vitals().swapped_in_pages_per_second, None);
    assert!(host.problems().is_empty(), "nobody knows when");
}
