//! Sealing: what was inserted gets its place in the chain. Also, how far that lags behind.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::connect::Store;
use crate::error::StoreError;

/// An entry that is not sealed after so long is an alarm: until it is, it could be changed unnoticed.
pub const ALARM: Duration = Duration::from_secs(60);
/// Entries that are sealed by one transaction: it takes about a tenth of a second.
const BATCH: i32 = 5_000;

/// What one call sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// Entries; none: another host is sealing.
    pub entries: Option<u64>,
    /// There may be more that could be sealed at once.
    pub more: bool,
}

/// How far sealing lags behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// Entries without a place when it was last looked, counted up to 10 000.
    pub waiting: u64,
    /// For how long the oldest of them has been waiting by now; while the database does not answer, nobody knows better.
    pub oldest: Duration,
    /// How often sealing failed since this process started.
    pub failures: u64,
}

/// What is known of the lag, shared by all who ask.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sealing(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    waiting: u64,
    /// When the oldest of those that wait began to, or the last look if none did and sealing has failed since.
    since: Option<Instant>,
    looked: Option<Instant>,
    failures: u64,
}

impl Sealing {
    fn looked(&self, now: Instant, waiting: u64, oldest: Option<Duration>) {
        let mut known = self.known();
        known.waiting = waiting;
        known.since = oldest.map(|age| now.checked_sub(age).unwrap_or(now));
        known.looked = Some(now);
    }

    fn failed(&self, now: Instant) {
        let mut known = self.known();
        known.failures += 1;
        // What came since the last look may be waiting.
        let last = *known.looked.get_or_insert(now);
        known.since.get_or_insert(last);
    }

    fn lag(&self, now: Instant) -> Lag {
        let known = self.known();
        Lag {
            waiting: known.waiting,
            oldest: known
                .since
                .map(|since| now.duration_since(since))
                .unwrap_or_default(),
            failures: known.failures,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Seals entries that are waiting, of all tenants: to be called about once a second, by any number of hosts, and again at
    /// once while there are more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn seal_audit(&self) -> Result<Sealed, StoreError> {
        let sealed = self.seal_some().await;
        if sealed.is_err() {
            self.sealing.failed(Instant::now());
        }
        sealed
    }

    async fn seal_some(&self) -> Result<Sealed, StoreError> {
        let row = sqlx::query!(
            r#"select sealed, waiting as "waiting!", oldest_ms from docmill.seal_audit($1)"#,
            BATCH
        )
        .fetch_one(&mut self.line().await?)
        .await?;
        let count = |n: i64| u64::try_from(n).unwrap_or_default();
        let oldest = row.oldest_ms.map(|ms| Duration::from_millis(count(ms)));
        self.sealing.looked(Instant::now(), count(row.waiting), oldest);
        Ok(Sealed {
            entries: row.sealed.map(count),
            more: row.sealed.is_some_and(|sealed| sealed >= i64::from(BATCH)),
        })
    }

    /// How far sealing lags behind, as far as this process knows.
    pub fn audit_lag(&self) -> Lag {
        self.sealing.lag(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_grows_while_sealing_fails() {
        let sealing = Sealing::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(sealing.lag(start), Lag::default());
        sealing.looked(start, 0, None);
        assert_eq!(sealing.lag(after(5)).oldest, Duration::ZERO, "nothing waits");
        sealing.failed(after(5));
        sealing.failed(after(60));
        let lag = Lag {
            waiting: 0,
            oldest: Duration::from_secs(65),
            failures: 2,
        };
        assert_eq!(sealing.lag(after(65)), lag);
        sealing.looked(after(65), 3, Some(Duration::from_secs(2)));
        let lag = sealing.lag(after(66));
        assert_eq!((lag.waiting, lag.oldest), (3, Duration::from_secs(3)));
        sealing.looked(after(66), 0, None);
        assert_eq!(sealing.lag(after(70)).oldest, Duration::ZERO);
    }
}
