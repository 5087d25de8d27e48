//! Replicated block devices from `/proc/drbd`, which DRBD 8.4 fills (its manual explains the two letters of each
//! value). DRBD 9 has only its version there.

use super::{CollectError, Collector, Context, Spec, read_or_absent};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;
use crate::host::parse::{ParseError, fields, lines, unsigned};

pub(super) const SPEC: Spec = Spec {
    name: "drbd",
    default_on: false,
    help: "block devices replicated by DRBD 8.4 (/proc/drbd)",
    flags: &[],
    build: |settings| {
        Ok(Box::new(Drbd { file: KernelFile::new(settings.root.proc("drbd")), device: Vec::new() }))
    },
};

struct Drbd {
    file: KernelFile,
    device: Vec<u8>,
}

/// A count: its key in the file, its family, help and kind, and the unit in the family's unit.
type Count = (&'static str, &'static str, &'static str, Kind, f64);

/// That of `nr` is node_exporter's, although the file has KiB there too.
const COUNTS: &[Count] = &[
    ("ns", "node_drbd_network_sent_bytes_total", "Data sent to the peer.", Kind::Counter, 1024.0),
    ("nr", "node_drbd_network_received_bytes_total", "Data received from the peer.", Kind::Counter, 1.0),
    ("dw", "node_drbd_disk_written_bytes_total", "Data written to the local disk.", Kind::Counter, 1024.0),
    ("dr", "node_drbd_disk_read_bytes_total", "Data read from the local disk.", Kind::Counter, 1024.0),
    ("al", "node_drbd_activitylog_writes_total", "Updates of the activity log.", Kind::Counter, 1.0),
    ("bm", "node_drbd_bitmap_writes_total", "Updates of the bitmap.", Kind::Counter, 1.0),
    ("lo", "node_drbd_local_pending", "Requests to the local disk that are open.", Kind::Gauge, 1.0),
    ("pe", "node_drbd_remote_pending", "Requests that the peer has not answered.", Kind::Gauge, 1.0),
    ("ua", "node_drbd_remote_unacknowledged", "Requests of the peer to be answered.", Kind::Gauge, 1.0),
    ("ap", "node_drbd_application_pending", "Requests of applications to be answered.", Kind::Gauge, 1.0),
    ("ep", "node_drbd_epochs", "Epochs on their way.", Kind::Gauge, 1.0),
    ("oos", "node_drbd_out_of_sync_bytes", "Data that is out of sync.", Kind::Gauge, 1024.0),
];

/// A state of both ends: its key, its family and help, and the word that counts as 1.
const PAIRS: &[(&str, &str, &str, &str)] = &[
    ("ro", "node_drbd_node_role_is_primary", "Whether the node is primary.", "Primary"),
    ("ds", "node_drbd_disk_state_is_up_to_date", "Whether the node's disk is up to date.", "UpToDate"),
];

impl Collector for Drbd {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let text = read_or_absent(&mut self.file, &mut context.buffer, "DRBD is not loaded")?;
        for entry in parse(text) {
            let (number, item) = entry.map_err(|error| error.at(self.file.path()))?;
            self.device.clear();
            self.device.extend_from_slice(b"drbd");
            self.device.extend_from_slice(number);
            write(&self.device, &item, out);
        }
        Ok(())
    }
}

fn write(device: &[u8], item: &Item, out: &mut Exposition) {
    match *item {
        Item::Connected(is) => {
            let help = "Whether DRBD is connected to the peer.";
            out.family("node_drbd_connected", help, Kind::Gauge).sample(&[("device", device)], f64::from(is));
        }
        Item::Count((_, name, help, kind, unit), count) => {
            out.family(name, help, *kind).sample(&[("device", device)], count as f64 * unit);
        }
        Item::Pair(name, help, local, remote) => {
            let mut family = out.family(name, help, Kind::Gauge);
            family.sample(&[("device", device), ("node", b"local")], f64::from(local));
            family.sample(&[("device", device), ("node", b"remote")], f64::from(remote));
        }
    }
}

#[derive(Debug)]
enum Item {
    Connected(bool),
    Count(&'static Count, u64),
    /// Family, help, and whether it is so at this end and at the other.
    Pair(&'static str, &'static str, bool, bool),
}

/// The values of all devices, each with its device's number. `0: cs:Connected` begins a device; what has no known
/// key is passed over.
fn parse(text: &[u8]) -> impl Iterator<Item = Result<(&[u8], Item), ParseError>> {
    let words = lines(text).flat_map(|(number, line)| fields(line).map(move |word| (number, word)));
    let mut device = None;
    words.filter_map(move |(number, word)| {
        let mut parts = word.split(|&byte| byte == b':');
        let (key, value) = (parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        if value.is_empty() && unsigned(key).is_some() {
            device = Some(key);
            return None;
        }
        let device = device?;
        let item = item(key, value)?.ok_or_else(|| ParseError::new(number, "a count, or two states", word));
        Some(item.map(|item| (device, item)))
    })
}

/// `None` of an unknown key, and of a value that does not fit its key.
fn item(key: &[u8], value: &[u8]) -> Option<Option<Item>> {
    if key == b"cs" {
        return Some(Some(Item::Connected(value == b"Connected")));
    }
    if let Some(count) = COUNTS.iter().find(|(name, ..)| name.as_bytes() == key) {
        return Some(unsigned(value).map(|value| Item::Count(count, value)));
    }
    let &(_, family, help, word) = PAIRS.iter().find(|(name, ..)| name.as_bytes() == key)?;
    let mut ends = value.split(|&byte| byte == b'/').map(|end| end == word.as_bytes());
    Some(ends.next().zip(ends.next()).map(|(local, remote)| Item::Pair(family, help, local, remote)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_belong_to_the_device_above() {
        let text =
            b"version: 8.4.11 (api:1/proto:86-101)\nns:9\n\n 0: cs:WFConnection ro:Primary/Unknown C r---\n\
                     \tns:7 new:x wo:f finish: 0:12:01\n12: cs:Connected oos:x\n";
        let all: Vec<_> = parse(text).collect();
        assert_eq!(all.len(), 5);
        assert!(matches!(all[0], Ok((b"0", Item::Connected(false)))));
        assert!(matches!(all[1], Ok((b"0", Item::Pair(_, _, true, false)))));
        assert!(matches!(all[2], Ok((b"0", Item::Count(("ns", ..), 7)))));
        assert!(matches!(all[3], Ok((b"12", Item::Connected(true)))));
        assert_eq!(all[4].as_ref().unwrap_err().line, 6);
        assert!(parse(b"0: ro:Primary\n").any(|entry| entry.is_err()));
    }

    #[test]
    fn survives_a_cut_file() {
        crate::collectors::at_every_cut("proc/drbd", |text| {
            parse(text).collect::<Result<Vec<_>, _>>().map(|all| all.len())
        });
    }
}
