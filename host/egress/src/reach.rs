//! Which addresses lie on the internet.
//!
//! Followed are IANA's special-purpose registries for IPv4 and IPv6 (RFC 6890 and what came after): an address is reached if
//! it is globally reachable by them. Beside those, addresses at which clouds answer their own machines are refused although
//! they look like any other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A network as operators write it: `10.0.0.0/8`.
pub type Network = IpNet;

/// Why an address is not dialled: in a word, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub &'static str);

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(segments: [u16; 8], bits: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), bits)
}

const V4: [(Ipv4Net, &str); 18] = [
    (v4(0, 0, 0, 0, 8), "this network"),
    (v4(10, 0, 0, 0, 8), "private"),
    (v4(100, 64, 0, 0, 10), "shared by carriers"),
    (v4(127, 0, 0, 0, 8), "loopback"),
    (v4(168, 63, 129, 16, 32), "a cloud's own"),
    (v4(169, 254, 0, 0, 16), "link-local"),
    (v4(172, 16, 0, 0, 12), "private"),
    (v4(192, 0, 0, 0, 24), "reserved for protocols"),
    (v4(192, 0, 2, 0, 24), "for documentation"),
    (v4(192, 31, 196, 0, 24), "reserved for AS112"),
    (v4(192, 52, 193, 0, 24), "reserved for AMT"),
    (v4(192, 88, 99, 0, 24), "a relay's"),
    (v4(192, 168, 0, 0, 16), "private"),
    (v4(192, 175, 48, 0, 24), "reserved for AS112"),
    (v4(198, 18, 0, 0, 15), "for benchmarks"),
    (v4(198, 51, 100, 0, 24), "for documentation"),
    (v4(203, 0, 113, 0, 24), "for documentation"),
    // Multicast, reserved, broadcast.
    (v4(224, 0, 0, 0, 3), "multicast or reserved"),
];

/// What is global unicast at all.
const GLOBAL: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
/// Addresses of the IPv4 internet, as a translator (NAT64, RFC 6052) writes them.
const TRANSLATED: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

const V6: [(Ipv6Net, &str); 5] = [
    // Teredo, ORCHID, benchmarks and anycast of protocols: who is meant depends on where one asks.
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "reserved for protocols"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "for documentation"),
    (
        v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
        "an IPv4 address behind 6to4",
    ),
    (
        v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48),
        "reserved for AS112",
    ),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "for documentation"),
];

/// The address that is meant, and whether it lies on the internet.
///
/// # Errors
/// When it does not; and what it is.
pub fn reachable(address: IpAddr) -> Result<(), Unreachable> {
    match address {
        IpAddr::V4(address) => of_v4(address),
        IpAddr::V6(address) => of_v6(address),
    }
}

fn of_v4(address: Ipv4Addr) -> Result<(), Unreachable> {
    match V4.iter().find(|(network, _)| network.contains(&address)) {
        Some((_, what)) => Err(Unreachable(what)),
        None => Ok(()),
    }
}

fn of_v6(address: Ipv6Addr) -> Result<(), Unreachable> {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return of_v4(mapped);
    }
    if TRANSLATED.contains(&address) {
        let [.., a, b, c, d] = address.octets();
        return of_v4(Ipv4Addr::new(a, b, c, d));
    }
    if !GLOBAL.contains(&address) {
        return Err(Unreachable(outside(address)));
    }
    match V6.iter().find(|(network, _)| network.contains(&address)) {
        Some((_, what)) => Err(Unreachable(what)),
        None => Ok(()),
    }
}

fn outside(address: Ipv6Addr) -> &'static str {
    if address.is_loopback() {
        "loopback"
    } else if address.is_unspecified() {
        "this network"
    } else if address.is_multicast() {
        "multicast or reserved"
    } else if address.is_unique_local() {
        "private"
    } else if address.is_unicast_link_local() {
        "link-local"
    } else {
        "multicast or reserved"
    }
}

/// Whether the operator lets an address be reached that is not on the internet. An IPv4 address in disguise is what it is
/// in IPv4.
pub(crate) fn is_let(address: IpAddr, networks: &[Network]) -> bool {
    let plain = address.to_canonical();
    networks.iter().any(|network| network.contains(&plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_every_network_are_in_and_what_lies_beside_is_out() {
        let step = |address: Ipv4Addr, by: i64| {
            u32::try_from(i64::from(u32::from(address)) + by)
                .ok()
                .map(Ipv4Addr::from)
        };
        for (network, what) in V4 {
            assert!(
                of_v4(network.network()).is_err() && of_v4(network.broadcast()).is_err(),
                "{what}"
            );
            for beside in [step(network.network(), -1), step(network.broadcast(), 1)]
                .into_iter()
                .flatten()
            {
                let other = V4.iter().any(|(other, _)| other.contains(&beside));
                assert_eq!(of_v4(beside).is_err(), other, "{beside}");
            }
        }
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "93.184.216.34",
            "223.255.255.255",
            "172.15.255.255",
            "172.32.0.0",
        ] {
            assert_eq!(reachable(address.parse().unwrap()), Ok(()), "{address}");
        }
    }

    #[test]
    fn an_address_is_what_it_means() {
        for (address, reached) in [
            ("2606:4700::1111", true),
            ("2a00:1450:4001:81b::200e", true),
            ("::", false),
            ("::1", false),
            ("::127.0.0.1", false),
            ("::8.8.8.8", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("::ffff:0:8.8.8.8", false),
            ("64:ff9b::7f00:1", false),
            ("64:ff9b::a9fe:a9fe", false),
            ("64:ff9b::808:808", true),
            ("64:ff9b:1::808:808", false),
            ("100::1", false),
            ("2001::1", false),
            ("2001:db8::1", false),
            ("2001:1ff:ffff::1", false),
            ("2001:200::1", true),
            ("2002:7f00:1::", false),
            ("2002:808:808::", false),
            ("3fff::1", false),
            ("3fff:1000::1", true),
            ("4000::1", false),
            ("5f00::1", false),
            ("fc00::1", false),
            ("fd00:ec2::254", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
            ("1fff:ffff::1", false),
        ] {
            assert_eq!(reachable(address.parse().unwrap()).is_ok(), reached, "{address}");
        }
    }

    #[test]
    fn an_operator_lets_networks_in_whatever_the_spelling() {
        let networks = ["10.1.0.0/16".parse().unwrap(), "fd00::/64".parse().unwrap()];
        for (address, is_in) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("10.2.0.1", false),
            ("fd00::5", true),
            ("fd01::5", false),
        ] {
            assert_eq!(is_let(address.parse().unwrap(), &networks), is_in, "{address}");
        }
    }
}
