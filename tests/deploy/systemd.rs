//! The units for systemd.

use std::fs;
use std::process::{Command, Output};

use crate::common::rules::{files, stem};
use crate::{exporter_takes, read, recorder_takes};

/// What `systemd-analyze security` looks at and a unit can set.
const HARDENING: &[&str] = &[
    "AmbientCapabilities",
    "CapabilityBoundingSet",
    "DevicePolicy",
    "IPAddressDeny",
    "KeyringMode",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "NoNewPrivileges",
    "PrivateDevices",
    "PrivateMounts",
    "PrivateNetwork",
    "PrivateTmp",
    "PrivateUsers",
    "ProcSubset",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHome",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectProc",
    "ProtectSystem",
    "RemoveIPC",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "SystemCallArchitectures",
    "SystemCallFilter",
    "UMask",
    "User",
];

/// The values of a setting, in order.
fn values<'a>(unit: &'a str, setting: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(setting)?.strip_prefix('=')).collect()
}

fn unit(program: &str) -> String {
    read(&format!("deploy/systemd/{program}.service"))
}

#[test]
fn units_start_the_programs_with_flags_that_they_know() {
    let words = |line: &str| -> Vec<String> { line.split(' ').skip(1).map(str::to_owned).collect() };
    let exporter = unit("vitals-exporter");
    let line = values(&exporter, "ExecStart")[0];
    assert!(line.starts_with("/usr/local/bin/vitals-exporter ") && line.ends_with(" $ARGS"), "{line}");
    exporter_takes(&words(line.strip_suffix(" $ARGS").unwrap()));
    let recorder = unit("scrape-log");
    let line = values(&recorder, "ExecStart")[0];
    let default = values(&recorder, "Environment")[0].strip_prefix("ARGS=").unwrap();
    assert!(line.starts_with("/usr/local/bin/scrape-log ") && line.ends_with(" $ARGS"), "{line}");
    let options = recorder_takes(&words(&line.replace("$ARGS", default)));
    assert_eq!(options.storage.path.to_str().unwrap(), "${STATE_DIRECTORY}");
    assert_eq!(values(&recorder, "StateDirectory"), ["scrape-log"]);
    assert_eq!(values(&recorder, "ExecReload"), ["/bin/kill -HUP $MAINPID"]);
    for (unit, program) in [(exporter, "vitals-exporter"), (recorder, "scrape-log")] {
        assert_eq!(values(&unit, "Type"), ["notify"]);
        assert_eq!(values(&unit, "User"), [program]);
        assert_eq!(values(&unit, "EnvironmentFile").last(), Some(&&*format!("-/etc/default/{program}")));
        assert!(read("deploy/systemd/sysusers.conf").contains(&format!("\nu {program} - ")));
        // The code for wrong flags, which no restart mends.
        assert_eq!(values(&unit, "RestartPreventExitStatus"), ["64"]);
    }
}

#[test]
fn each_hardening_setting_is_there_or_its_absence_explained() {
    let shipped: Vec<String> = files("deploy/systemd", "service").iter().map(|path| stem(path)).collect();
    assert_eq!(shipped, ["scrape-log", "vitals-exporter"]);
    for program in shipped {
        let unit = unit(&program);
        for setting in HARDENING {
            let explained = unit.lines().any(|line| line.starts_with(&format!("#   {setting}=")));
            assert!(explained || !values(&unit, setting).is_empty(), "{program}: {setting}");
        }
    }
}

fn analyze(arguments: &[&str]) -> Output {
    Command::new("systemd-analyze").args(arguments).output().unwrap()
}

#[test]
#[ignore = "needs systemd-analyze (tests/run installs it)"]
fn systemd_takes_the_units_and_counts_little_exposure() {
    let folder = tempfile::tempdir().unwrap();
    // Exposure in tenths.
    for (program, built, exposure) in [
        ("vitals-exporter", env!("CARGO_BIN_EXE_vitals-exporter"), 19),
        ("scrape-log", env!("CARGO_BIN_EXE_scrape-log"), 10),
    ] {
        // It looks for the program, which is not installed here.
        let installed = unit(program).replace(&format!("/usr/local/bin/{program}"), built);
        let file = folder.path().join(format!("{program}.service"));
        fs::write(&file, installed).unwrap();
        let file = file.to_str().unwrap();
        let verified = analyze(&["verify", "--man=no", file]);
        let said = String::from_utf8_lossy(&verified.stderr);
        let about_it: Vec<&str> = said.lines().filter(|line| line.contains(program)).collect();
        assert!(verified.status.success() && about_it.is_empty(), "{said}");
        let security = |threshold: i32| {
            analyze(&["security", "--offline=true", "--no-pager", &format!("--threshold={threshold}"), file])
        };
        let table = security(exposure);
        assert!(table.status.success(), "{}", String::from_utf8_lossy(&table.stdout));
        assert!(!security(1).status.success(), "there is no threshold");
    }
}
