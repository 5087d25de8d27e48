//! The command line of `vitals-exporter`: node_exporter's flags, made from the table of collectors.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::{Config, absent, args_file};
use crate::base::log;
use crate::base::usage::Usage;
use crate::collectors::{COLLECTORS, Flag, FlagKind, Settings, Spec};
use crate::host::Root;
use crate::web::server::parse_address;

/// Reads the command line, the program's name first, and checks all that can be checked without starting.
///
/// # Errors
/// [`Usage`] with a text that names the flag, what was wrong with it and what is expected.
pub fn parse(args: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Config, Usage> {
    let args = args_file::expand(args.into_iter().map(Into::into).collect()).map_err(Usage::wrong)?;
    let matches = command().try_get_matches_from(args).map_err(usage)?;
    config(&matches).map_err(Usage::wrong)
}

/// Flags that are unknown because a collector is absent are answered better than by a guess at what was meant.
fn usage(error: clap::Error) -> Usage {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) if error.kind() == ErrorKind::UnknownArgument => {
            absent::refusal(flag).map_or_else(|| error.into(), Usage::wrong)
        }
        _ => error.into(),
    }
}

fn command() -> Command {
    let mut command = Command::new("vitals-exporter")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Serves the vital signs of this host to Prometheus, under node_exporter's names and flags.")
        .after_help("--no- switches off what is on: --no-collector.NAME, and so for all flags that are true or false.")
        .arg(
            option("web.listen-address", "ADDRESS", "Address to listen on; may be given more than once.")
                .action(ArgAction::Append)
                .default_value(":9100"),
        )
        .arg(option("web.telemetry-path", "PATH", "Path of the page of metrics.").default_value("/metrics"))
        .arg(
            option(
                "web.max-requests",
                "COUNT",
                "Scrapes at once beyond which 503 is the answer; 0 is no limit.",
            )
            .default_value("0")
            .value_parser(value_parser!(usize)),
        )
        .arg(option("path.procfs", "DIR", "Where procfs is mounted.").default_value("/proc"))
        .arg(option("path.sysfs", "DIR", "Where sysfs is mounted.").default_value("/sys"))
        .arg(option("path.rootfs", "DIR", "Where the host's root file system is mounted.").default_value("/"))
        .arg(option("path.udev.data", "DIR", "The udev database.").default_value("/run/udev/data"))
        .arg(
            option(
                "state.directory",
                "DIR",
                "Where to keep a note of whether the machine was shut down or just went [default: $STATE_DIRECTORY, which systemd sets, else none].",
            )
            .value_parser(value_parser!(OsString)),
        )
        .arg(
            option("log.level", "LEVEL", "Least severe level to log.")
                .default_value("info")
                .value_parser(log::LEVELS),
        )
        .arg(
            option("log.format", "FORMAT", "Format of the log, which goes to standard error.")
                .default_value("logfmt")
                .value_parser(log::FORMATS),
        )
        // Unit files written for node_exporter may carry this; it has no meaning outside Go.
        .arg(option("runtime.gomaxprocs", "COUNT", "").hide(true))
        // Known so that their defaults can be given.
        .arg(option("web.config.file", "FILE", "").hide(true).value_parser(not_yet))
        .arg(Arg::new("help-long").long("help-long").action(ArgAction::HelpLong).hide(true));
    command = on_off(command, "web.systemd-socket".into(), String::new())
        .mut_arg("web.systemd-socket", |arg| arg.hide(true));
    for (name, help) in [
        ("web.disable-exporter-metrics", "Leave out process_* and promhttp_*."),
        ("collector.disable-defaults", "Run only the collectors that are switched on by name."),
    ] {
        command = on_off(command, name.into(), help.into());
    }
    for spec in COLLECTORS {
        let state = if spec.default_on { "on" } else { "off" };
        command =
            on_off(command, format!("collector.{}", spec.name), format!("{} [default: {state}]", spec.help));
        for flag in spec.flags {
            command = collector_flag(command, flag);
        }
    }
    for name in absent::names() {
        let off = format!("no-collector.{name}");
        command = command.arg(Arg::new(off.clone()).long(off).action(ArgAction::SetTrue).hide(true));
    }
    command
}

fn not_yet(value: &str) -> Result<String, &'static str> {
    match value {
        "" => Ok(String::new()),
        _ => {
            Err("TLS and passwords are not there yet: drop the flag, or serve them with a proxy before this")
        }
    }
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help).allow_hyphen_values(true)
}

/// `--name` and `--no-name`, the last one given wins.
fn on_off(command: Command, name: String, help: String) -> Command {
    let off = format!("no-{name}");
    command
        .arg(
            Arg::new(name.clone())
                .long(name.clone())
                .help(help)
                .action(ArgAction::SetTrue)
                .overrides_with(off.clone()),
        )
        .arg(Arg::new(off.clone()).long(off).action(ArgAction::SetTrue).hide(true).overrides_with(name))
}

fn collector_flag(command: Command, flag: &'static Flag) -> Command {
    let name = format!("collector.{}", flag.name);
    let (value, default) = match flag.kind {
        FlagKind::Switch(default) => {
            let help = format!("{} [default: {default}]", flag.help);
            return on_off(command, name.clone(), help).mut_arg(name, |arg| arg.hide(flag.hidden));
        }
        FlagKind::Pattern(default) => ("REGEX", default.to_owned()),
        FlagKind::Duration(default) => ("DURATION", default.to_owned()),
        FlagKind::Count(default) => ("COUNT", default.to_string()),
        FlagKind::List => ("VALUE", String::new()),
    };
    let help = match default.as_str() {
        "" => flag.help.to_owned(),
        default => format!("{} [default: {default}]", flag.help),
    };
    let action = if flag.kind == FlagKind::List { ArgAction::Append } else { ArgAction::Set };
    command.arg(
        Arg::new(name.clone())
            .long(name)
            .value_name(value)
            .help(help)
            .action(action)
            .allow_hyphen_values(true)
            .hide(flag.hidden),
    )
}

fn config(matches: &ArgMatches) -> Result<Config, String> {
    let text = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
    let listen_addresses: Vec<String> =
        matches.get_many("web.listen-address").into_iter().flatten().cloned().collect();
    for address in &listen_addresses {
        parse_address(address).map_err(|problem| format!("--web.listen-address: {problem}"))?;
    }
    if matches.get_flag("web.systemd-socket") {
        return Err("--web.systemd-socket: sockets from systemd are not there yet: drop the flag, and give \
                    --web.listen-address instead"
            .into());
    }
    let telemetry_path = text("web.telemetry-path");
    if !telemetry_path.starts_with('/') || telemetry_path.contains(['?', '#', ' ']) {
        return Err(format!(
            "--web.telemetry-path: {telemetry_path:?} is not a path, expected for example /metrics"
        ));
    }
    let mut settings = Settings::new(root(matches)?);
    for flag in COLLECTORS.iter().flat_map(|spec| spec.flags) {
        set(&mut settings, matches, flag)?;
    }
    let only_named = matches.get_flag("collector.disable-defaults");
    let collectors: BTreeSet<&'static str> =
        COLLECTORS.iter().filter(|spec| is_on(matches, spec, only_named)).map(|spec| spec.name).collect();
    Ok(Config {
        listen_addresses,
        telemetry_path,
        max_requests: matches.get_one("web.max-requests").copied().unwrap_or(0),
        state_directory: matches
            .get_one::<OsString>("state.directory")
            .map(PathBuf::from)
            .or_else(|| first_directory(std::env::var_os("STATE_DIRECTORY")))
            .filter(|path| !path.as_os_str().is_empty()),
        disable_exporter_metrics: matches.get_flag("web.disable-exporter-metrics"),
        collectors,
        absent_collectors: absent::names()
            .filter(|name| matches.get_flag(&format!("no-collector.{name}")))
            .collect(),
        settings,
        log_level: text("log.level"),
        log_format: text("log.format"),
    })
}

/// systemd gives the directories of a unit behind one another (systemd.exec(5), "Environment Variables").
fn first_directory(list: Option<OsString>) -> Option<PathBuf> {
    std::env::split_paths(&list?).next()
}

fn is_on(matches: &ArgMatches, spec: &Spec, only_named: bool) -> bool {
    let name = format!("collector.{}", spec.name);
    match (matches.get_flag(&name), matches.get_flag(&format!("no-{name}"))) {
        (true, _) => true,
        (_, true) => false,
        _ => spec.default_on && !only_named,
    }
}

fn set(settings: &mut Settings, matches: &ArgMatches, flag: &'static Flag) -> Result<(), String> {
    let name = format!("collector.{}", flag.name);
    if let FlagKind::Switch(_) = flag.kind {
        for (given, value) in [(name.clone(), "true"), (format!("no-{name}"), "false")] {
            if matches.get_flag(&given) {
                settings.set(flag, value).map_err(|problem| format!("--{given}: {problem}"))?;
            }
        }
        return Ok(());
    }
    for value in matches.get_many::<String>(&name).into_iter().flatten() {
        settings.set(flag, value).map_err(|problem| format!("--{name}: {problem}"))?;
    }
    Ok(())
}

/// The directories, each readable. Without sysfs there is less to give; that is no error unless another directory than
/// the usual one was asked for. Hosts without udev are common, and one command line may be for many hosts.
fn root(matches: &ArgMatches) -> Result<Root, String> {
    let usual = Root::default();
    let folder = |name: &str, may_lack: Option<PathBuf>| -> Result<PathBuf, String> {
        let path = PathBuf::from(matches.get_one::<String>(name).cloned().unwrap_or_default());
        match std::fs::read_dir(&path) {
            Err(error) if may_lack.as_ref() != Some(&path) => Err(format!(
                "--{name}: cannot read {}: {error}; expected a directory that this user may list",
                path.display()
            )),
            _ => Ok(path),
        }
    };
    Ok(Root {
        proc: folder("path.procfs", None)?,
        sys: folder("path.sysfs", Some(usual.sys))?,
        rootfs: folder("path.rootfs", Some(usual.rootfs))?,
        udev: matches.get_one::<String>("path.udev.data").map_or(usual.udev, PathBuf::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Config, Usage> {
        parse(std::iter::once("vitals-exporter").chain(args.iter().copied()))
    }

    #[test]
    fn defaults() {
        let config = parsed(&[]).unwrap();
        assert_eq!(config.listen_addresses, [":9100"]);
        assert_eq!((config.telemetry_path.as_str(), config.max_requests), ("/metrics", 0));
        let on: BTreeSet<_> =
            COLLECTORS.iter().filter(|spec| spec.default_on).map(|spec| spec.name).collect();
        assert_eq!(config.collectors, on);
    }

    #[test]
    fn the_state_directory_is_the_first_of_systemds() {
        assert_eq!(first_directory(Some("/var/lib/a:/var/lib/b".into())), Some("/var/lib/a".into()));
        assert_eq!(first_directory(None), None);
        let config = parsed(&["--state.directory=/var/lib/x"]).unwrap();
        assert_eq!(config.state_directory, Some("/var/lib/x".into()));
        assert_eq!(
            parsed(&["--state.directory="]).unwrap().state_directory,
            None,
            "none, whatever systemd says"
        );
    }

    #[test]
    fn switches() {
        let names = |args: &[&str]| parsed(args).unwrap().collectors;
        assert!(!names(&["--no-collector.loadavg"]).contains("loadavg"));
        assert!(names(&["--no-collector.loadavg", "--collector.loadavg"]).contains("loadavg"));
        assert_eq!(names(&["--collector.disable-defaults", "--collector.loadavg"]), ["loadavg"].into());
        assert_eq!(names(&["--no-collector.disable-defaults"]), names(&[]));
        assert!(!parsed(&["--no-web.disable-exporter-metrics"]).unwrap().disable_exporter_metrics);
    }

    #[test]
    fn a_unit_file_for_node_exporter_is_understood() {
        let config = parsed(&[
            "--web.listen-address=127.0.0.1:9100",
            "--web.listen-address",
            "[::1]:9100",
            "--web.telemetry-path=/m",
            "--web.max-requests=40",
            "--web.disable-exporter-metrics",
            "--runtime.gomaxprocs=1",
            "--log.level=debug",
            "--log.format=json",
        ])
        .unwrap();
        assert_eq!(config.listen_addresses, ["127.0.0.1:9100", "[::1]:9100"]);
        assert_eq!((config.max_requests, config.log_format.as_str()), (40, "json"));
    }

    #[test]
    fn wrong_values_name_their_flag() {
        for (args, want) in [
            (&["--web.listen-address=nowhere"][..], "--web.listen-address"),
            (&["--web.telemetry-path=metrics"], "--web.telemetry-path"),
            (&["--web.max-requests=-1"], "--web.max-requests"),
            (&["--log.level=loud"], "--log.level"),
            (&["--log.format=xml"], "--log.format"),
            (&["--path.procfs=/nonexistent"], "--path.procfs"),
            (&["--collector.nonsense"], "--collector.nonsense"),
            (&["--web.config.file=web.yml"], "--web.config.file"),
            (&["--web.systemd-socket"], "--web.systemd-socket: "),
            (&["@/nonexistent"], "@/nonexistent: No such file"),
            (
                &["--collector.diskstats.ignored-devices=a", "--collector.diskstats.device-exclude=b"],
                "--collector.diskstats.ignored-devices: it is an old name of --collector.diskstats.device-exclude",
            ),
            (&["stray"], "stray"),
        ] {
            let exit = parsed(args).unwrap_err();
            assert!(exit.code == Usage::WRONG && exit.to_string().contains(want), "{args:?}: {}", exit);
        }
        for args in [["--help"], ["--version"]] {
            assert_eq!(parsed(&args).unwrap_err().code, 0);
        }
    }
}
