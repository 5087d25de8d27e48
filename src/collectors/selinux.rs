//! Whether SELinux is on and enforces its policy (kernel: `Documentation/admin-guide/LSM/SELinux.rst`;
//! selinux_config(5)).

use std::io;

use super::{CollectError, Collector, Context, Settings, Spec, read_count};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::lines;

pub(super) const SPEC: Spec = Spec {
    name: "selinux",
    default_on: true,
    help: "whether SELinux is on and enforces its policy (/sys/fs/selinux, /etc/selinux/config)",
    flags: &[],
    build: |settings| Ok(Box::new(SeLinux::new(settings))),
};

struct SeLinux {
    enforce: KernelFile,
    own_context: KernelFile,
    config: KernelFile,
}

impl SeLinux {
    fn new(settings: &Settings) -> Self {
        Self {
            enforce: KernelFile::new(settings.root.sys("fs/selinux/enforce")),
            own_context: KernelFile::new(settings.root.proc("self/attr/current")),
            config: KernelFile::new(settings.root.rootfs("/etc/selinux/config")),
        }
    }

    /// Whether a policy has been loaded. Before that all processes are in the context of the kernel.
    fn has_policy(&mut self, buffer: &mut Vec<u8>) -> bool {
        let context = self.own_context.value(buffer).unwrap_or_default();
        context.strip_suffix(b"\0").unwrap_or(context) != b"kernel"
    }
}

impl Collector for SeLinux {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let buffer = &mut context.buffer;
        let mut gauge = |name, help, value: i8| out.single(name, help, Kind::Gauge, f64::from(value));
        let enforces = read_count(&mut self.enforce, buffer)?;
        let enabled = enforces.is_some() && self.has_policy(buffer);
        gauge("node_selinux_enabled", "Whether SELinux is on.", i8::from(enabled));
        let Some(enforces) = enforces.filter(|_| enabled) else { return Ok(()) };
        let help = "Whether the policy is enforced: 1, or 0 where breaches of it are only logged.";
        gauge("node_selinux_current_mode", help, i8::from(enforces != 0));
        let configured = match self.config.read(buffer) {
            Ok(text) => configured_mode(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => DISABLED,
            Err(error) => return Err(CollectError::read(self.config.path(), error)),
        };
        let help = "Mode that the machine starts in: 1 enforcing, 0 permissive, -1 disabled.";
        gauge("node_selinux_config_mode", help, configured);
        Ok(())
    }
}

const DISABLED: i8 = -1;

/// The mode in a line such as `SELINUX=enforcing`. Without one SELinux is disabled.
fn configured_mode(text: &[u8]) -> i8 {
    let value = lines(text).find_map(|(_, line)| line.trim_ascii().strip_prefix(b"SELINUX="));
    let value = value.unwrap_or_default();
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    match value {
        b"enforcing" => 1,
        b"permissive" => 0,
        _ => DISABLED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_of_the_configuration() {
        for (text, mode) in [
            ("# SELINUX=disabled\n SELINUX=enforcing \nSELINUXTYPE=targeted\n", 1),
            ("SELINUXTYPE=targeted\nSELINUX=\"permissive\"\n", 0),
            ("SELINUX=disabled", DISABLED),
            ("SELINUX=", DISABLED),
            ("SELINUX=\"", DISABLED),
            ("", DISABLED),
        ] {
            assert_eq!(configured_mode(text.as_bytes()), mode, "{text}");
        }
    }
}
