//! Interrupts by kind and CPU from `/proc/interrupts` (kernel: `Documentation/filesystems/proc.rst`, section 1.2).

use super::{CollectError, Collector, Context, Filter, Flag, FlagKind, Settings, Spec, per_cpu_lines, read};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::unsigned;

const NAME_INCLUDE: Flag = Flag::new(
    "interrupts.name-include",
    FlagKind::Pattern(""),
    "Regular expression of the interrupts to keep, each as type;info;devices.",
);
const NAME_EXCLUDE: Flag = Flag::new(
    "interrupts.name-exclude",
    FlagKind::Pattern(""),
    "Regular expression of the interrupts to leave out, each as type;info;devices.",
);
const INCLUDE_ZEROS: Flag = Flag::new(
    "interrupts.include-zeros",
    FlagKind::Switch(true),
    "Also give interrupts that a CPU has never had.",
);

pub(super) const SPEC: Spec = Spec {
    name: "interrupts",
    default_on: false,
    help: "interrupts by kind, device and CPU (/proc/interrupts)",
    flags: &[NAME_INCLUDE, NAME_EXCLUDE, INCLUDE_ZEROS],
    build: |settings| Ok(Box::new(Interrupts::new(settings))),
};

struct Interrupts {
    file: KernelFile,
    filter: Filter,
    include_zeros: bool,
    words: Vec<u8>,
}

impl Interrupts {
    fn new(settings: &Settings) -> Self {
        Self {
            file: KernelFile::new(settings.root.proc("interrupts")),
            filter: settings.both(&NAME_INCLUDE, &NAME_EXCLUDE),
            include_zeros: settings.switch(&INCLUDE_ZEROS),
            words: Vec::new(),
        }
    }
}

impl Collector for Interrupts {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let Self { file, filter, include_zeros, words } = self;
        let text = read(file, &mut context.buffer)?;
        let mut family = out.family("node_interrupts_total", "Number of interrupts.", Kind::Counter);
        for line in per_cpu_lines(text).map_err(|error| error.at(file.path()))? {
            // Totals of all CPUs (ERR, MIS) have no description.
            if line.description().next().is_none() {
                continue;
            }
            let (info, devices) = describe(line.name, line.description(), words);
            if !filter.keeps(words) {
                continue;
            }
            let labels = words.get(info..devices - 1).zip(words.get(devices..));
            let (info, devices) = labels.unwrap_or_default();
            for entry in line.counts() {
                let (cpu, count) = entry.map_err(|error| error.at(file.path()))?;
                if count > 0 || *include_zeros {
                    let labels = [("cpu", cpu), ("devices", devices), ("info", info), ("type", line.name)];
                    family.sample(&labels, count as f64);
                }
            }
        }
        Ok(())
    }
}

/// Puts `type;info;devices` into `words` and gives where the info and the devices begin. The first word behind the
/// counts of a numbered interrupt is its controller and the others are its devices; those of the architecture are
/// described in a sentence.
fn describe<'t>(
    name: &[u8],
    description: impl Iterator<Item = &'t [u8]>,
    words: &mut Vec<u8>,
) -> (usize, usize) {
    let is_numbered = unsigned(name).is_some();
    words.clear();
    words.extend_from_slice(name);
    words.push(b';');
    let info = words.len();
    let mut devices = None;
    for (place, word) in description.enumerate() {
        if place == 1 && is_numbered {
            words.push(b';');
            devices = Some(words.len());
        } else if place > 0 {
            words.push(b' ');
        }
        words.extend_from_slice(word);
    }
    let devices = devices.unwrap_or_else(|| {
        words.push(b';');
        words.len()
    });
    (info, devices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::parse::fields;

    #[test]
    fn descriptions() {
        let mut words = Vec::new();
        for (name, description, want) in [
            ("8", "IR-IO-APIC 8-edge  rtc0", ("IR-IO-APIC", "8-edge rtc0")),
            ("9", "GICv3", ("GICv3", "")),
            ("NMI", "Non-maskable interrupts", ("Non-maskable interrupts", "")),
            ("NMI", "x", ("x", "")),
        ] {
            let (info, devices) = describe(name.as_bytes(), fields(description.as_bytes()), &mut words);
            assert_eq!(words, format!("{name};{};{}", want.0, want.1).as_bytes());
            assert_eq!(
                (&words[info..devices - 1], &words[devices..]),
                (want.0.as_bytes(), want.1.as_bytes())
            );
        }
    }
}
