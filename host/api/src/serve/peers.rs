//! How many connections each address has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Connections by address.
#[derive(Clone)]
pub(super) struct Peers {
    most: usize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection's place; given back when dropped.
pub(super) struct Place {
    peers: Peers,
    address: IpAddr,
}

impl Peers {
    /// With so many connections for each.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            open: Arc::default(),
        }
    }

    /// A place for one more, if there is one.
    pub(super) fn enter(&self, peer: IpAddr) -> Option<Place> {
        let address = owner(peer);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place {
            peers: self.clone(),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// Who an address is counted as: of IPv6 the network, because a host has 2⁶⁴ addresses of its own.
fn owner(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() >> 64 << 64).into(),
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_own_share() {
        let peers = Peers::new(2);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let one = address("192.0.2.1");
        let first = peers.enter(one).unwrap();
        let _second = peers.enter(address("::ffff:192.0.2.1")).unwrap();
        assert!(peers.enter(one).is_none(), "the same address, written in IPv6");
        let _other = peers.enter(address("192.0.2.2")).unwrap();
        drop(first);
        let _again = peers.enter(one).unwrap();
        let _six = peers.enter(address("2001:db8::1")).unwrap();
        let _same = peers.enter(address("2001:db8::2:1")).unwrap();
        assert!(peers.enter(address("2001:db8::3")).is_none(), "the same network");
        assert!(peers.enter(address("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn addresses_that_left_are_forgotten() {
        let peers = Peers::new(1);
        drop(peers.enter("192.0.2.1".parse().unwrap()));
        assert!(peers.open.lock().unwrap().is_empty());
    }
}
