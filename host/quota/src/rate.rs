//! So much per time (GCRA): one number, the time at which everything taken so far is paid back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// So many units in a span of time, of which some may come at once. What is taken is counted as time that passes.
#[derive(Debug)]
pub(crate) struct Rate {
    /// In nanoseconds.
    span: u64,
    /// Units in a span; 0: not limited.
    per: AtomicU64,
    /// Units that may come at once.
    burst: AtomicU64,
    /// When everything that was taken is paid back, in ticks.
    paid_at: AtomicU64,
}

impl Rate {
    pub(crate) fn new(span: Duration) -> Self {
        Self {
            span: crate::nanos(span),
            per: AtomicU64::new(0),
            burst: AtomicU64::new(0),
            paid_at: AtomicU64::new(0),
        }
    }

    /// Changes the limit; what is owed is owed in units, and so paid back sooner or later from now on.
    pub(crate) fn set(&self, now: u64, per: u64, burst: u64) {
        let before = self.per.swap(per, Ordering::AcqRel);
        self.burst.store(burst.max(1), Ordering::Release);
        if before == per || before == 0 || per == 0 {
            return;
        }
        let _ = self
            .paid_at
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |paid_at| {
                let owed = u128::from(paid_at.saturating_sub(now)) * u128::from(before) / u128::from(per);
                Some(now.saturating_add(u64::try_from(owed).unwrap_or(u64::MAX)))
            });
    }

    pub(crate) fn per(&self) -> u64 {
        self.per.load(Ordering::Acquire)
    }

    pub(crate) fn burst(&self) -> u64 {
        self.burst.load(Ordering::Acquire)
    }

    /// How long `units` last.
    fn cost(&self, units: u64, per: u64) -> u64 {
        let ns = u128::from(units) * u128::from(self.span) / u128::from(per.max(1));
        u64::try_from(ns).unwrap_or(u64::MAX)
    }

    /// Takes one unit, or says how long to wait for it.
    pub(crate) fn take(&self, now: u64) -> Result<(), Duration> {
        let per = self.per();
        if per == 0 {
            return Ok(());
        }
        let (cost, most) = (self.cost(1, per), self.cost(self.burst(), per));
        let full = now.saturating_add(most);
        let mut paid_at = self.paid_at.load(Ordering::Acquire);
        loop {
            // Never later than a full bucket explains: the limit was lowered, or the clock set back.
            let held = paid_at.clamp(now, full);
            let next = held.saturating_add(cost);
            let taken = next <= full;
            let stored = if taken { next } else { held };
            if stored == paid_at && !taken {
                return Err(Duration::from_nanos(next - full));
            }
            match self
                .paid_at
                .compare_exchange_weak(paid_at, stored, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) if taken => return Ok(()),
                Ok(_) => return Err(Duration::from_nanos(next - full)),
                Err(other) => paid_at = other,
            }
        }
    }

    /// Gives back one unit that was taken for nothing.
    pub(crate) fn give_back(&self) {
        let per = self.per();
        if per > 0 {
            let cost = self.cost(1, per);
            let _ = self
                .paid_at
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |paid_at| {
                    Some(paid_at.saturating_sub(cost))
                });
        }
    }

    /// Takes what was used already, though there may not be so much: it is owed.
    pub(crate) fn charge(&self, now: u64, units: u64) {
        let per = self.per();
        if per > 0 {
            let cost = self.cost(units, per);
            let _ = self
                .paid_at
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |paid_at| {
                    Some(paid_at.max(now).saturating_add(cost))
                });
        }
    }

    /// How long until something can be used again.
    pub(crate) fn wait(&self, now: u64) -> Duration {
        let per = self.per();
        if per == 0 {
            return Duration::ZERO;
        }
        let full = now.saturating_add(self.cost(self.burst(), per));
        let over = self.paid_at.load(Ordering::Acquire).saturating_sub(full);
        Duration::from_nanos(over)
    }

    /// What is left now, and how long until all of it is there again.
    pub(crate) fn left(&self, now: u64) -> (u64, Duration) {
        let per = self.per();
        let full = now.saturating_add(self.cost(self.burst(), per));
        let paid_at = self.paid_at.load(Ordering::Acquire);
        let free = u128::from(full.saturating_sub(paid_at.max(now)));
        let units = free * u128::from(per) / u128::from(self.span.max(1));
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        (units, Duration::from_nanos(paid_at.saturating_sub(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn rate(now: u64, per: u64, burst: u64) -> Rate {
        let rate = Rate::new(Duration::from_secs(1));
        rate.set(now, per, burst);
        rate
    }

    fn taken(rate: &Rate, now: u64) -> usize {
        (0..1_000).take_while(|_| rate.take(now).is_ok()).count()
    }

    #[test]
    fn a_burst_then_the_rate() {
        let rate = rate(5, 10, 20);
        assert_eq!(taken(&rate, 5), 20);
        assert_eq!(rate.take(5), Err(Duration::from_millis(100)));
        assert_eq!(rate.take(5 + SECOND / 20), Err(Duration::from_millis(50)));
        assert_eq!(taken(&rate, 5 + SECOND / 10), 1);
        assert_eq!(taken(&rate, 5 + SECOND), 9);
        assert_eq!(rate.left(5 + SECOND).0, 0);
        // However long nobody comes, no more than the burst.
        assert_eq!(taken(&rate, 1_000 * SECOND), 20);
        rate.give_back();
        assert_eq!(taken(&rate, 1_000 * SECOND), 1);
    }

    #[test]
    fn a_clock_that_jumps_neither_opens_nor_shuts() {
        let rate = rate(0, 10, 10);
        let late = 1_000_000 * SECOND;
        assert_eq!(taken(&rate, late), 10);
        // Set back: as full as it can be, not for longer than a full one is.
        assert!(rate.take(SECOND).is_err());
        assert_eq!(taken(&rate, 2 * SECOND), 10);
        assert_eq!(taken(&rate, late), 10);
        assert_eq!(taken(&rate, 3 * SECOND), 0);
        assert_eq!(taken(&rate, 4 * SECOND), 10);
    }

    #[test]
    fn a_limit_that_changes_counts_at_once() {
        let rate = rate(0, 1, 1);
        assert_eq!(taken(&rate, 0), 1);
        assert!(rate.wait(0).is_zero() && rate.take(0).is_err());
        rate.set(0, 100, 100);
        assert_eq!(taken(&rate, 0), 99, "one is owed");
        rate.set(0, 2, 2);
        assert_eq!(taken(&rate, 0), 0);
        assert_eq!(taken(&rate, SECOND), 2);
        rate.set(SECOND, 0, 0);
        assert_eq!(taken(&rate, SECOND), 1_000, "not limited any more");
    }

    #[test]
    fn what_was_used_is_owed_and_paid_back() {
        let rate = Rate::new(Duration::from_secs(60));
        rate.set(0, 1_000_000, 1_000_000);
        rate.charge(0, 1_000_000);
        assert_eq!(rate.wait(0), Duration::ZERO);
        rate.charge(0, 500_000);
        assert_eq!(rate.wait(0), Duration::from_secs(30));
        assert_eq!(rate.left(0), (0, Duration::from_secs(90)));
        // Who waits for it waits less when there is more.
        rate.set(0, 3_000_000, 3_000_000);
        assert_eq!(rate.wait(0), Duration::ZERO);
        rate.charge(0, u64::MAX);
        assert!(rate.wait(0) > Duration::from_secs(60));
    }

    #[test]
    fn many_threads_take_no_more_than_there_is() {
        let rate = rate(0, 1_000, 1_000);
        let all: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1_000).filter(|_| rate.take(7).is_ok()).count()))
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(all, 1_000);
    }
}
