//! Requests to and answers of the family `ethtool` (kernel: `include/uapi/linux/ethtool_netlink.h`).

use super::{Command, LINK_MODES, PAUSE as PAUSE_COMMAND, STATS};
use crate::host::genetlink::HEADER_BYTES;
use crate::host::netlink::{attributes, u32_at};

const LINK_MODES_NUMBER: u8 = LINK_MODES.number;
const PAUSE_NUMBER: u8 = PAUSE_COMMAND.number;
const STATS_NUMBER: u8 = STATS.number;

const NESTED: u16 = 0x8000;

const HEADER_DEV_NAME: u16 = 2;
const HEADER_FLAGS: u16 = 3;

const BITSET_NOMASK: u16 = 1;
const BITSET_SIZE: u16 = 2;
const BITSET_VALUE: u16 = 4;
const BITSET_MASK: u16 = 5;

const LINKMODES_AUTONEG: u16 = 2;
const LINKMODES_OURS: u16 = 3;

const PAUSE_STATS: u16 = 4;

const STATS_GROUPS: u16 = 3;
const STATS_GRP: u16 = 4;
const GRP_ID: u16 = 2;
const GRP_STAT: u16 = 4;
/// PHY, MAC, control and RMON.
const GROUPS: u32 = 4;

/// Where a counter comes from: a group of standard counters or, with [`PAUSE`], the counters of pause frames; and
/// its number there.
pub(super) type Place = (u32, u16);

const PHY: u32 = 0;
const MAC: u32 = 1;
const CONTROL: u32 = 2;
const RMON: u32 = 3;
const PAUSE: u32 = u32::MAX;

/// A counter that a standard defines.
pub(super) struct Counter {
    pub place: Place,
    /// What IEEE 802.3 or RFC 2819 call it.
    pub standard_name: &'static str,
    /// The family's name between `node_ethtool_` and `_total`.
    pub name: &'static str,
    pub help: &'static str,
}

const fn counter(
    group: u32,
    number: u16,
    standard_name: &'static str,
    name: &'static str,
    help: &'static str,
) -> Counter {
    Counter { place: (group, number), standard_name, name, help }
}

pub(super) const COUNTERS: &[Counter] = &[
    counter(PAUSE, 2, "tx_pause_frames", "pause_frames_transmitted", "Number of pause frames sent."),
    counter(PAUSE, 3, "rx_pause_frames", "pause_frames_received", "Number of pause frames received."),
    counter(PHY, 0, "SymbolErrorDuringCarrier", "phy_symbol_errors", "Number of frames with a bad symbol."),
    counter(MAC, 0, "FramesTransmittedOK", "mac_frames_transmitted", "Number of frames sent."),
    counter(
        MAC,
        1,
        "SingleCollisionFrames",
        "mac_single_collision_frames",
        "Number of frames sent after one collision.",
    ),
    counter(
        MAC,
        2,
        "MultipleCollisionFrames",
        "mac_multiple_collision_frames",
        "Number of frames sent after more than one collision.",
    ),
    counter(MAC, 3, "FramesReceivedOK", "mac_frames_received", "Number of frames received."),
    counter(
        MAC,
        4,
        "FrameCheckSequenceErrors",
        "mac_frame_check_sequence_errors",
        "Number of frames with a wrong checksum.",
    ),
    counter(
        MAC,
        5,
        "AlignmentErrors",
        "mac_alignment_errors",
        "Number of frames that did not end with a whole byte.",
    ),
    counter(MAC, 6, "OctetsTransmittedOK", "mac_octets_transmitted", "Number of bytes sent in frames."),
    counter(
        MAC,
        7,
        "FramesWithDeferredXmissions",
        "mac_deferred_frames",
        "Number of frames that had to wait for the medium.",
    ),
    counter(MAC, 8, "LateCollisions", "mac_late_collisions", "Number of collisions later than they may be."),
    counter(
        MAC,
        9,
        "FramesAbortedDueToXSColls",
        "mac_excessive_collision_frames",
        "Number of frames given up after too many collisions.",
    ),
    counter(
        MAC,
        10,
        "FramesLostDueToIntMACXmitError",
        "mac_internal_transmit_errors",
        "Number of frames lost inside the device when sending.",
    ),
    counter(
        MAC,
        11,
        "CarrierSenseErrors",
        "mac_carrier_sense_errors",
        "Number of times that the carrier was lost when sending.",
    ),
    counter(MAC, 12, "OctetsReceivedOK", "mac_octets_received", "Number of bytes received in frames."),
    counter(
        MAC,
        13,
        "FramesLostDueToIntMACRcvError",
        "mac_internal_receive_errors",
        "Number of frames lost inside the device when receiving.",
    ),
    counter(
        MAC,
        14,
        "MulticastFramesXmittedOK",
        "mac_multicast_frames_transmitted",
        "Number of multicast frames sent.",
    ),
    counter(
        MAC,
        15,
        "BroadcastFramesXmittedOK",
        "mac_broadcast_frames_transmitted",
        "Number of broadcast frames sent.",
    ),
    counter(
        MAC,
        16,
        "FramesWithExcessiveDeferral",
        "mac_excessive_deferral_frames",
        "Number of frames that waited too long for the medium.",
    ),
    counter(
        MAC,
        17,
        "MulticastFramesReceivedOK",
        "mac_multicast_frames_received",
        "Number of multicast frames received.",
    ),
    counter(
        MAC,
        18,
        "BroadcastFramesReceivedOK",
        "mac_broadcast_frames_received",
        "Number of broadcast frames received.",
    ),
    counter(
        MAC,
        19,
        "InRangeLengthErrors",
        "mac_in_range_length_errors",
        "Number of frames of another length than they said.",
    ),
    counter(
        MAC,
        20,
        "OutOfRangeLengthField",
        "mac_out_of_range_length_fields",
        "Number of frames that said an impossible length.",
    ),
    counter(
        MAC,
        21,
        "FrameTooLongErrors",
        "mac_frame_too_long_errors",
        "Number of frames longer than allowed.",
    ),
    counter(
        CONTROL,
        0,
        "MACControlFramesTransmitted",
        "control_frames_transmitted",
        "Number of control frames sent.",
    ),
    counter(
        CONTROL,
        1,
        "MACControlFramesReceived",
        "control_frames_received",
        "Number of control frames received.",
    ),
    counter(
        CONTROL,
        2,
        "UnsupportedOpcodesReceived",
        "control_unsupported_opcodes_received",
        "Number of unknown control frames received.",
    ),
    counter(
        RMON,
        0,
        "etherStatsUndersizePkts",
        "rmon_undersize_packets",
        "Number of packets shorter than allowed.",
    ),
    counter(
        RMON,
        1,
        "etherStatsOversizePkts",
        "rmon_oversize_packets",
        "Number of packets longer than allowed.",
    ),
    counter(
        RMON,
        2,
        "etherStatsFragments",
        "rmon_fragments",
        "Number of packets too short and with a wrong checksum.",
    ),
    counter(
        RMON,
        3,
        "etherStatsJabbers",
        "rmon_jabbers",
        "Number of packets too long and with a wrong checksum.",
    ),
];

/// What one answer says of a device.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Device {
    pub name: Vec<u8>,
    pub autonegotiate: Option<bool>,
    /// Bits of the link modes that the device could use.
    pub supported: u128,
    /// Of these, the ones it offers to the other end.
    pub advertised: u128,
    pub counters: Vec<(Place, u64)>,
}

fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
    let mut bytes = (4 + content.len() as u16).to_ne_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The header of a request about all devices.
pub(super) fn request_header(command: &Command) -> Vec<u8> {
    attribute(command.header | NESTED, &attribute(HEADER_FLAGS, &command.flags.to_ne_bytes()))
}

/// Asks for all groups of standard counters.
pub(super) fn all_groups() -> Vec<u8> {
    let bits = ((1u32 << GROUPS) - 1).to_ne_bytes();
    let set = [
        attribute(BITSET_NOMASK, &[]),
        attribute(BITSET_SIZE, &GROUPS.to_ne_bytes()),
        attribute(BITSET_VALUE, &bits),
    ];
    attribute(STATS_GROUPS | NESTED, &set.concat())
}

/// Reads one answer to `command`; `None` without a device's name.
pub(super) fn read(message: &[u8], command: &Command) -> Option<Device> {
    let mut device = Device::default();
    for (kind, content) in attributes(message.get(HEADER_BYTES..)?) {
        match (command.number, kind) {
            (_, kind) if kind == command.header => {
                let name = attributes(content).find(|(kind, _)| *kind == HEADER_DEV_NAME)?.1;
                device.name = name.strip_suffix(b"\0").unwrap_or(name).to_vec();
            }
            (LINK_MODES_NUMBER, LINKMODES_AUTONEG) => {
                device.autonegotiate = content.first().map(|value| *value != 0)
            }
            (LINK_MODES_NUMBER, LINKMODES_OURS) => {
                for (kind, bits) in attributes(content) {
                    match kind {
                        BITSET_VALUE => device.advertised = bit_set(bits),
                        BITSET_MASK => device.supported = bit_set(bits),
                        _ => {}
                    }
                }
            }
            (PAUSE_NUMBER, PAUSE_STATS) => add_counters(PAUSE, content, &mut device),
            (STATS_NUMBER, STATS_GRP) => {
                let group = attributes(content).find(|(kind, _)| *kind == GRP_ID);
                let group = group.and_then(|(_, content)| u32_at(content, 0));
                for (_, content) in attributes(content).filter(|(kind, _)| *kind == GRP_STAT) {
                    add_counters(group?, content, &mut device);
                }
            }
            _ => {}
        }
    }
    (!device.name.is_empty()).then_some(device)
}

fn add_counters(group: u32, content: &[u8], device: &mut Device) {
    for (number, value) in attributes(content) {
        if let Some(value) = value.first_chunk() {
            device.counters.push(((group, number), u64::from_ne_bytes(*value)));
        }
    }
}

/// Words of 32 bits, the lowest first. Bits above 127 are of link modes that are not known here.
fn bit_set(content: &[u8]) -> u128 {
    let (words, _) = content.as_chunks::<4>();
    let shifted = words.iter().take(4).enumerate();
    shifted.fold(0, |bits, (place, word)| bits | u128::from(u32::from_ne_bytes(*word)) << (32 * place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(header_kind: u16, more: &[Vec<u8>]) -> Vec<u8> {
        let name = attribute(HEADER_DEV_NAME, b"eth0\0");
        [vec![0; HEADER_BYTES], attribute(header_kind | NESTED, &name), more.concat()].concat()
    }

    #[test]
    fn link_modes() {
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
        let set = [
            attribute(BITSET_VALUE, &words(&[1 << 5, 1])),
            attribute(BITSET_MASK, &words(&[3 << 5, 1, 0, 0, 7])),
        ];
        let answer = message(
            1,
            &[attribute(LINKMODES_AUTONEG, &[1]), attribute(LINKMODES_OURS | NESTED, &set.concat())],
        );
        let device = read(&answer, &LINK_MODES).unwrap();
        assert_eq!((&device.name[..], device.autonegotiate), (&b"eth0"[..], Some(true)));
        assert_eq!((device.advertised, device.supported), (1 << 5 | 1 << 32, 3 << 5 | 1 << 32));
        for end in 0..answer.len() {
            drop(read(&answer[..end], &LINK_MODES));
        }
        assert_eq!(read(&[0; HEADER_BYTES], &LINK_MODES), None);
    }

    #[test]
    fn counters() {
        let count = |number: u16, value: u64| attribute(number, &value.to_ne_bytes());
        let pause = message(1, &[attribute(PAUSE_STATS | NESTED, &[count(2, 5), count(3, 6)].concat())]);
        let device = read(&pause, &PAUSE_COMMAND).unwrap();
        assert_eq!(device.counters, [((PAUSE, 2), 5), ((PAUSE, 3), 6)]);
        let group = [
            attribute(GRP_ID, &MAC.to_ne_bytes()),
            attribute(GRP_STAT | NESTED, &count(0, 7)),
            attribute(GRP_STAT | NESTED, &count(4, u64::MAX)),
        ];
        let stats = message(2, &[attribute(STATS_GRP | NESTED, &group.concat())]);
        let device = read(&stats, &STATS).unwrap();
        assert_eq!(device.counters, [((MAC, 0), 7), ((MAC, 4), u64::MAX)]);
        for end in 0..stats.len() {
            drop(read(&stats[..end], &STATS));
        }
        assert!(COUNTERS.is_sorted_by_key(|counter| (counter.place.0 != PAUSE, counter.place)));
    }
}
