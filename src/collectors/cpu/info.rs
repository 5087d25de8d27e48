//! What `/proc/cpuinfo` says about each CPU. The file's keys differ between architectures (kernel:
//! `arch/*/kernel/cpu/proc.c` and the like); those known here are x86's, with `Features` of Arm.

use regex_lite::Regex;

use crate::collectors::{CollectError, Filter, Settings, read};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, float, lines, unsigned};

pub(super) struct InfoFile {
    file: KernelFile,
    flags: Option<Filter>,
    bugs: Option<Filter>,
    with_frequencies: bool,
}

impl InfoFile {
    /// Gives the CPU flags and bugs that the patterns match; none without a pattern.
    pub(super) fn new(settings: &Settings, flags: Option<Regex>, bugs: Option<Regex>) -> Self {
        let filter = |pattern: Regex| Filter::new(Some(pattern), None);
        Self {
            file: KernelFile::new(settings.root.proc("cpuinfo")),
            flags: flags.map(filter),
            bugs: bugs.map(filter),
            with_frequencies: super::gives_frequencies(settings),
        }
    }

    pub(super) fn collect(&mut self, buffer: &mut Vec<u8>, out: &mut Exposition) -> Result<(), CollectError> {
        let text = read(&mut self.file, buffer)?;
        let cpus = parse(text).map_err(|error| error.at(self.file.path()))?;
        let mut family = out.family("node_cpu_info", "CPU information from /proc/cpuinfo.", Kind::Gauge);
        for cpu in &cpus {
            let labels = [
                ("cachesize", cpu.cache_size),
                ("core", cpu.core),
                ("cpu", cpu.cpu),
                ("family", cpu.family),
                ("microcode", cpu.microcode),
                ("model", cpu.model),
                ("model_name", cpu.model_name),
                ("package", cpu.package),
                ("stepping", cpu.stepping),
                ("vendor", cpu.vendor),
            ];
            family.sample(&labels, 1.0);
        }
        let mut family =
            out.family("node_cpu_frequency_hertz", "CPU frequency in hertz from /proc/cpuinfo.", Kind::Gauge);
        for cpu in cpus.iter().filter(|_| self.with_frequencies) {
            if let Some(hertz) = cpu.frequency_hertz {
                family.sample(&[("core", cpu.core), ("cpu", cpu.cpu), ("package", cpu.package)], hertz);
            }
        }
        let Some(first) = cpus.first() else { return Ok(()) };
        let help = "The `flags` field of CPU information from /proc/cpuinfo taken from the first core.";
        write_words(out, ("node_cpu_flag_info", help), "flag", first.flags, &mut self.flags);
        let help = "The `bugs` field of CPU information from /proc/cpuinfo taken from the first core.";
        write_words(out, ("node_cpu_bug_info", help), "bug", first.bugs, &mut self.bugs);
        Ok(())
    }
}

fn write_words(
    out: &mut Exposition,
    (name, help): (&str, &str),
    label: &str,
    words: &[u8],
    filter: &mut Option<Filter>,
) {
    let Some(filter) = filter else { return };
    let mut family = out.family(name, help, Kind::Gauge);
    for word in fields(words).filter(|word| filter.keeps(word)) {
        family.sample(&[(label, word)], 1.0);
    }
}

/// One CPU. Texts are empty where the file has no such key.
#[derive(Debug, Default, PartialEq)]
struct CpuInfo<'a> {
    cpu: &'a [u8],
    vendor: &'a [u8],
    family: &'a [u8],
    model: &'a [u8],
    model_name: &'a [u8],
    stepping: &'a [u8],
    microcode: &'a [u8],
    cache_size: &'a [u8],
    package: &'a [u8],
    core: &'a [u8],
    flags: &'a [u8],
    bugs: &'a [u8],
    frequency_hertz: Option<f64>,
}

/// The CPUs in the order of the file. A line `processor` begins one and an empty line ends it; what stands
/// outside describes the whole machine.
fn parse(text: &[u8]) -> Result<Vec<CpuInfo<'_>>, ParseError> {
    let mut cpus = Vec::new();
    let mut inside = false;
    for (number, line) in lines(text) {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            inside &= !line.trim_ascii().is_empty();
            continue;
        };
        let (key, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        if key == b"processor" {
            if unsigned(value).is_none() {
                return Err(ParseError::new(number, "the number of a processor", line));
            }
            inside = true;
            cpus.push(CpuInfo { cpu: value, ..CpuInfo::default() });
            continue;
        }
        let Some(cpu) = cpus.last_mut().filter(|_| inside) else { continue };
        match key {
            b"vendor_id" => cpu.vendor = value,
            b"cpu family" => cpu.family = value,
            b"model" => cpu.model = value,
            b"model name" => cpu.model_name = value,
            b"stepping" => cpu.stepping = value,
            b"microcode" => cpu.microcode = value,
            b"cache size" => cpu.cache_size = value,
            b"physical id" => cpu.package = value,
            b"core id" => cpu.core = value,
            b"flags" | b"Features" => cpu.flags = value,
            b"bugs" => cpu.bugs = value,
            b"cpu MHz" => {
                let megahertz =
                    float(value).ok_or_else(|| ParseError::new(number, "a number of MHz", line))?;
                cpu.frequency_hertz = Some(megahertz * 1e6);
            }
            _ => {}
        }
    }
    Ok(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_and_what_stands_outside_of_them() {
        let text = b"processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\n\n\
                     processor\t: 1\ncpu MHz\t\t: 2596.118\nmodel name\t: A: B\n\nvendor_id : none\n";
        let cpus = parse(text).unwrap();
        assert_eq!(cpus[0], CpuInfo { cpu: b"0", flags: b"fp asimd", ..CpuInfo::default() });
        assert_eq!(
            cpus[1],
            CpuInfo {
                cpu: b"1",
                model_name: b"A: B",
                frequency_hertz: Some(2_596_118_000.0),
                ..CpuInfo::default()
            }
        );
    }

    #[test]
    fn bad_numbers_are_errors() {
        for bad in ["processor : x\n", "cpu MHz : \n"] {
            assert_eq!(parse(format!("processor: 0\n{bad}").as_bytes()).unwrap_err().line, 2, "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/cpuinfo", |text| parse(text).map(|cpus| cpus.len()));
    }
}
