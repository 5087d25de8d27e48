//! Link modes: speeds, ports and what is agreed with the other end (kernel: `enum ethtool_link_mode_bit_indices` in
//! `include/uapi/linux/ethtool.h`).

use kernel_calls::ethtool::LinkModes;

use crate::exposition::{Exposition, Kind};

/// The names of the bits, without `ETHTOOL_LINK_MODE_` and `_BIT`.
#[rustfmt::skip]
const NAMES: [&str; 102] = [
    "10baseT_Half", "10baseT_Full", "100baseT_Half", "100baseT_Full", "1000baseT_Half", "1000baseT_Full",
    "Autoneg", "TP", "AUI", "MII", "FIBRE", "BNC", "10000baseT_Full", "Pause", "Asym_Pause", "2500baseX_Full",
    "Backplane", "1000baseKX_Full", "10000baseKX4_Full", "10000baseKR_Full", "10000baseR_FEC",
    "20000baseMLD2_Full", "20000baseKR2_Full", "40000baseKR4_Full", "40000baseCR4_Full", "40000baseSR4_Full",
    "40000baseLR4_Full", "56000baseKR4_Full", "56000baseCR4_Full", "56000baseSR4_Full", "56000baseLR4_Full",
    "25000baseCR_Full", "25000baseKR_Full", "25000baseSR_Full", "50000baseCR2_Full", "50000baseKR2_Full",
    "100000baseKR4_Full", "100000baseSR4_Full", "100000baseCR4_Full", "100000baseLR4_ER4_Full",
    "50000baseSR2_Full", "1000baseX_Full", "10000baseCR_Full", "10000baseSR_Full", "10000baseLR_Full",
    "10000baseLRM_Full", "10000baseER_Full", "2500baseT_Full", "5000baseT_Full", "FEC_NONE", "FEC_RS",
    "FEC_BASER", "50000baseKR_Full", "50000baseSR_Full", "50000baseCR_Full", "50000baseLR_ER_FR_Full",
    "50000baseDR_Full", "100000baseKR2_Full", "100000baseSR2_Full", "100000baseCR2_Full",
    "100000baseLR2_ER2_FR2_Full", "100000baseDR2_Full", "200000baseKR4_Full", "200000baseSR4_Full",
    "200000baseLR4_ER4_FR4_Full", "200000baseDR4_Full", "200000baseCR4_Full", "100baseT1_Full",
    "1000baseT1_Full", "400000baseKR8_Full", "400000baseSR8_Full", "400000baseLR8_ER8_FR8_Full",
    "400000baseDR8_Full", "400000baseCR8_Full", "FEC_LLRS", "100000baseKR_Full", "100000baseSR_Full",
    "100000baseLR_ER_FR_Full", "100000baseCR_Full", "100000baseDR_Full", "200000baseKR2_Full",
    "200000baseSR2_Full", "200000baseLR2_ER2_FR2_Full", "200000baseDR2_Full", "200000baseCR2_Full",
    "400000baseKR4_Full", "400000baseSR4_Full", "400000baseLR4_ER4_FR4_Full", "400000baseDR4_Full",
    "400000baseCR4_Full", "100baseFX_Half", "100baseFX_Full", "10baseT1L_Full", "800000baseCR8_Full",
    "800000baseKR8_Full", "800000baseDR8_Full", "800000baseDR8_2_Full", "800000baseSR8_Full",
    "800000baseVR8_Full", "10baseT1S_Full", "10baseT1S_Half", "10baseT1S_P2MP_Half",
];

const AUTONEGOTIATION: u32 = 6;
const PAUSE: u32 = 13;
const ASYMMETRIC_PAUSE: u32 = 14;
const PORTS: [u32; 6] = [8, 11, 16, 10, 9, 7];

/// A mode that carries data.
struct Mode {
    name: &'static str,
    duplex: &'static str,
    speed_bytes: f64,
}

impl Mode {
    /// What a name such as `1000baseT_Full` says; none of other bits.
    fn new(name: &'static str) -> Option<Self> {
        let (name, duplex) = match (name.strip_suffix("_Full"), name.strip_suffix("_Half")) {
            (Some(mode), _) => (mode, "full"),
            (_, Some(mode)) => (mode, "half"),
            _ if name == "10000baseR_FEC" => (name, "full"),
            _ => return None,
        };
        let (megabits, _) = name.split_once("base")?;
        Some(Self { name, duplex, speed_bytes: megabits.parse::<f64>().ok()? * 1_000_000.0 / 8.0 })
    }
}

fn has(bits: u128, bit: u32) -> bool {
    bits >> bit & 1 == 1
}

pub(super) fn write(device: &[u8], modes: &LinkModes, out: &mut Exposition) {
    let mut one = |name: &[&str], help: &[&str], on: bool| {
        let mut family = out.family_parts(name, help, Kind::Gauge);
        family.sample(&[("device", device)], f64::from(u8::from(on)));
    };
    one(
        &["node_network_autonegotiate"],
        &["Whether speed and duplex are agreed with the other end."],
        modes.autonegotiation,
    );
    let sets =
        [("advertised", " is offered.", modes.advertised), ("supported", " can be had.", modes.supported)];
    for (set, verb, bits) in sets {
        for (what, bit, help) in [
            ("autonegotiate", AUTONEGOTIATION, "agreeing on speed and duplex"),
            ("pause", PAUSE, "pause frames"),
            ("asymmetricpause", ASYMMETRIC_PAUSE, "pause frames in one direction"),
        ] {
            one(&["node_network_", what, "_", set], &["Whether ", help, verb], has(bits, bit));
        }
    }
    let mut family =
        out.family("node_network_supported_port_info", "A kind of port that the device has.", Kind::Gauge);
    for port in PORTS.into_iter().filter(|&port| has(modes.supported, port)) {
        family.sample(&[("device", device), ("type", NAMES[port as usize].as_bytes())], 1.0);
    }
    for (set, _, bits) in sets {
        let help = ["Speeds that are ", set, ", in bytes per second."];
        let mut family = out.family_parts(&["node_network_", set, "_speed_bytes"], &help, Kind::Gauge);
        for (_, name) in (0..).zip(NAMES).filter(|(bit, _)| has(bits, *bit)) {
            let Some(mode) = Mode::new(name) else { continue };
            let labels =
                [("device", device), ("duplex", mode.duplex.as_bytes()), ("mode", mode.name.as_bytes())];
            family.sample(&labels, mode.speed_bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposition::Format;

    #[test]
    fn bits_have_their_places() {
        for (bit, name) in
            [(16, "Backplane"), (49, "FEC_NONE"), (69, "400000baseKR8_Full"), (92, "10baseT1L_Full")]
        {
            assert_eq!(NAMES[bit], name);
        }
        assert_eq!(PORTS.map(|port| NAMES[port as usize]), ["AUI", "BNC", "Backplane", "FIBRE", "MII", "TP"]);
        let named = [AUTONEGOTIATION, PAUSE, ASYMMETRIC_PAUSE].map(|bit| NAMES[bit as usize]);
        assert_eq!(named, ["Autoneg", "Pause", "Asym_Pause"]);
    }

    #[test]
    fn a_gigabit_device() {
        let modes = LinkModes {
            autonegotiation: true,
            supported: 1 << 0 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 13 | 1 << 20 | 1 << 51 | 1 << 69,
            advertised: 1 << 5,
        };
        let mut out = Exposition::new();
        write(b"eth0", &modes, &mut out);
        let mut page = Vec::new();
        out.render(Format::Text, &mut page);
        let page = String::from_utf8(page).unwrap();
        let samples: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("node_network_")).collect();
        assert_eq!(
            samples,
            [
                "advertised_speed_bytes{device=\"eth0\",duplex=\"full\",mode=\"1000baseT\"} 1.25e+08",
                "asymmetricpause_advertised{device=\"eth0\"} 0",
                "asymmetricpause_supported{device=\"eth0\"} 0",
                "autonegotiate{device=\"eth0\"} 1",
                "autonegotiate_advertised{device=\"eth0\"} 0",
                "autonegotiate_supported{device=\"eth0\"} 1",
                "pause_advertised{device=\"eth0\"} 0",
                "pause_supported{device=\"eth0\"} 1",
                "supported_port_info{device=\"eth0\",type=\"TP\"} 1",
                "supported_speed_bytes{device=\"eth0\",duplex=\"half\",mode=\"10baseT\"} 1.25e+06",
                "supported_speed_bytes{device=\"eth0\",duplex=\"full\",mode=\"1000baseT\"} 1.25e+08",
                "supported_speed_bytes{device=\"eth0\",duplex=\"full\",mode=\"10000baseR_FEC\"} 1.25e+09",
                "supported_speed_bytes{device=\"eth0\",duplex=\"full\",mode=\"400000baseKR8\"} 5e+10",
            ]
        );
    }
}
