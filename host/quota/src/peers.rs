//! Guesses of keys, by the address that they come from.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use docmill_model::quota::Quota;

use crate::Refusal;
use crate::owners::Owners;
use crate::rate::Rate;

pub(crate) struct Peers {
    per_minute: u64,
    rates: Owners<IpAddr>,
}

impl Peers {
    pub(crate) fn new(per_minute: u64) -> Self {
        Self {
            per_minute,
            rates: Owners::default(),
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
        let acted = self.rates.with(owner(peer), self.per_minute, now, act);
        acted.map_err(|wait| Refusal::new(Quota::FailedKeysPerMinute, self.per_minute, wait))
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
}
