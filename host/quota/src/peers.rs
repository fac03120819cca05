//! Guesses of keys, by the address that they come from. The memory is bounded: when it is full, addresses that owe nothing are
//! forgotten, and if all of them do, new ones share one count.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use docmill_model::quota::Quota;

use crate::Refusal;
use crate::rate::Rate;

/// Most addresses that are told apart.
const MAX_PEERS: usize = 10_000;

pub(crate) struct Peers {
    per_minute: u64,
    rates: Mutex<HashMap<IpAddr, Rate>>,
}

impl Peers {
    pub(crate) fn new(per_minute: u64) -> Self {
        Self {
            per_minute,
            rates: Mutex::default(),
        }
    }

    /// Whether the address may try another key.
    pub(crate) fn check(&self, peer: IpAddr, now: u64) -> Result<(), Refusal> {
        self.with(peer, now, |rate| rate.take(now).map(|()| rate.give_back()))
    }

    /// It tried one that was nobody's.
    pub(crate) fn failed(&self, peer: IpAddr, now: u64) {
        let _ = self.with(peer, now, |rate| rate.take(now));
    }

    fn with(
        &self,
        peer: IpAddr,
        now: u64,
        act: impl FnOnce(&Rate) -> Result<(), Duration>,
    ) -> Result<(), Refusal> {
        if self.per_minute == 0 {
            return Ok(());
        }
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let mut owner = owner(peer);
        if rates.len() >= MAX_PEERS && !rates.contains_key(&owner) {
            rates.retain(|_, rate| !rate.left(now).1.is_zero());
            if rates.len() >= MAX_PEERS {
                owner = Ipv6Addr::UNSPECIFIED.into();
            }
        }
        let rate = rates.entry(owner).or_insert_with(|| {
            let rate = Rate::new(Duration::from_secs(60));
            rate.set(now, self.per_minute, self.per_minute);
            rate
        });
        act(rate).map_err(|wait| Refusal::new(Quota::FailedKeysPerMinute, self.per_minute, wait))
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

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn guesses_are_counted_and_keys_that_work_are_not() {
        let peers = Peers::new(3);
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..10 {
            peers.check(one, 0).unwrap();
        }
        for _ in 0..3 {
            peers.check(one, 0).unwrap();
            peers.failed(one, 0);
        }
        let refused = peers.check(address("::ffff:192.0.2.1"), 0).unwrap_err();
        assert_eq!(refused.exceeded.quota, Quota::FailedKeysPerMinute);
        assert_eq!(refused.retry_after, Duration::from_secs(20));
        peers.check(other, 0).unwrap();
        peers.check(one, 20_000_000_000).unwrap();
        let six = address("2001:db8::1");
        (0..3).for_each(|_| peers.failed(six, 0));
        assert!(
            peers.check(address("2001:db8::2:1"), 0).is_err(),
            "the same network"
        );
    }

    #[test]
    fn many_addresses_do_not_fill_the_memory() {
        let peers = Peers::new(1);
        let nth = |n: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(n));
        for n in 0..(MAX_PEERS as u32 + 100) {
            peers.failed(nth(n), 0);
        }
        assert!(peers.rates.lock().unwrap().len() <= MAX_PEERS + 1);
        assert!(peers.check(nth(7), 0).is_err() && peers.check(nth(u32::MAX), 0).is_err());
        // A minute later they owe nothing, and are forgotten for others.
        let later = 61_000_000_000;
        peers.check(nth(u32::MAX), later).unwrap();
        assert!(peers.rates.lock().unwrap().len() < 10);
    }
}
