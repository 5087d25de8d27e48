//! Chosen settings of the kernel from `/proc/sys` (kernel: `Documentation/admin-guide/sysctl/index.rst`).

use super::{BuildError, CollectError, Collector, Context, Flag, FlagKind, Settings, Spec, read};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, whole};

const INCLUDE: Flag = Flag::new(
    "sysctl.include",
    FlagKind::List,
    "A setting to give as numbers, such as kernel.pid_max; net.ipv4.tcp_rmem:min,default,max names its columns.",
);
const INCLUDE_INFO: Flag = Flag::new(
    "sysctl.include-info",
    FlagKind::List,
    "A setting to give as words, such as net.ipv4.tcp_congestion_control.",
);

pub(super) const SPEC: Spec = Spec {
    name: "sysctl",
    default_on: false,
    help: "chosen kernel settings (/proc/sys)",
    flags: &[INCLUDE, INCLUDE_INFO],
    build: |settings| Ok(Box::new(Sysctl::new(settings)?)),
};

struct Sysctl {
    numbers: Vec<Numbers>,
    words: Vec<Words>,
}

/// A setting whose values are numbers.
struct Numbers {
    /// As given, with dots.
    name: String,
    file: KernelFile,
    /// The family, or without `keys` that of all columns.
    family: String,
    /// Names for the columns, each of which has a family of its own then.
    keys: Vec<String>,
}

/// A setting whose values are words.
struct Words {
    name: String,
    file: KernelFile,
}

impl Sysctl {
    fn new(settings: &Settings) -> Result<Self, BuildError> {
        let folder = settings.root.proc("sys");
        let path = |name: &str| folder.join(name.replace('.', "/").trim_start_matches('/'));
        let file = |name: &str| KernelFile::new(path(name));
        let mut numbers = Vec::<Numbers>::new();
        for given in settings.list(&INCLUDE) {
            let (name, keys) = match given.split_once(':') {
                Some((name, keys)) => (name, keys.split(',').map(str::to_owned).collect()),
                None => (given.as_str(), Vec::new()),
            };
            check_keys(&keys)
                .map_err(|problem| BuildError(format!("--collector.{} {given}: {problem}", INCLUDE.name)))?;
            let family = format!("node_sysctl_{}", metric_name(name));
            if numbers.iter().all(|other| other.family != family || other.keys != keys) {
                numbers.push(Numbers { name: name.to_owned(), file: file(name), family, keys });
            }
        }
        let mut words = Vec::<Words>::new();
        for name in settings.list(&INCLUDE_INFO) {
            if name.contains(':') {
                return Err(BuildError(format!(
                    "--collector.{} {name}: columns of words can't be named, drop the colon and what follows it",
                    INCLUDE_INFO.name
                )));
            }
            if words.iter().all(|other| other.name != name) {
                words.push(Words { file: file(&name), name });
            }
        }
        Ok(Self { numbers, words })
    }
}

fn check_keys(keys: &[String]) -> Result<(), String> {
    for (place, key) in keys.iter().enumerate() {
        if key.is_empty() || *key != metric_name(key) {
            return Err(format!("{key:?} can't be part of a metric's name"));
        }
        if keys.iter().take(place).any(|other| other == key) {
            return Err(format!("{key:?} comes twice"));
        }
    }
    Ok(())
}

/// `name` with all that can't be part of a metric's name replaced.
fn metric_name(name: &str) -> String {
    name.replace(|character: char| !character.is_ascii_alphanumeric() && character != '_', "_")
}

impl Collector for Sysctl {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let mut result = Ok(());
        for setting in &mut self.numbers {
            result = result.and(setting.write(&mut context.buffer, out));
        }
        let mut family = out.family("node_sysctl_info", "Values of settings that are words.", Kind::Gauge);
        for setting in &mut self.words {
            match read(&mut setting.file, &mut context.buffer) {
                Ok(text) => {
                    for (index, word) in fields(text).enumerate() {
                        let mut number = itoa::Buffer::new();
                        let index = number.format(index).as_bytes();
                        let labels = [("index", index), ("name", setting.name.as_bytes()), ("value", word)];
                        family.sample(&labels, 1.0);
                    }
                }
                Err(error) => result = result.and(Err(error)),
            }
        }
        result
    }
}

impl Numbers {
    fn write(&mut self, buffer: &mut Vec<u8>, out: &mut Exposition) -> Result<(), CollectError> {
        let Self { name, file, family, keys } = self;
        let text = read(file, buffer)?;
        let columns = fields(text).count();
        let error = || ParseError::new(1, "whole numbers", text).at(file.path());
        let numbers = fields(text).map(|column| whole(column).ok_or_else(error));
        if !keys.is_empty() && keys.len() != columns {
            return Err(CollectError::Other(format!(
                "--collector.{} names {} columns of {name}, which has {columns}",
                INCLUDE.name,
                keys.len()
            )));
        }
        if keys.is_empty() {
            let mut family =
                out.family_parts(&[family], &["Value of the setting ", name, "."], Kind::Untyped);
            for (index, value) in numbers.enumerate() {
                let mut number = itoa::Buffer::new();
                let labels = [("index", number.format(index).as_bytes())];
                family.sample(if columns == 1 { &[] } else { &labels }, value?);
            }
        } else {
            for (key, value) in keys.iter().zip(numbers) {
                let help = ["Column ", key, " of the setting ", name, "."];
                out.family_parts(&[family, "_", key], &help, Kind::Untyped).sample(&[], value?);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;
    use crate::host::Root;

    fn build(proc: &std::path::Path, flags: &[(&'static Flag, &str)]) -> Result<Sysctl, BuildError> {
        let mut settings = Settings::new(Root { proc: proc.to_owned(), ..Root::default() });
        for (flag, value) in flags {
            settings.set(flag, value).unwrap();
        }
        Sysctl::new(&settings)
    }

    #[test]
    fn one_setting_that_fails_leaves_the_others() {
        let proc = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(proc.path().join("sys/a/b")).unwrap();
        for (file, text) in [("shmmax", "18446744073692774399"), ("b/pair", "-1 2"), ("word", "bbr")] {
            std::fs::write(proc.path().join("sys/a").join(file), format!("{text}\n")).unwrap();
        }
        let collect = |flags: &[(&'static Flag, &str)]| {
            let mut out = Exposition::new();
            let result =
                build(proc.path(), flags).unwrap().collect(&mut Context::new(&Settings::default()), &mut out);
            let mut page = Vec::new();
            out.render(Format::Text, &mut page);
            let page = String::from_utf8(page).unwrap();
            let samples: Vec<String> =
                page.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
            (samples.join("\n"), result.map_err(|error| error.to_string()))
        };
        let given = [(&INCLUDE, "a.shmmax"), (&INCLUDE, "a.b.pair:x,y"), (&INCLUDE, "a.b.pair:x,y")];
        let samples = "node_sysctl_a_b_pair_x -1\nnode_sysctl_a_b_pair_y 2\nnode_sysctl_a_shmmax 1.8446744073692774e+19";
        assert_eq!(collect(&given), (samples.to_owned(), Ok(())));
        for (flag, bad, problem) in [
            (&INCLUDE, "a.none", "a/none: "),
            (&INCLUDE_INFO, "a.none", "a/none: "),
            (&INCLUDE_INFO, "/proc/uptime", "sys/proc/uptime: "),
            (&INCLUDE, "a.word", "a/word: line 1: expected whole numbers, found \"bbr"),
            (&INCLUDE, "a.b.pair:x", "names 1 columns of a.b.pair, which has 2"),
        ] {
            let (samples, result) =
                collect(&[(flag, bad), (&INCLUDE, "a.b.pair"), (&INCLUDE_INFO, "a.word")]);
            let others = "node_sysctl_info{index=\"0\",name=\"a.word\",value=\"bbr\"} 1\n\
                          node_sysctl_a_b_pair{index=\"0\"} -1\nnode_sysctl_a_b_pair{index=\"1\"} 2";
            assert!(others.lines().all(|line| samples.contains(line)), "{bad}: {samples}");
            let error = result.unwrap_err();
            assert!(error.contains(problem), "{bad}: {error}");
        }
    }

    #[test]
    fn flags_that_can_not_work_are_refused() {
        for (flag, bad) in
            [(&INCLUDE, "a.b:"), (&INCLUDE, "a.b:x,y-z"), (&INCLUDE, "a.b:x,x"), (&INCLUDE_INFO, "a.b:x")]
        {
            let error = build("/proc".as_ref(), &[(flag, bad)]).err().unwrap().to_string();
            assert!(error.starts_with(&format!("--collector.{} {bad}: ", flag.name)), "{error}");
        }
    }
}
