//! What is read of each port: files below `/sys/class/infiniband/<device>/ports/<port>`.

use crate::collectors::Attribute;
use crate::exposition::Kind;
use crate::host::parse::{fields, float, unsigned};

const fn counter(file: &'static str, family: &'static str, help: &'static str) -> Attribute {
    Attribute { file, family, help, kind: Kind::Counter, value: |text| Some(unsigned(text)? as f64) }
}

/// A counter of words of four bytes.
const fn words(file: &'static str, family: &'static str, help: &'static str) -> Attribute {
    Attribute { file, family, help, kind: Kind::Counter, value: |text| Some(unsigned(text)? as f64 * 4.0) }
}

/// A state such as `4: ACTIVE`.
const fn state(file: &'static str, family: &'static str, help: &'static str) -> Attribute {
    let value = |text: &[u8]| Some(unsigned(text.split(|&byte| byte == b':').next()?)? as f64);
    Attribute { file, family, help, kind: Kind::Gauge, value }
}

pub(super) const PORT: &[Attribute] = &[
    state("state", "node_infiniband_state_id", "State of the port: 1 is down, 4 is active."),
    state(
        "phys_state",
        "node_infiniband_physical_state_id",
        "State of the link: 2 is polling, 3 is disabled, 5 is up.",
    ),
    Attribute {
        file: "rate",
        family: "node_infiniband_rate_bytes_per_second",
        help: "Speed that the port may have.",
        kind: Kind::Gauge,
        value: rate,
    },
    Attribute {
        file: "hw_counters/lifespan",
        family: "node_infiniband_lifespan_seconds",
        help: "For how long the driver gives the same hardware counters before it fetches them anew.",
        kind: Kind::Gauge,
        // Whole seconds, as in node_exporter.
        value: |milliseconds| Some((unsigned(milliseconds)? / 1000) as f64),
    },
    counter(
        "counters_ext/port_multicast_rcv_packets",
        "node_infiniband_legacy_multicast_packets_received_total",
        "Multicast packets received, on kernels before 4.5.",
    ),
    counter(
        "counters_ext/port_multicast_xmit_packets",
        "node_infiniband_legacy_multicast_packets_transmitted_total",
        "Multicast packets sent, on kernels before 4.5.",
    ),
    words(
        "counters_ext/port_rcv_data_64",
        "node_infiniband_legacy_data_received_bytes_total",
        "Data received, on kernels before 4.5.",
    ),
    counter(
        "counters_ext/port_rcv_packets_64",
        "node_infiniband_legacy_packets_received_total",
        "Packets received, on kernels before 4.5.",
    ),
    counter(
        "counters_ext/port_unicast_rcv_packets",
        "node_infiniband_legacy_unicast_packets_received_total",
        "Unicast packets received, on kernels before 4.5.",
    ),
    counter(
        "counters_ext/port_unicast_xmit_packets",
        "node_infiniband_legacy_unicast_packets_transmitted_total",
        "Unicast packets sent, on kernels before 4.5.",
    ),
    words(
        "counters_ext/port_xmit_data_64",
        "node_infiniband_legacy_data_transmitted_bytes_total",
        "Data sent, on kernels before 4.5.",
    ),
    counter(
        "counters_ext/port_xmit_packets_64",
        "node_infiniband_legacy_packets_transmitted_total",
        "Packets sent, on kernels before 4.5.",
    ),
    counter(
        "counters/excessive_buffer_overrun_errors",
        "node_infiniband_excessive_buffer_overrun_errors_total",
        "Times that buffers overran in spite of flow control.",
    ),
    counter(
        "counters/link_downed",
        "node_infiniband_link_downed_total",
        "Times that the link went down as it could not recover from errors.",
    ),
    counter(
        "counters/link_error_recovery",
        "node_infiniband_link_error_recovery_total",
        "Times that the link recovered from errors.",
    ),
    counter(
        "counters/local_link_integrity_errors",
        "node_infiniband_local_link_integrity_errors_total",
        "Times that local errors of the link went past their limit.",
    ),
    counter(
        "counters/multicast_rcv_packets",
        "node_infiniband_multicast_packets_received_total",
        "Multicast packets received, those with errors too.",
    ),
    counter(
        "counters/multicast_xmit_packets",
        "node_infiniband_multicast_packets_transmitted_total",
        "Multicast packets sent, those with errors too.",
    ),
    counter(
        "counters/port_rcv_constraint_errors",
        "node_infiniband_port_constraint_errors_received_total",
        "Packets received that a rule of the port threw away.",
    ),
    words("counters/port_rcv_data", "node_infiniband_port_data_received_bytes_total", "Data received."),
    counter(
        "counters/port_rcv_discards",
        "node_infiniband_port_discards_received_total",
        "Packets received and thrown away.",
    ),
    counter(
        "counters/port_rcv_errors",
        "node_infiniband_port_errors_received_total",
        "Packets received with errors.",
    ),
    counter(
        "counters/port_rcv_packets",
        "node_infiniband_port_packets_received_total",
        "Packets received, those with errors too.",
    ),
    counter(
        "counters/port_rcv_remote_physical_errors",
        "node_infiniband_port_receive_remote_physical_errors_total",
        "Packets received that their sender marked as bad.",
    ),
    counter(
        "counters/port_rcv_switch_relay_errors",
        "node_infiniband_port_receive_switch_relay_errors_total",
        "Packets received that a switch could not pass on.",
    ),
    counter(
        "counters/port_xmit_constraint_errors",
        "node_infiniband_port_constraint_errors_transmitted_total",
        "Packets to send that a rule of the port threw away.",
    ),
    words("counters/port_xmit_data", "node_infiniband_port_data_transmitted_bytes_total", "Data sent."),
    counter(
        "counters/port_xmit_discards",
        "node_infiniband_port_discards_transmitted_total",
        "Packets to send that were thrown away as the port was down or congested.",
    ),
    counter(
        "counters/port_xmit_packets",
        "node_infiniband_port_packets_transmitted_total",
        "Packets sent, those with errors too.",
    ),
    counter(
        "counters/port_xmit_wait",
        "node_infiniband_port_transmit_wait_total",
        "Ticks in which the port had data to send and could not.",
    ),
    counter("counters/symbol_error", "node_infiniband_symbol_error_total", "Minor errors of the link."),
    counter(
        "counters/unicast_rcv_packets",
        "node_infiniband_unicast_packets_received_total",
        "Unicast packets received, those with errors too.",
    ),
    counter(
        "counters/unicast_xmit_packets",
        "node_infiniband_unicast_packets_transmitted_total",
        "Unicast packets sent, those with errors too.",
    ),
    counter(
        "counters/VL15_dropped",
        "node_infiniband_vl15_dropped_total",
        "Management packets thrown away for want of buffers.",
    ),
    counter(
        "hw_counters/duplicate_request",
        "node_infiniband_duplicate_requests_packets_total",
        "Packets received that repeated a request.",
    ),
    counter(
        "hw_counters/implied_nak_seq_err",
        "node_infiniband_implied_nak_seq_errors_total",
        "Replies received whose number was past the expected one.",
    ),
    counter(
        "hw_counters/local_ack_timeout_err",
        "node_infiniband_local_ack_timeout_errors_total",
        "Times that the sender waited in vain for an acknowledgement.",
    ),
    counter(
        "hw_counters/np_cnp_sent",
        "node_infiniband_np_cnp_packets_sent_total",
        "Congestion notifications sent.",
    ),
    counter(
        "hw_counters/np_ecn_marked_roce_packets",
        "node_infiniband_np_ecn_marked_roce_packets_received_total",
        "RoCE packets received with a mark of congestion.",
    ),
    counter(
        "hw_counters/out_of_buffer",
        "node_infiniband_out_of_buffer_drops_total",
        "Packets dropped as the queue pair had no buffer for them.",
    ),
    counter(
        "hw_counters/out_of_sequence",
        "node_infiniband_out_of_sequence_packets_received_total",
        "Packets received out of their order.",
    ),
    counter(
        "hw_counters/packet_seq_err",
        "node_infiniband_packet_sequence_errors_total",
        "Packets that the peer found missing.",
    ),
    counter(
        "hw_counters/req_cqe_error",
        "node_infiniband_req_cqes_errors_total",
        "Requests that completed with errors.",
    ),
    counter(
        "hw_counters/req_cqe_flush_error",
        "node_infiniband_req_cqes_flush_errors_total",
        "Requests that were flushed with errors.",
    ),
    counter(
        "hw_counters/req_remote_access_errors",
        "node_infiniband_req_remote_access_errors_total",
        "Requests to which the peer denied access.",
    ),
    counter(
        "hw_counters/req_remote_invalid_request",
        "node_infiniband_req_remote_invalid_request_errors_total",
        "Requests that the peer found invalid.",
    ),
    counter(
        "hw_counters/resp_cqe_error",
        "node_infiniband_resp_cqes_errors_total",
        "Responses that completed with errors.",
    ),
    counter(
        "hw_counters/resp_cqe_flush_error",
        "node_infiniband_resp_cqes_flush_errors_total",
        "Responses that were flushed with errors.",
    ),
    counter(
        "hw_counters/resp_local_length_error",
        "node_infiniband_resp_local_length_errors_total",
        "Requests received of a wrong length.",
    ),
    counter(
        "hw_counters/resp_remote_access_errors",
        "node_infiniband_resp_remote_access_errors_total",
        "Requests received to which access was denied.",
    ),
    counter(
        "hw_counters/rnr_nak_retry_err",
        "node_infiniband_rnr_nak_retry_packets_received_total",
        "Replies received that the peer was not ready.",
    ),
    counter(
        "hw_counters/roce_adp_retrans",
        "node_infiniband_roce_adp_retransmits_total",
        "Adaptive retransmissions for RoCE.",
    ),
    counter(
        "hw_counters/roce_adp_retrans_to",
        "node_infiniband_roce_adp_retransmits_timeout_total",
        "Adaptive retransmissions for RoCE after a timeout.",
    ),
    counter(
        "hw_counters/roce_slow_restart",
        "node_infiniband_roce_slow_restart_used_total",
        "Times that RoCE's slow restart was used.",
    ),
    counter(
        "hw_counters/roce_slow_restart_cnps",
        "node_infiniband_roce_slow_restart_cnps_total",
        "Times that RoCE's slow restart made congestion notifications.",
    ),
    counter(
        "hw_counters/roce_slow_restart_trans",
        "node_infiniband_roce_slow_restart_total",
        "Times that RoCE changed to slow restart.",
    ),
    counter(
        "hw_counters/rp_cnp_handled",
        "node_infiniband_rp_cnp_packets_handled_total",
        "Congestion notifications obeyed.",
    ),
    counter(
        "hw_counters/rp_cnp_ignored",
        "node_infiniband_rp_cnp_ignored_packets_received_total",
        "Congestion notifications received and ignored.",
    ),
    counter(
        "hw_counters/rx_atomic_requests",
        "node_infiniband_rx_atomic_requests_total",
        "Atomic requests received.",
    ),
    counter(
        "hw_counters/rx_dct_connect",
        "node_infiniband_rx_dct_connect_requests_total",
        "Requests to connect received by dynamic transports.",
    ),
    counter(
        "hw_counters/rx_icrc_encapsulated",
        "node_infiniband_rx_icrc_encapsulated_errors_total",
        "RoCE packets received whose checksum was wrong.",
    ),
    counter(
        "hw_counters/rx_read_requests",
        "node_infiniband_rx_read_requests_total",
        "Read requests received.",
    ),
    counter(
        "hw_counters/rx_write_requests",
        "node_infiniband_rx_write_requests_total",
        "Write requests received.",
    ),
];

/// Bytes per second of a text such as `100 Gb/sec (4X EDR)`.
fn rate(text: &[u8]) -> Option<f64> {
    let mut words = fields(text);
    let gigabits = words.next().and_then(float).filter(|gigabits| *gigabits >= 0.0)?;
    words.next().filter(|unit| *unit == b"Gb/sec").map(|_| (gigabits * 125_000_000.0).trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_states() {
        let rates = ["100 Gb/sec (4X EDR)", "2.5 Gb/sec (1X SDR)"].map(|text| rate(text.as_bytes()));
        assert_eq!(rates, [Some(1.25e10), Some(312_500_000.0)]);
        assert_eq!(
            ["", "100", "x Gb/sec", "-1 Gb/sec", "40 Mb/sec"].map(|bad| rate(bad.as_bytes())),
            [None; 5]
        );
        let state = |text: &str| (PORT[0].value)(text.as_bytes());
        assert_eq!(
            (state("4: ACTIVE"), state("1"), state(": DOWN"), state("")),
            (Some(4.0), Some(1.0), None, None)
        );
    }
}
