//! The kernel's name and version from `uname(2)`. This is the kernel that runs the exporter: it can't be told to
//! look elsewhere.

use super::{CollectError, Collector, Context, Spec};
use crate::exposition::{Exposition, Kind};

pub(super) const SPEC: Spec = Spec {
    name: "uname",
    default_on: true,
    help: "host name, kernel release and machine (uname)",
    flags: &[],
    build: |_| Ok(Box::new(Uname)),
};

struct Uname;

impl Collector for Uname {
    fn collect(&mut self, _: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let uname = rustix::system::uname();
        out.family(
            "node_uname_info",
            "Labeled system information as provided by the uname system call.",
            Kind::Gauge,
        )
        .sample(
            &[
                ("domainname", uname.domainname().to_bytes()),
                ("machine", uname.machine().to_bytes()),
                ("nodename", uname.nodename().to_bytes()),
                ("release", uname.release().to_bytes()),
                ("sysname", uname.sysname().to_bytes()),
                ("version", uname.version().to_bytes()),
            ],
            1.0,
        );
        Ok(())
    }
}
