//! Whether this host's worker still holds what it claimed, by its own clock: one that slept, or was cut off, must not go on with
//! what others have meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// When the worker was last heard of, and for how long that counts.
pub(crate) struct LeaseClock {
    since: Instant,
    /// In milliseconds after `since`; 0: never.
    until: AtomicU64,
}

impl Default for LeaseClock {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            until: AtomicU64::new(0),
        }
    }
}

impl LeaseClock {
    /// A word of the worker that was sent at `sent` was heard. The database counts from when it came, which is later.
    pub(crate) fn heard(&self, sent: Instant, lease: Duration) {
        let until = (sent + lease).saturating_duration_since(self.since).as_millis();
        self.until
            .store(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// It was given up.
    pub(crate) fn over(&self) {
        self.until.store(0, Ordering::Release);
    }

    pub(crate) fn holds(&self) -> bool {
        self.since.elapsed().as_millis() < u128::from(self.until.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lease_ends_by_itself() {
        let clock = LeaseClock::default();
        assert!(!clock.holds(), "nobody heard of it yet");
        tokio::time::advance(Duration::from_secs(5)).await;
        clock.heard(Instant::now() - Duration::from_secs(1), Duration::from_secs(3));
        assert!(clock.holds());
        tokio::time::advance(Duration::from_millis(1_999)).await;
        assert!(clock.holds());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!clock.holds());
        clock.heard(Instant::now(), Duration::from_secs(3));
        clock.over();
        assert!(!clock.holds());
    }
}
