//! Fibre Channel host bus adapters from `/sys/class/fc_host` (kernel:
//! `Documentation/ABI/testing/sysfs-class-fc_host`, `drivers/scsi/scsi_transport_fc.c`).
//!
//! node_exporter gives zeros while a port's state is Unknown. Here its counters go on, so that they do not look reset.
//!
//! For each file in `statistics` the driver fetches all statistics anew. Some ask the adapter's firmware, which can
//! take as long as the adapter is busy with an error.

use super::{
    Attribute, AttributeTable, CollectError, Collector, Context, Info, InfoTable, Settings, Spec,
    no_data_if_absent,
};
use crate::exposition::{Exposition, Kind};
use crate::host::Folder;
use crate::host::parse::{hexadecimal, unsigned};

pub(super) const SPEC: Spec = Spec {
    name: "fibrechannel",
    default_on: true,
    help: "states and counters of Fibre Channel ports (/sys/class/fc_host)",
    flags: &[],
    build: |settings| Ok(Box::new(FibreChannel::new(settings))),
};

const INFO: Info = Info {
    family: "node_fibrechannel_info",
    help: "What the port is and how it is connected.",
    labels: &[
        ("dev_loss_tmo", Some("dev_loss_tmo")),
        ("fabric_name", Some("fabric_name")),
        ("fc_host", None),
        ("port_id", Some("port_id")),
        ("port_name", Some("port_name")),
        ("port_state", Some("port_state")),
        ("port_type", Some("port_type")),
        ("speed", Some("speed")),
        ("supported_classes", Some("supported_classes")),
        ("supported_speeds", Some("supported_speeds")),
        ("symbolic_name", Some("symbolic_name")),
    ],
};

const fn counter(file: &'static str, family: &'static str, help: &'static str) -> Attribute {
    Attribute { file, family, help, kind: Kind::Counter, value: |text| Some(count(text)? as f64) }
}

const STATISTICS: &[Attribute] = &[
    counter(
        "statistics/dumped_frames",
        "node_fibrechannel_dumped_frames_total",
        "Frames that were lost for want of buffers.",
    ),
    counter("statistics/error_frames", "node_fibrechannel_error_frames_total", "Frames with errors."),
    counter(
        "statistics/invalid_crc_count",
        "node_fibrechannel_invalid_crc_total",
        "Frames whose checksum was wrong.",
    ),
    counter("statistics/rx_frames", "node_fibrechannel_rx_frames_total", "Frames received."),
    counter("statistics/rx_words", "node_fibrechannel_rx_words_total", "Words of four bytes received."),
    counter("statistics/tx_frames", "node_fibrechannel_tx_frames_total", "Frames sent."),
    counter("statistics/tx_words", "node_fibrechannel_tx_words_total", "Words of four bytes sent."),
    counter(
        "statistics/seconds_since_last_reset",
        "node_fibrechannel_seconds_since_last_reset_total",
        "Time since the statistics of the host were reset.",
    ),
    counter(
        "statistics/invalid_tx_word_count",
        "node_fibrechannel_invalid_tx_words_total",
        "Words that were received with a wrong code.",
    ),
    counter(
        "statistics/link_failure_count",
        "node_fibrechannel_link_failure_total",
        "Times that the link failed.",
    ),
    counter(
        "statistics/loss_of_sync_count",
        "node_fibrechannel_loss_of_sync_total",
        "Times that synchronization was lost.",
    ),
    counter(
        "statistics/loss_of_signal_count",
        "node_fibrechannel_loss_of_signal_total",
        "Times that the signal was lost.",
    ),
    counter(
        "statistics/nos_count",
        "node_fibrechannel_nos_total",
        "Times that the peer said that it was not operational.",
    ),
    counter(
        "statistics/fcp_packet_aborts",
        "node_fibrechannel_fcp_packet_aborts_total",
        "Packets of the SCSI protocol that were aborted.",
    ),
];

struct FibreChannel {
    hosts: Folder,
    info: InfoTable,
    statistics: AttributeTable,
}

impl FibreChannel {
    fn new(settings: &Settings) -> Self {
        // What a driver does not count is -1.
        let is_absent = |text: &[u8]| count(text) == Some(u64::MAX);
        Self {
            hosts: Folder::new(settings.root.sys("class/fc_host")),
            info: InfoTable::new(&INFO).with_word(without_prefix),
            statistics: AttributeTable::new(STATISTICS, &["fc_host"]).with_absent(is_absent),
        }
    }
}

impl Collector for FibreChannel {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let buffer = &mut context.buffer;
        let listed = self.hosts.list(buffer);
        if no_data_if_absent(listed, self.hosts.path(), "no Fibre Channel adapter")? {
            self.info.clear();
            self.statistics.clear();
            for name in self.hosts.names() {
                let folder = self.hosts.entry(name);
                self.info.add(&folder, name);
                self.statistics.add(&folder, &[name]);
            }
        }
        self.info.write(buffer, out);
        self.statistics.write(buffer, out)
    }
}

fn without_prefix(word: &[u8]) -> &[u8] {
    word.strip_prefix(b"0x").unwrap_or(word)
}

/// A count in hexadecimal digits behind `0x`, as the kernel writes it, or in decimal ones.
fn count(text: &[u8]) -> Option<u64> {
    match text.strip_prefix(b"0x") {
        Some(digits) => hexadecimal(digits),
        None => unsigned(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        assert_eq!(
            (count(b"0x1f"), count(b"31"), count(b"0xffffffffffffffff")),
            (Some(31), Some(31), Some(u64::MAX))
        );
        assert_eq!((count(b"0x"), count(b"1f"), count(b"-1")), (None, None, None));
    }
}
