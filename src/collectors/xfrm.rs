//! Packets that IPsec had to drop, from `/proc/net/xfrm_stat` (kernel: `Documentation/networking/xfrm_proc.rst`).

use super::{CollectError, Collector, Context, Settings, Spec, key_counts, read_or_absent};
use crate::exposition::{Exposition, Kind};
use crate::host::KernelFile;

pub(super) const SPEC: Spec = Spec {
    name: "xfrm",
    default_on: false,
    help: "packets that IPsec dropped, by reason (/proc/net/xfrm_stat)",
    flags: &[],
    build: |settings| Ok(Box::new(Xfrm::new(settings))),
};

const ABSENT: &str = "the kernel was built without CONFIG_XFRM_STATISTICS";

/// Keys of the file in its order, the families they become, and their help. Keys of newer kernels are passed over.
const FAMILIES: &[(&str, &str, &str)] = &[
    (
        "XfrmInError",
        "node_xfrm_in_error_packets_total",
        "Received packets that failed in none of the other ways.",
    ),
    (
        "XfrmInBufferError",
        "node_xfrm_in_buffer_error_packets_total",
        "Received packets for which there was no buffer.",
    ),
    ("XfrmInHdrError", "node_xfrm_in_hdr_error_packets_total", "Received packets with a wrong header."),
    (
        "XfrmInNoStates",
        "node_xfrm_in_no_states_packets_total",
        "Received packets for which there is no state, as when the index or protocol is wrong.",
    ),
    (
        "XfrmInStateProtoError",
        "node_xfrm_in_state_proto_error_packets_total",
        "Received packets that the transformation's protocol refused, as when a key is wrong.",
    ),
    (
        "XfrmInStateModeError",
        "node_xfrm_in_state_mode_error_packets_total",
        "Received packets that the transformation's mode refused.",
    ),
    (
        "XfrmInStateSeqError",
        "node_xfrm_in_state_seq_error_packets_total",
        "Received packets whose sequence number is out of the window.",
    ),
    (
        "XfrmInStateExpired",
        "node_xfrm_in_state_expired_packets_total",
        "Received packets whose state has expired.",
    ),
    (
        "XfrmInStateMismatch",
        "node_xfrm_in_state_mismatch_packets_total",
        "Received packets that do not fit their state's options.",
    ),
    (
        "XfrmInStateInvalid",
        "node_xfrm_in_state_invalid_packets_total",
        "Received packets whose state is invalid.",
    ),
    (
        "XfrmInTmplMismatch",
        "node_xfrm_in_tmpl_mismatch_packets_total",
        "Received packets whose states fit no template of the policy.",
    ),
    (
        "XfrmInNoPols",
        "node_xfrm_in_no_pols_packets_total",
        "Received packets for whose states there is no policy.",
    ),
    ("XfrmInPolBlock", "node_xfrm_in_pol_block_packets_total", "Received packets that a policy discards."),
    ("XfrmInPolError", "node_xfrm_in_pol_error_packets_total", "Received packets that failed in the policy."),
    (
        "XfrmOutError",
        "node_xfrm_out_error_packets_total",
        "Packets to send that failed in none of the other ways.",
    ),
    (
        "XfrmOutBundleGenError",
        "node_xfrm_out_bundle_gen_error_packets_total",
        "Packets to send for which no bundle could be made.",
    ),
    (
        "XfrmOutBundleCheckError",
        "node_xfrm_out_bundle_check_error_packets_total",
        "Packets to send whose bundle did not pass its check.",
    ),
    (
        "XfrmOutNoStates",
        "node_xfrm_out_no_states_packets_total",
        "Packets to send for which there is no state.",
    ),
    (
        "XfrmOutStateProtoError",
        "node_xfrm_out_state_proto_error_packets_total",
        "Packets to send that the transformation's protocol refused.",
    ),
    (
        "XfrmOutStateModeError",
        "node_xfrm_out_state_mode_error_packets_total",
        "Packets to send that the transformation's mode refused.",
    ),
    (
        "XfrmOutStateSeqError",
        "node_xfrm_out_state_seq_error_packets_total",
        "Packets to send for which the sequence numbers are used up.",
    ),
    (
        "XfrmOutStateExpired",
        "node_xfrm_out_state_expired_packets_total",
        "Packets to send whose state has expired.",
    ),
    ("XfrmOutPolBlock", "node_xfrm_out_pol_block_packets_total", "Packets to send that a policy discards."),
    ("XfrmOutPolDead", "node_xfrm_out_pol_dead_packets_total", "Packets to send whose policy is dead."),
    (
        "XfrmOutPolError",
        "node_xfrm_out_pol_error_packets_total",
        "Packets to send that failed in the policy.",
    ),
    ("XfrmFwdHdrError", "node_xfrm_fwd_hdr_error_packets_total", "Packets that may not be forwarded."),
    (
        "XfrmOutStateInvalid",
        "node_xfrm_out_state_invalid_packets_total",
        "Packets to send whose state is invalid.",
    ),
    (
        "XfrmAcquireError",
        "node_xfrm_acquire_error_packets_total",
        "Packets that used a state before it was complete.",
    ),
];

struct Xfrm {
    file: KernelFile,
}

impl Xfrm {
    fn new(settings: &Settings) -> Self {
        Self { file: KernelFile::new(settings.root.proc("net/xfrm_stat")) }
    }
}

impl Collector for Xfrm {
    fn collect(&mut self, context: &mut Context, out: &mut Exposition) -> Result<(), CollectError> {
        let text = read_or_absent(&mut self.file, &mut context.buffer, ABSENT)?;
        let known = |key: &[u8]| FAMILIES.iter().find(|(name, _, _)| name.as_bytes() == key);
        for entry in key_counts(text, known) {
            let (&(_, family, help), count) = entry.map_err(|error| error.at(self.file.path()))?;
            out.single(family, help, Kind::Counter, count as f64);
        }
        Ok(())
    }
}
