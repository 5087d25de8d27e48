//! Sockets in use by protocol, from `/proc/net/sockstat` and `sockstat6` (kernel: `sockstat_seq_show` in
//! `net/ipv4/proc.c`, `sockstat6_seq_show` in `net/ipv6/proc.c`).

use super::{CollectError, Collector, Context, Settings, Spec, name_part, none_if_absent};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, lines, unsigned};

pub(super) const SPEC: Spec = Spec {
    name: "sockstat",
    default_on: true,
    help: "sockets in use and their memory (/proc/net/sockstat and sockstat6)",
    flags: &[],
    build: |settings| Ok(Box::new(SockStat::new(settings))),
};

/// What the files say of a protocol; other words are passed over, as they were by node_exporter.
const STATES: [&str; 6] = ["inuse", "orphan", "tw", "alloc", "mem", "memory"];

struct SockStat {
    /// One for each version of IP; either may be switched off in the kernel.
    files: [KernelFile; 2],
}

impl SockStat {
    fn new(settings: &Settings) -> Self {
        Self {
            files: ["net/sockstat", "net/sockstat6"].map(|path| KernelFile::new(settings.root.proc(path))),
        }
    }
}

impl Collector for SockStat {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let page_bytes = rustix::param::page_size() as f64;
        for file in &mut self.files {
            let text = none_if_absent(file.read(&mut context.buffer), file.path())?;
            for entry in parse(text) {
                let count = entry.map_err(|error| error.at(file.path()))?;
                write(&count, page_bytes, out);
            }
        }
        Ok(())
    }
}

fn write(count: &Count, page_bytes: f64, out: &mut Exposition) {
    let &Count { protocol, state, count } = count;
    if protocol == "sockets" {
        out.single("node_sockstat_sockets_used", "Number of sockets of all kinds.", Kind::Gauge, count);
        return;
    }
    let mut gauge = |suffix: &str, help: &str, value: f64| {
        let help = ["Sockets of ", protocol, ": ", state, help, "."];
        out.family_parts(&["node_sockstat_", protocol, "_", state, suffix], &help, Kind::Gauge)
            .sample(&[], value);
    };
    gauge("", "", count);
    if state == "mem" {
        gauge("_bytes", "ory in bytes", count * page_bytes);
    }
}

/// One number of a file.
#[derive(Debug, PartialEq)]
struct Count<'a> {
    protocol: &'a str,
    /// One of [`STATES`], or `used` for `sockets`.
    state: &'static str,
    count: f64,
}

/// Reads lines such as `TCP: inuse 58 orphan 1`. Protocols that can't be part of a metric's name are passed over.
fn parse(text: &[u8]) -> impl Iterator<Item = Result<Count<'_>, ParseError>> {
    lines(text).flat_map(|(number, line)| {
        let mut columns = fields(line);
        let protocol = columns.next().and_then(|word| word.strip_suffix(b":")).and_then(name_part);
        std::iter::from_fn(move || Some((protocol?, columns.next()?, columns.next()))).filter_map(
            move |(protocol, word, value)| {
                let state = match protocol {
                    "sockets" => (word == b"used").then_some("used"),
                    _ => STATES.into_iter().find(|state| state.as_bytes() == word),
                }?;
                let error =
                    || ParseError::new(number, "a protocol, a colon and pairs of word and count", line);
                let count = value.and_then(unsigned).map(|count| count as f64).ok_or_else(error);
                Some(count.map(|count| Count { protocol, state, count }))
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;

    #[test]
    fn memory_is_counted_in_pages_and_in_bytes() {
        let text =
            b"sockets: used 7 new 1\n\nTCP: inuse 2 new x mem 3\nODD-1: inuse 1\nFRAG6: memory 4096 odd\n";
        let mut out = Exposition::new();
        for count in parse(text) {
            write(&count.unwrap(), 65536.0, &mut out);
        }
        let mut page = Vec::new();
        out.render(Format::Text, &mut page);
        let page = String::from_utf8(page).unwrap();
        let samples: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                "node_sockstat_FRAG6_memory 4096",
                "node_sockstat_TCP_inuse 2",
                "node_sockstat_TCP_mem 3",
                "node_sockstat_TCP_mem_bytes 196608",
                "node_sockstat_sockets_used 7",
            ]
        );
        for bad in ["TCP: inuse\n", "TCP: inuse x\n", "TCP: orphan 1 inuse -1\n"] {
            let text = format!("sockets: used 1\n{bad}");
            let error = parse(text.as_bytes()).find_map(Result::err);
            assert_eq!(error.unwrap().line, 2, "{bad}");
        }
    }

    #[test]
    fn survives_a_cut_file() {
        let all = |text: &[u8]| parse(text).try_fold(0, |sum, count| count.map(|_| sum + 1));
        crate::collectors::at_every_cut("proc/net/sockstat", all);
    }
}
