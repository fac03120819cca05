//! What a parser's calls cost of late, so that only results are kept that are dearer than keeping them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Guest CPU time from which a result is kept. To look one up, insert it, and later evict it and free it costs about 40 µs, mostly in
/// cache misses; below this, more than one call in twenty-five would have to find its result for the memory to pay.
const WORTH_KEEPING_US: u64 = 1_000;
/// Sources up to this are taken to cost the same: the call itself, not the bytes.
const SMALL_SOURCE: u64 = 4 * 1024;
/// The estimate falls by one part in so many with each cheaper call.
const FALL: u64 = 64;

/// The dearest of one parser's late calls, in nanoseconds for 1 KiB. Nothing is known of it before the first.
#[derive(Debug)]
pub(crate) struct Cost(AtomicU64);

impl Default for Cost {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl Cost {
    /// Whether a call that took so much CPU time gave something worth keeping.
    pub(crate) const fn is_worth_keeping(cpu_us: u64) -> bool {
        cpu_us >= WORTH_KEEPING_US
    }

    /// Whether a call on a source of `bytes` may cost so much that an earlier result is worth looking for.
    pub(crate) fn may_be_worth_keeping(&self, bytes: usize) -> bool {
        let per_kib = self.0.load(Ordering::Relaxed);
        let estimated_ns = u128::from(per_kib) * u128::from(weighed(bytes)) / 1024;
        estimated_ns >= u128::from(WORTH_KEEPING_US) * 1000
    }

    /// Learns what a call on a source of `bytes` cost. Of two that learn at once one may be lost.
    pub(crate) fn learn(&self, bytes: usize, cpu_us: u64) {
        let per_kib = cpu_us.saturating_mul(1_000 * 1_024) / weighed(bytes);
        let before = self.0.load(Ordering::Relaxed);
        let after = if before == u64::MAX || per_kib >= before {
            per_kib.min(u64::MAX - 1)
        } else {
            before - (before - per_kib).div_ceil(FALL)
        };
        if after != before {
            self.0.store(after, Ordering::Relaxed);
        }
    }
}

fn weighed(bytes: usize) -> u64 {
    (bytes as u64).max(SMALL_SOURCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_yet_is_looked_for() {
        let cost = Cost::default();
        assert!(cost.may_be_worth_keeping(0));
        cost.learn(1_000, 40);
        assert!(!cost.may_be_worth_keeping(1_000));
        assert!(!cost.may_be_worth_keeping(4 * 1024), "40 µs");
        assert!(!cost.may_be_worth_keeping(64 * 1024), "640 µs");
        assert!(cost.may_be_worth_keeping(128 * 1024), "1.28 ms");
    }

    #[test]
    fn one_dear_call_is_remembered_for_a_while() {
        let cost = Cost::default();
        cost.learn(4 * 1024, 40);
        cost.learn(4 * 1024, 30_000);
        assert!(cost.may_be_worth_keeping(1));
        for _ in 0..100 {
            cost.learn(4 * 1024, 40);
        }
        assert!(cost.may_be_worth_keeping(1), "after a hundred cheap ones");
        for _ in 0..1_000 {
            cost.learn(4 * 1024, 40);
        }
        assert!(!cost.may_be_worth_keeping(1));
        cost.learn(0, u64::MAX);
        assert!(cost.may_be_worth_keeping(1));
    }
}
