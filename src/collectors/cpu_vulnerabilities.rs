//! Vulnerabilities of the CPU and what the kernel does about them, from `/sys/devices/system/cpu/vulnerabilities`
//! (kernel: `Documentation/ABI/testing/sysfs-devices-system-cpu`). Some change while the system runs, as when
//! hyper-threads are switched off.

use super::{CollectError, Collector, Context, Settings, Spec, none_if_absent};
use crate::exposition::{Exposition, Kind};
use crate::host::{Folder, KernelFile};

pub(super) const SPEC: Spec = Spec {
    name: "cpu_vulnerabilities",
    default_on: false,
    help: "vulnerabilities of the CPU and their mitigations (/sys/devices/system/cpu/vulnerabilities)",
    flags: &[],
    build: |settings| Ok(Box::new(CpuVulnerabilities::new(settings))),
};

struct CpuVulnerabilities {
    folder: Folder,
    /// In the order of the folder's names.
    files: Vec<KernelFile>,
}

impl CpuVulnerabilities {
    fn new(settings: &Settings) -> Self {
        let folder = settings.root.sys("devices/system/cpu/vulnerabilities");
        Self { folder: Folder::new(folder), files: Vec::new() }
    }
}

impl Collector for CpuVulnerabilities {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let listed = self.folder.list(&mut context.buffer);
        if none_if_absent(listed, self.folder.path())? {
            self.files =
                self.folder.names().iter().map(|name| KernelFile::new(self.folder.entry(name))).collect();
        }
        let help = "Whether the CPU is affected by a vulnerability, and what is done about it.";
        let mut family = out.family("node_cpu_vulnerabilities_info", help, Kind::Gauge);
        for (name, file) in self.folder.names().iter().zip(&mut self.files) {
            let Ok(text) = file.value(&mut context.buffer) else { continue };
            let (state, mitigation) = parse(text);
            family
                .sample(&[("codename", name), ("mitigation", mitigation), ("state", state.as_bytes())], 1.0);
        }
        Ok(())
    }
}

/// The state of a text such as `Mitigation: PTI`, and the rest of it. What begins with none of the documented words
/// (`KVM: Mitigation: VMX disabled`) is unknown and given as it is.
fn parse(text: &[u8]) -> (&'static str, &[u8]) {
    let begins_with =
        |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
    if begins_with("not affected") {
        return ("not affected", b"");
    }
    match ["vulnerable", "mitigation", "unknown"].into_iter().find(|word| begins_with(word)) {
        Some(state) => {
            let first_word = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
            (state, text.get(first_word..).unwrap_or_default().trim_ascii())
        }
        None => ("unknown", text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states() {
        for (text, state, mitigation) in [
            ("Not affected", "not affected", ""),
            ("Vulnerable", "vulnerable", ""),
            ("Vulnerable: No microcode", "vulnerable", "No microcode"),
            ("Mitigation: PTI", "mitigation", "PTI"),
            ("Unknown: Dependent on hypervisor status", "unknown", "Dependent on hypervisor status"),
            ("KVM: Mitigation: VMX disabled", "unknown", "KVM: Mitigation: VMX disabled"),
            ("Not", "unknown", "Not"),
            ("", "unknown", ""),
        ] {
            assert_eq!(parse(text.as_bytes()), (state, mitigation.as_bytes()), "{text}");
        }
    }
}
